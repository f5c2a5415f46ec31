//! The HTTP client of the judge.

use crate::net::tls::provider;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

/// Speaks `http` and `https`, HTTP/1.1, and keeps no connection: what the judge has to say is said once in a while.
pub(super) type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Reads the system's root certificates, which takes some milliseconds. Without any, `https` is refused by every
/// server's certificate and `http` still works.
pub(super) fn client() -> Client {
    let with_roots = match HttpsConnectorBuilder::new().with_provider_and_native_roots(provider()) {
        Ok(with_roots) => with_roots,
        Err(error) => {
            tracing::warn!(%error, "no root certificates: https webhooks cannot be reached; install ca-certificates");
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .expect("ring has the cipher suites of TLS 1.2 and 1.3")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
    };
    let connector = with_roots.https_or_http().enable_http1().build();
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
}
