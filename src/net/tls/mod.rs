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

/// HTTP/1.1 by its ALPN name (RFC 7301).
pub const HTTP1: &[u8] = b"http/1.1";
/// HTTP/2 by its ALPN name (RFC 9113 section 3.2).
pub const HTTP2: &[u8] = b"h2";

/// What is offered in a handshake: a peer that insists on anything else is told so there.
fn offer(protocols: &[&[u8]]) -> Vec<Vec<u8>> {
    protocols.iter().map(|name| name.to_vec()).collect()
}
