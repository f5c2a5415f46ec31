//! WebSocket to backends that speak HTTP/2: extended CONNECT (RFC 8441).

use super::front;
use super::peer::{Call, Peer, response};
use crate::harness::eventually;
use bytes::Bytes;
use h2::ext::Protocol;

/// The example of RFC 6455 section 1.3.
const HANDSHAKE: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

/// Says back what it hears, until that ends.
async fn echo(mut call: Call) -> Result<(), h2::Error> {
    assert_eq!(call.protocol.as_ref().map(Protocol::as_str), Some("websocket"));
    let mut head = response(200);
    head.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    let mut sends = call.begin(head)?;
    while let Some(data) = call.content.data().await {
        let data = data?;
        call.content.flow_control().release_capacity(data.len())?;
        sends.send_data(data, false)?;
    }
    sends.send_data(Bytes::from_static(b"bye"), true)
}

fn willing() -> h2::server::Builder {
    let mut settings = h2::server::Builder::new();
    settings.enable_connect_protocol();
    settings
}

#[test]
fn an_upgrade_to_websocket_is_an_extended_connect_and_its_answer_a_101() {
    let backend = Peer::start_with(&willing(), echo);
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client.send(HANDSHAKE);
    let (code, head) = client.head();
    assert_eq!(code, 101, "{head:?}");
    assert_eq!(head.one("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.one("sec-websocket-protocol"), Some("chat"));
    assert_eq!(head.one("upgrade"), Some("websocket"));
    assert!(head.lists("connection", "upgrade"));
    serin.await_count("serin_tunnels", &[], 1);
    for text in ["hello", "there"] {
        client.send(text);
        assert_eq!(client.wire.exactly(5).unwrap(), text.as_bytes());
    }
    client.wire.finish();
    assert_eq!(client.wire.until_end().unwrap(), b"bye");
    let head = backend.heads().remove(0);
    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("CONNECT", "http://test/chat?room=1"));
    assert_eq!(head.headers["sec-websocket-version"], "13");
    for name in ["sec-websocket-key", "upgrade", "connection", "content-length"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    eventually("the tunnel is over", || serin.count("serin_tunnels", &[]) == 0 && backend.streams() == 0);
    // The connection carries on.
    let mut another = serin.client();
    another.send(HANDSHAKE);
    assert_eq!(another.head().0, 101);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_refused_websocket_is_an_ordinary_response() {
    let backend = Peer::start_with(&willing(), async |call: Call| call.reply(403, "not you"));
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client.send(HANDSHAKE);
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (403, "not you"));
    assert_eq!(response.head.one("sec-websocket-accept"), None);
}

#[test]
fn a_backend_without_extended_connect_takes_no_websocket_and_any_other_upgrade_is_left_out() {
    let backend = Peer::start(async |call: Call| call.reply(200, "plain"));
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client.send(HANDSHAKE);
    let response = client.response();
    assert_eq!((response.status, response.head.one("x-serin-reason")), (501, Some("no-websocket")));
    assert_eq!(backend.requests(), 0);
    let other = serin.client().get_with("/", "Upgrade: foo/2\r\nConnection: upgrade\r\n");
    assert_eq!((other.status, other.text().as_str()), (200, "plain"));
}
