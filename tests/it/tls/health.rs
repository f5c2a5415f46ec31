//! Health checks of a backend behind TLS: what is asked is asked as a request would be, by whom the files name now.

use super::authority::Authority;
use super::peers::SecureBackend;
use crate::harness::{Serin, eventually, everything_to};

#[test]
fn an_endpoint_is_asked_over_tls_and_whoever_it_should_not_be_is_unhealthy() {
    let Some((authority, other)) = Authority::new().zip(Authority::new()) else { return };
    let backend = SecureBackend::ok(&authority.issue("backend", "DNS:backend.test"), None);
    let trusted = authority.directory().join("trusted.crt");
    std::fs::copy(authority.certificate(), &trusted).unwrap();
    let tls = format!("tls: {{ caFile: \"{}\", serverName: backend.test }}", trusted.display());
    let health = "health: { path: /healthz, interval: 100ms, healthyThreshold: 1, unhealthyThreshold: 1 }";
    let config = everything_to(backend.address);
    let mut serin = Serin::start(&config.replace("version: \"1\",", &format!("version: \"1\", {tls}, {health},")));
    let state = |serin: &Serin, state| serin.count("serin_endpoints", &[("state", state)]);
    assert_eq!(state(&serin, "ready"), 1, "readiness waits for the first answer");
    assert!(backend.requests().iter().all(|head| head.starts_with("GET /healthz HTTP/1.1\r\n")));
    assert_eq!(backend.handshakes()[0].0.as_deref(), Some("backend.test"));
    assert_eq!(serin.client().get("/").text(), "ok");
    // Nothing but the file changes: the endpoint that is known is asked in the new way.
    std::fs::copy(other.certificate(), &trusted).unwrap();
    eventually("it is believed no more", || state(&serin, "unhealthy") == 1);
    serin.process.log.tells("the TLS handshake failed");
    std::fs::copy(authority.certificate(), &trusted).unwrap();
    eventually("it is believed again", || state(&serin, "ready") == 1);
    assert_eq!(serin.client().get("/").text(), "ok");
}
