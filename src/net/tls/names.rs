//! Which certificate a client is shown, by the name that it asks for (SNI, RFC 6066 section 3).

use super::Identity;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// Certificates in the config's order. The first is for whoever asks for none of the names, or for no name at all.
#[derive(Debug)]
pub(super) struct Certificates(pub(super) Vec<Identity>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        self.choose(name.as_deref(), hello.signature_schemes()).map(|identity| Arc::clone(&identity.key))
    }
}

impl Certificates {
    /// One with the very name, else one for its whole domain, else the first; of several, the first whose key the
    /// client can check.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Identity> {
        let fits = |identity: &&Identity| identity.key.key.choose_scheme(schemes).is_some();
        let of = |wanted: &str| {
            let mut named = self.0.iter().filter(|identity| identity.names.iter().any(|name| name == wanted));
            named.find(fits)
        };
        let domain = || name.and_then(|name| name.split_once('.')).and_then(|(_, domain)| of(&format!("*.{domain}")));
        name.and_then(of).or_else(domain).or_else(|| self.0.iter().find(fits)).or(self.0.first())
    }
}
