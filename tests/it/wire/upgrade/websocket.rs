//! Real WebSocket peers on both sides: Python's `websockets`.

use crate::harness::{PATIENCE, Peer, Serin, eventually, everything_to, python};
use crate::tls::authority::Authority;

const PEER: &str = "tests/it/wire/upgrade/websocket.py";

/// Has a client do everything through the proxy, with these arguments behind the limit.
#[track_caller]
fn assert_talks(python: &str, serin: &Serin, url: &str, more: &[&str]) {
    let limit = (PATIENCE.as_secs() * 3).to_string();
    let mut client = Peer::start(python, PEER, &[&["talk", url, &limit], more].concat());
    // Each line is one thing that the client has seen to work; what does not work ends it with an error instead.
    let expected = [
        "1000 messages both ways",
        "1000 messages at once",
        "large messages",
        "ping and pong",
        "close codes",
        "refusal",
    ];
    for what in expected {
        assert_eq!(client.line(), what);
    }
    assert!(client.ends_well());
    serin.await_count("serin_requests_total", &[("code", "101")], 7);
    serin.await_count("serin_requests_total", &[("code", "403")], 1);
    eventually("every tunnel is closed", || serin.count("serin_tunnels", &[]) == 0);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn websocket_peers_meet_through_the_proxy() {
    let Some(python) = python("websockets.asyncio.client") else { return };
    let mut server = Peer::start(&python, PEER, &["serve"]);
    let address = server.line().parse().expect("it says where it listens");
    let mut serin = Serin::start(&everything_to(address));
    let url = format!("ws://{}/chat", serin.address());
    assert_talks(&python, &serin, &url, &[]);
}

#[test]
fn and_over_tls() {
    let Some(python) = python("websockets.asyncio.client") else { return };
    let Some(authority) = Authority::new() else { return };
    let mut server = Peer::start(&python, PEER, &["serve"]);
    let address = server.line().parse().expect("it says where it listens");
    let files = authority.issue("web", "IP:127.0.0.1");
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {} }} }}]\n", files.yaml());
    let mut serin = Serin::start(&format!("{listener}{}", everything_to(address)));
    let url = format!("wss://{}/chat", serin.address());
    assert_talks(&python, &serin, &url, &[authority.certificate().to_str().expect("a plain path")]);
}
