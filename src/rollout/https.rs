//! The HTTP client of the judge.

use crate::net::tls::{Role, certificate_authorities, provider};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use std::path::Path;

/// Speaks `http` and `https`, HTTP/1.1, and keeps no connection: what the judge has to say is said once in a while.
/// It follows no redirect.
pub(super) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Reads the system's root certificates, which takes some milliseconds. Without any, `https` is refused by every
/// server's certificate and `http` still works.
pub(super) fn client() -> Client {
    let config = match builder().with_native_roots() {
        Ok(with_roots) => with_roots.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no root certificates: https cannot be spoken; install ca-certificates");
            builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    };
    with(config)
}

/// Trusts the certificates in the PEM file at `path`, and no others. Blocks for the reading of it.
///
/// # Errors
/// What is wrong with the file, with its name.
pub(super) fn client_trusting(path: &Path) -> Result<Client, String> {
    let roots = certificate_authorities(path, Role::Ca).map_err(|error| error.to_string())?;
    Ok(with(builder().with_root_certificates(roots).with_no_client_auth()))
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
}

fn with(config: ClientConfig) -> Client {
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build();
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}
