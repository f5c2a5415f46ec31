//! gRPC over TLS, where `h2` is agreed on in the handshake: from callers, and to servers.

use super::{PEER, Server, assert_talks, config, grpcio, limit};
use crate::harness::{Peer, Serin, eventually, everything_to};
use crate::tls::authority::Authority;

#[test]
fn every_kind_of_call_passes_over_tls_on_both_sides() {
    let Some(python) = grpcio() else { return };
    let Some((callers, servers)) = Authority::new().zip(Authority::new()) else { return };
    let server = Server::secure(&python, &servers.issue("server", "DNS:server.test"));
    let to_server = format!("tls: {{ caFile: \"{}\", serverName: server.test }}", servers.certificate().display());
    let files = callers.issue("web", "IP:127.0.0.1");
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {} }} }}]\n", files.yaml());
    let backend = config(server.address).replace("protocol: http2,", &format!("protocol: http2, {to_server},"));
    let mut serin = Serin::start(&format!("{listener}{backend}"));
    let (address, believed) = (serin.address(), callers.certificate());
    assert_talks(&python, address, &[believed.to_str().expect("a plain path")]);
    assert_eq!(serin.count("serin_grpc_responses_total", &[("grpc_status", "none")]), 0);
    assert_eq!(serin.count("serin_connections_opened_total", &[("side", "client")]), 1, "one channel");
    // Whoever believes somebody else makes no call.
    let before = serin.count("serin_requests_total", &[]);
    let stranger = servers.certificate();
    let arguments = ["call", &address.to_string(), &limit(), stranger.to_str().expect("a plain path")];
    let ended = Peer::start(&python, PEER, &arguments).line();
    assert!(ended.starts_with("UNAVAILABLE ") && !ended.contains("backend"), "{ended}");
    assert_eq!(serin.count("serin_requests_total", &[]), before);
}

/// Over TLS the health service is asked in HTTP/2 whatever requests are sent in.
#[test]
fn a_server_behind_tls_is_asked_by_grpcs_health_service() {
    let Some(python) = grpcio() else { return };
    let Some((authority, other)) = Authority::new().zip(Authority::new()) else { return };
    let files = authority.issue("server", "DNS:server.test");
    let trusted = authority.directory().join("trusted.crt");
    let health =
        "health: { grpc: { service: test.Peer }, interval: 100ms, healthyThreshold: 1, unhealthyThreshold: 1 }";
    for protocol in ["http1", "http2"] {
        std::fs::copy(authority.certificate(), &trusted).unwrap();
        let mut server = Server::secure(&python, &files);
        let tls = format!("tls: {{ caFile: \"{}\", serverName: server.test }}", trusted.display());
        let keys = format!("version: \"1\", protocol: {protocol}, {tls}, {health},");
        let serin = Serin::start(&everything_to(server.address).replace("version: \"1\",", &keys));
        let state = |state| serin.count("serin_endpoints", &[("state", state)]);
        assert_eq!(state("ready"), 1, "{protocol}: readiness waits for the first answer");
        server.peer.tell("2");
        eventually("it is out", || state("unhealthy") == 1);
        serin.process.log.tells("the answer is NOT_SERVING");
        server.peer.tell("1");
        eventually("it is back", || state("ready") == 1);
        std::fs::copy(other.certificate(), &trusted).unwrap();
        eventually("it is believed no more", || state("unhealthy") == 1);
        serin.process.log.tells("the TLS handshake failed");
    }
}
