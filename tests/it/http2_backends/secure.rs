//! HTTP/2 to backends over TLS: agreed on by ALPN, or not spoken at all.

use super::over_http2;
use super::peer::{Call, Peer};
use crate::harness::Serin;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// A backend that speaks TLS and offers these protocols in its handshake, and the proxy's `tls` for it.
fn backend(protocols: &'static [&'static [u8]]) -> (Peer, String, TempDir) {
    let key = rcgen::generate_simple_self_signed(["backend.test".to_owned()]).expect("a certificate can be made");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let ca = directory.path().join("ca.crt");
    std::fs::write(&ca, key.cert.pem()).expect("the directory can be written");
    let certificate = CertificateDer::from_pem_slice(key.cert.pem().as_bytes()).unwrap();
    let private = PrivateKeyDer::from_pem_slice(key.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], private).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let config = Arc::new(config);
    let peer = Peer::listen(
        &h2::server::Builder::new(),
        async |call: Call| {
            let scheme = call.head.uri.scheme_str().unwrap_or_default().to_owned();
            call.reply(200, scheme)
        },
        move |socket| {
            let accepted = TlsAcceptor::from(Arc::clone(&config)).accept(socket);
            async { accepted.await.ok() }
        },
    );
    let tls = format!("tls: {{ caFile: \"{}\", serverName: backend.test }}", ca.display());
    (peer, tls, directory)
}

#[test]
fn http_2_is_agreed_on_in_the_handshake() {
    let (backend, tls, _directory) = backend(&[b"h2", b"http/1.1"]);
    let mut serin = Serin::start(&over_http2(backend.address(), &tls));
    let mut client = serin.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "https");
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_backend_that_does_not_choose_http_2_gets_no_request_and_the_log_says_why() {
    const OTHERS: [&[&[u8]]; 2] = [&[], &[b"http/1.1"]];
    for protocols in OTHERS {
        let (backend, tls, _directory) = backend(protocols);
        let mut serin = Serin::start(&over_http2(backend.address(), &tls));
        let response = serin.client().get("/");
        assert_eq!((response.status, response.head.one("x-serin-reason")), (503, Some("connect-failed")));
        assert_eq!(serin.count("serin_failures_total", &[("backend", "stable"), ("cause", "tls")]), 1);
        let said = serin.process.log.event("the TLS handshake with an endpoint failed", |_| true);
        assert!(said.is_some(), "{}", serin.process.log.text());
        assert_eq!(backend.requests(), 0);
    }
}
