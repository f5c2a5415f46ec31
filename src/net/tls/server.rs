//! The side that is connected to.

use super::Identity;
use super::names::Certificates;
use arc_swap::ArcSwapOption;
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;

/// How a listener's new connections begin: with a handshake, or in clear. Shared by its owner, who changes it, and by
/// the workers, who ask once a connection.
#[derive(Debug, Default)]
pub struct Acceptor(ArcSwapOption<ServerConfig>);

impl Acceptor {
    /// Of a handshake as `config` says, or of none.
    pub fn new(config: Option<Arc<ServerConfig>>) -> Self {
        Self(ArcSwapOption::new(config))
    }

    /// From now on connections begin like this.
    pub fn set(&self, config: Option<Arc<ServerConfig>>) {
        self.0.store(config);
    }

    /// How a connection begins now; `None` in clear.
    pub fn config(&self) -> Option<Arc<ServerConfig>> {
        self.0.load_full()
    }
}

/// Keys for session tickets, renewed every 6 hours and good for 12: all workers know them, so a client resumes at any.
///
/// # Errors
/// When the system has no random numbers.
pub fn tickets() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    ring::Ticketer::new()
}

/// What a listener says in handshakes: TLS 1.2 and 1.3, with one of `identities`, of which there is at least one, to
/// clients with a certificate of `clients`, if given, or to all; about one of `protocols`, by their ALPN names, the first
/// rather than the last.
///
/// # Errors
/// When `clients` has nothing in it.
pub fn server_config(
    identities: Vec<Identity>,
    clients: Option<RootCertStore>,
    tickets: Arc<dyn ProducesTickets>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = super::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(Certificates(identities)));
    config.alpn_protocols = super::offer(protocols);
    config.ticketer = tickets;
    // A store of sessions would be a lock that all workers share, and the tickets do without.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
