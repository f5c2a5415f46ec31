//! The HTTP client for what is said once in a while: the judge's queries, hooks and alerts, the command line's calls.

use super::tls::{Identity, Role, certificate_authorities, provider};
use hyper::body::Body;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::WantsClientCert;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Speaks `http` and `https`, HTTP/1.1, and keeps no connection. It follows no redirect.
pub type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// Reads the system's root certificates, which takes some milliseconds. Without any, `https` is refused by every
/// server's certificate and `http` still works.
pub fn client<B: Body<Data: Send> + Send>() -> Client<B> {
    with(trusting_the_system().with_no_client_auth())
}

/// Trusts nobody, and so reads nothing: for `http` alone.
pub fn client_in_clear<B: Body<Data: Send> + Send>() -> Client<B> {
    with(trusting(RootCertStore::empty()).with_no_client_auth())
}

/// Trusts the certificates in the PEM file at `path`, and no others. Blocks for the reading of it.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn client_trusting<B: Body<Data: Send> + Send>(path: &Path) -> Result<Client<B>, String> {
    Ok(with(trusting_file(path)?.with_no_client_auth()))
}

/// Shows `identity` to whoever asks for a certificate; trusts the certificates in the PEM file at `authorities`, and
/// without one the system's. Blocks for the reading of them.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn client_showing<B: Body<Data: Send> + Send>(
    identity: &Identity,
    authorities: Option<&Path>,
) -> Result<Client<B>, String> {
    let builder = authorities.map_or_else(|| Ok(trusting_the_system()), trusting_file)?;
    Ok(with(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from((*identity.key).clone())))))
}

/// Whether the peer ended the handshake by an alert (RFC 8446 section 6.2): it did not believe us, or missed a
/// certificate. False where it was us who did not believe the peer.
pub fn was_alert(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        // An I/O error passes over what is in it when asked for its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(tls, Some(rustls::Error::AlertReceived(_)))
    })
}

fn trusting_the_system() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder().with_native_roots().unwrap_or_else(|error| {
        tracing::warn!(%error, "no root certificates: https cannot be spoken; install ca-certificates");
        trusting(RootCertStore::empty())
    })
}

fn trusting_file(path: &Path) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    certificate_authorities(path, Role::Ca).map(trusting).map_err(|error| error.to_string())
}

fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    builder().with_root_certificates(roots)
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
}

fn with<B: Body<Data: Send> + Send>(config: ClientConfig) -> Client<B> {
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}
