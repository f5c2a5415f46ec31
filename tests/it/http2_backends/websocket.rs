//! WebSocket to backends that speak HTTP/2: extended CONNECT (RFC 8441).

use super::peer::{Call, Peer, response};
use super::{front, over_http2};
use crate::harness::frames::{self, DATA, END_STREAM, HEADERS, RST_STREAM};
use crate::harness::{Frame, FrameClient, Serin, eventually, hpack};
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

/// An extended CONNECT on `stream`, as a client over HTTP/2 sends it.
fn connect(stream: u32) -> Frame {
    let [_, scheme, authority, _] = frames::request("", "");
    let pseudo = [(":method", "CONNECT"), (":protocol", "websocket"), scheme, authority, (":path", "/chat?room=1")];
    let fields = [&pseudo[..], &[("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat, superchat")]];
    Frame::headers(stream, &fields.concat(), false)
}

/// The content on `stream` until there are `length` bytes of it; whether it has ended then.
#[track_caller]
fn hear(client: &mut FrameClient, stream: u32, length: usize) -> (Vec<u8>, bool) {
    let (mut heard, mut ended) = (Vec::new(), false);
    while heard.len() < length && !ended {
        let frame = client.until(|frame| frame.is(DATA) && frame.stream == stream).expect("more");
        ended = frame.has(END_STREAM);
        heard.extend(frame.payload);
    }
    (heard, ended)
}

#[test]
fn an_extended_connect_of_a_client_goes_on_as_one() {
    let backend = Peer::start_with(&willing(), echo);
    let mut serin = front(backend.address(), "");
    let mut client = FrameClient::connect(serin.address());
    client.send(&connect(1));
    client.send(&Frame::data(1, *b"early", false));
    let head = client.until(|frame| frame.is(HEADERS)).expect("an answer");
    assert!(!head.has(END_STREAM));
    let fields = hpack::read(&head.payload);
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!((field(":status"), field("sec-websocket-protocol")), (Some("200"), Some("chat")));
    for name in ["sec-websocket-accept", "upgrade", "connection"] {
        assert_eq!(field(name), None, "HTTP/2 has none");
    }
    serin.await_count("serin_tunnels", &[], 1);
    assert_eq!(hear(&mut client, 1, 5).0, b"early");
    // More than any window lets through at once, and each byte comes back.
    let message = vec![b'm'; 16_000];
    for _ in 0..20 {
        client.send(&Frame::data(1, message.clone(), false));
        assert_eq!(hear(&mut client, 1, message.len()).0, message);
        [0, 1].into_iter().for_each(|stream| client.send(&Frame::window_update(stream, 16_000)));
    }
    // A request beside it is no part of it.
    client.send(&connect(3));
    client.send(&Frame::data(3, *b"", true));
    let (bye, mut ended) = hear(&mut client, 3, 3);
    assert_eq!(bye, b"bye");
    client.send(&Frame::data(1, *b"last", true));
    assert_eq!(hear(&mut client, 1, 7).0, b"lastbye");
    while !ended {
        ended = client.until(|frame| frame.is(DATA)).expect("the end").has(END_STREAM);
    }
    let head = backend.heads().remove(0);
    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("CONNECT", "http://test/chat?room=1"));
    assert_eq!(head.headers["sec-websocket-protocol"], "chat, superchat");
    assert!(!head.headers.contains_key("sec-websocket-key"), "HTTP/2 has none");
    serin.await_count("serin_requests_total", &[("code", "101")], 2);
    eventually("the tunnels are over", || serin.count("serin_tunnels", &[]) == 0 && backend.streams() == 0);
    assert_eq!((serin.count("serin_failures_total", &[]), backend.connections()), (0, 1));
}

#[test]
fn a_tunnel_of_streams_that_is_reset_on_one_side_or_idle_ends_on_both() {
    // Says a word, and does not end what it says by itself; a word from the client has it break off.
    let backend = Peer::start_with(&willing(), async |mut call: Call| {
        let mut sends = call.begin(response(200))?;
        sends.send_data(Bytes::from_static(b"hi"), false)?;
        if call.content.data().await.transpose()?.is_some() {
            sends.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        Ok(())
    });
    let config = over_http2(backend.address(), "").replace("connect: 10s", "connect: 10s, tunnelIdle: 300ms");
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut client = FrameClient::connect(serin.address());
    for (stream, last) in
        [(1, Some(Frame::reset(1, frames::CANCEL))), (3, Some(Frame::data(3, *b"x", false))), (5, None)]
    {
        client.send(&connect(stream));
        assert_eq!(hear(&mut client, stream, 2).0, b"hi");
        last.iter().for_each(|frame| client.send(frame));
        if stream > 1 {
            assert!(client.until(|frame| frame.is(RST_STREAM) && frame.stream == stream).is_some(), "it is no end");
        }
        eventually("the tunnel is over", || serin.count("serin_tunnels", &[]) == 0 && backend.streams() == 0);
    }
    assert_eq!(backend.connections(), 1, "which was the streams' business alone");
}

#[test]
fn a_client_over_http2_is_told_that_a_backend_takes_no_websocket() {
    let refuses = Peer::start_with(&willing(), async |call: Call| call.reply(403, "not you"));
    let plain = Peer::start(async |call: Call| call.reply(200, "plain"));
    for (backend, status, asked) in [(refuses, 403, 1), (plain, 501, 0)] {
        let mut serin = front(backend.address(), "");
        let mut client = FrameClient::connect(serin.address());
        client.send(&connect(1));
        let answer = client.answer(1);
        assert_eq!((answer.status, answer.whole, backend.requests()), (status, true, asked));
        assert_eq!(answer.field("x-serin-reason"), (status == 501).then_some("no-websocket"));
        assert_eq!(serin.count("serin_tunnels", &[]), 0);
    }
}
