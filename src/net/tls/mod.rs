//! TLS, by rustls: what it needs from files, both sides of a connection, and the one place where its cryptography is
//! chosen.
//!
//! Nothing here decides when a file is read or a certificate replaced: that is the control thread's. What is made here
//! does not change: a new certificate is a new [`rustls::ServerConfig`] in an [`Acceptor`], and connections that have
//! begun stay as they are.

mod client;
mod failure;
mod files;
mod names;
mod server;
mod session;
#[cfg(test)]
pub(crate) mod tests;

pub use client::{Connector, system_roots};
pub use failure::HandshakeFailure;
pub use files::{FileError, Flaw, Identity, Role, certificate_authorities, fingerprint};
pub use rustls::pki_types::ServerName;
pub use rustls::server::ProducesTickets as Tickets;
pub use rustls::{ClientConfig, RootCertStore, ServerConfig};
pub use server::{Acceptor, server_config, tickets};
pub use session::Tls;

use rustls::crypto::{CryptoProvider, ring};
use std::sync::{Arc, LazyLock};

/// The cryptography that all of the process uses: ring's.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// HTTP/1.1, by its ALPN name (RFC 7301), both ways: a peer that insists on anything else is told so in the handshake.
const PROTOCOLS: [&[u8]; 1] = [b"http/1.1"];

fn protocols() -> Vec<Vec<u8>> {
    PROTOCOLS.map(<[u8]>::to_vec).into()
}
