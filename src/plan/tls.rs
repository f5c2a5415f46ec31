//! Where TLS is spoken, and with which files. The files are read when the plan is taken up, and again when they change.

use crate::net::tls::ServerName;
use std::path::{Path, PathBuf};

/// A certificate's file and its key's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the certificate itself first, then those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// What a listener says in handshakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Never empty; the first is for clients that ask for none of the names.
    pub certificates: Vec<CertificateFiles>,
    /// PEM: the authorities of clients' certificates, which are then required.
    pub client_ca: Option<PathBuf>,
}

/// How Serin speaks TLS to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendTls {
    /// PEM: the authorities that are believed; `None` for those of the system.
    pub ca: Option<PathBuf>,
    /// Who has to be there; `None` for the endpoint's own address.
    pub server_name: Option<ServerName<'static>>,
    /// What is shown to a backend that asks who we are.
    pub certificate: Option<CertificateFiles>,
}

impl CertificateFiles {
    fn paths(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }
}

impl ServerTls {
    /// Every file.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.certificates.iter().flat_map(CertificateFiles::paths).chain(self.client_ca.as_deref())
    }
}

impl BackendTls {
    /// Every file.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.certificate.iter().flat_map(CertificateFiles::paths).chain(self.ca.as_deref())
    }
}
