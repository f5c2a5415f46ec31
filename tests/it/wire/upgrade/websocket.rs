//! Real WebSocket peers on both sides: Python's `websockets`.

use crate::harness::{PATIENCE, Peer, Serin, everything_to, python};

const PEER: &str = "tests/it/wire/upgrade/websocket.py";

#[test]
fn websocket_peers_meet_through_the_proxy() {
    let Some(python) = python("websockets.asyncio.client", module_path!()) else { return };
    let mut server = Peer::start(&python, PEER, &["serve"]);
    let address = server.line().parse().expect("it says where it listens");
    let mut serin = Serin::start(&everything_to(address));
    let limit = PATIENCE.as_secs() * 3;
    let url = format!("ws://{}/chat", serin.address());
    let mut client = Peer::start(&python, PEER, &["talk", &url, &limit.to_string()]);
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
    crate::harness::eventually("every tunnel is closed", || serin.count("serin_tunnels", &[]) == 0);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}
