//! Certificates and keys as they lie in files, and everything that can be wrong with them before a peer finds out.

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A certificate and the key that belongs to it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What is shown to peers, and signed with.
    pub key: Arc<CertifiedKey>,
    /// The DNS names of its subject alternative name, in lower case; `*.` begins those of a whole domain.
    pub names: Vec<String>,
    /// The last moment at which it is valid.
    pub not_after: SystemTime,
}

/// What a file is there for, by its key in the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `certificateFile`.
    Certificate,
    /// `keyFile`.
    Key,
    /// `clientCaFile`.
    ClientCa,
    /// `caFile`.
    Ca,
}

/// A file that is not what it has to be. Says what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{role} {}: {flaw}", path.display())]
pub struct FileError {
    /// What it is there for.
    pub role: Role,
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub flaw: Flaw,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The system does not give it.
    #[error("cannot be read: {0}; check the path, and that this user may read it")]
    Unreadable(io::Error),
    /// It is not PEM.
    #[error("is not PEM: {0}")]
    Pem(PemError),
    /// There is no certificate in it.
    #[error("has no certificate in it; it needs `-----BEGIN CERTIFICATE-----` blocks, the most specific one first")]
    NoCertificate,
    /// There is no key in it.
    #[error("has no private key in it; it needs one in PEM (PKCS#8, PKCS#1 or SEC1) without a passphrase")]
    NoKey,
    /// It is no certificate that peers could understand.
    #[error("has a certificate that cannot be used: {0}; issue it anew, as X.509 version 3")]
    Certificate(String),
    /// It is no key that could be signed with.
    #[error("has a key that cannot be used: {0}; use ECDSA P-256 or P-384, Ed25519, or RSA with 2048 bits or more")]
    Key(rustls::Error),
    /// The key is another certificate's.
    #[error("does not belong to the key in {}; put the two that were issued together", .0.display())]
    Mismatch(PathBuf),
    /// Its time is over.
    #[error("has expired, on {}; renew it", httpdate::fmt_http_date(*.0))]
    Expired(SystemTime),
    /// Its time has not begun.
    #[error("is not valid before {}; check the clocks, or use the one before", httpdate::fmt_http_date(*.0))]
    NotYetValid(SystemTime),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificateFile",
            Self::Key => "keyFile",
            Self::ClientCa => "clientCaFile",
            Self::Ca => "caFile",
        })
    }
}

impl Identity {
    /// Reads a chain of certificates, the peer's own first, and its key; both have to be right at `now`.
    ///
    /// # Errors
    /// [`FileError`] with the first thing that is wrong.
    pub fn load(certificate: &Path, key: &Path, now: SystemTime) -> Result<Self, FileError> {
        let of_certificate = |flaw| FileError { role: Role::Certificate, path: certificate.into(), flaw };
        let of_key = |flaw| FileError { role: Role::Key, path: key.into(), flaw };
        let chain = certificates(&read(certificate).map_err(of_certificate)?).map_err(of_certificate)?;
        let own = chain.first().ok_or(Flaw::NoCertificate).map_err(of_certificate)?;
        let Validity { names, not_before, not_after } = validity(own).map_err(of_certificate)?;
        if now > not_after {
            return Err(of_certificate(Flaw::Expired(not_after)));
        }
        if now < not_before {
            return Err(of_certificate(Flaw::NotYetValid(not_before)));
        }
        let private = PrivateKeyDer::from_pem_slice(&read(key).map_err(of_key)?).map_err(|error| match error {
            PemError::NoItemsFound => of_key(Flaw::NoKey),
            error => of_key(Flaw::Pem(error)),
        })?;
        let signing = super::provider().key_provider.load_private_key(private).map_err(|e| of_key(Flaw::Key(e)))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            // A key that cannot tell what belongs to it is taken at its word.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(of_certificate(Flaw::Mismatch(key.into()))),
            Err(error) => return Err(of_certificate(Flaw::Certificate(error.to_string()))),
        }
        Ok(Self { key: Arc::new(certified), names, not_after })
    }
}

/// Reads the certificate authorities that peers are believed by.
///
/// # Errors
/// [`FileError`] when there is none, or one that cannot be used.
pub fn certificate_authorities(path: &Path, role: Role) -> Result<RootCertStore, FileError> {
    let wrong = |flaw| FileError { role, path: path.into(), flaw };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&read(path).map_err(wrong)?).map_err(wrong)? {
        roots.add(certificate).map_err(|error| wrong(Flaw::Certificate(error.to_string())))?;
    }
    if roots.is_empty() { Err(wrong(Flaw::NoCertificate)) } else { Ok(roots) }
}

/// Tells one content of these files from another; a file that cannot be read is a content too.
pub fn fingerprint<'a>(paths: impl IntoIterator<Item = &'a Path>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        path.hash(&mut hasher);
        read(path).ok().hash(&mut hasher);
    }
    hasher.finish()
}

/// More than this is neither a chain nor a key.
const MOST_BYTES: u64 = 4 << 20;

fn read(path: &Path) -> Result<Vec<u8>, Flaw> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::other(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
        }
        Ok(bytes)
    };
    read().map_err(Flaw::Unreadable)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(Flaw::Pem)
}

/// What a certificate says of itself.
struct Validity {
    names: Vec<String>,
    not_before: SystemTime,
    not_after: SystemTime,
}

fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, Flaw> {
    let unusable = |error: &dyn fmt::Display| Flaw::Certificate(error.to_string());
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| unusable(&error))?;
    let alternative = parsed.subject_alternative_name().map_err(|error| unusable(&error))?;
    let names = alternative.into_iter().flat_map(|extension| &extension.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let time = |at: x509_parser::time::ASN1Time| {
        // Before 1970 is as good as 1970: it is over.
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or(0))
    };
    let validity = parsed.validity();
    Ok(Validity { names: names.collect(), not_before: time(validity.not_before), not_after: time(validity.not_after) })
}
