//! The HTTP client for what is said once in a while: the judge's queries, hooks and alerts, the command line's calls.

use super::tls::{Role, certificate_authorities, provider};
use hyper::body::Body;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::path::Path;

/// Speaks `http` and `https`, HTTP/1.1, and keeps no connection. It follows no redirect.
pub type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// Reads the system's root certificates, which takes some milliseconds. Without any, `https` is refused by every
/// server's certificate and `http` still works.
pub fn client<B: Body<Data: Send> + Send>() -> Client<B> {
    let config = match builder().with_native_roots() {
        Ok(with_roots) => with_roots.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no root certificates: https cannot be spoken; install ca-certificates");
            trusting(RootCertStore::empty())
        }
    };
    with(config)
}

/// Trusts nobody, and so reads nothing: for `http` alone.
pub fn client_in_clear<B: Body<Data: Send> + Send>() -> Client<B> {
    with(trusting(RootCertStore::empty()))
}

/// Trusts the certificates in the PEM file at `path`, and no others. Blocks for the reading of it.
///
/// # Errors
/// What is wrong with the file, with its name.
pub fn client_trusting<B: Body<Data: Send> + Send>(path: &Path) -> Result<Client<B>, String> {
    let roots = certificate_authorities(path, Role::Ca).map_err(|error| error.to_string())?;
    Ok(with(trusting(roots)))
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    builder().with_root_certificates(roots).with_no_client_auth()
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
