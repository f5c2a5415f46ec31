//! WebSocket over HTTP/2: extended CONNECT (RFC 8441).

use crate::harness::frames::{self, DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, SETTINGS};
use crate::harness::{Conn, Frame, FrameClient, eventually, front, front_with};
use std::time::{Duration, Instant};

fn connect(protocol: &str) -> Vec<(&str, &str)> {
    let [_, scheme, authority, _] = frames::request("", "");
    let pseudo = [(":method", "CONNECT"), (":protocol", protocol), scheme, authority, (":path", "/chat?room=1")];
    [&pseudo[..], &[("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"), ("origin", "http://a")]]
        .concat()
}

/// Switches, with the right answer to the key, and says back what it hears until that ends. What is no WebSocket gets no
/// answer.
fn echo(conn: &mut Conn) {
    let Some(request) = conn.request() else { return };
    let Some(key) = request.head.one("sec-websocket-key").map(str::to_owned) else {
        conn.await_close();
        return;
    };
    let mut hash = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = base64(hash.finish().as_ref());
    conn.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\nhi"
    ));
    while let Ok(bytes) = conn.wire.some() {
        if bytes.is_empty() || !conn.send(bytes) {
            break;
        }
    }
    conn.send("bye");
}

fn base64(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digits = bits.chunks(6).map(|six| (0..6).fold(0, |all, at| all << 1 | six.get(at).copied().unwrap_or(0)));
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text: String = digits.map(|digit| char::from(alphabet[usize::from(digit)])).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// The content on stream 1 until there are `length` bytes of it.
#[track_caller]
fn hear(client: &mut FrameClient, length: usize) -> Vec<u8> {
    let mut heard = Vec::new();
    while heard.len() < length {
        heard.extend(client.until(|frame| frame.is(DATA) && frame.stream == 1).expect("more").payload);
    }
    heard
}

#[test]
fn an_extended_connect_is_an_upgrade_and_its_101_a_200() {
    let (mut serin, backend) = front(echo);
    let mut client = FrameClient::connect(serin.address());
    let settings = client.until(|frame| frame.is(SETTINGS)).expect("settings").payload;
    assert!(settings.chunks(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]), "ENABLE_CONNECT_PROTOCOL: {settings:?}");
    client.send(&Frame::headers(1, &connect("websocket"), false));
    // Before the answer: the client may, since the tunnel's bytes are the stream's content.
    client.send(&Frame::data(1, *b"early ", false));
    let head = client.until(|frame| frame.is(HEADERS)).expect("an answer");
    assert!(!head.has(END_STREAM));
    let fields = crate::harness::hpack::read(&head.payload);
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!((field(":status"), field("sec-websocket-protocol")), (Some("200"), Some("chat")));
    for name in ["sec-websocket-accept", "upgrade", "connection"] {
        assert_eq!(field(name), None);
    }
    serin.await_count("serin_tunnels", &[], 1);
    client.send(&Frame::data(1, *b"hello", false));
    assert_eq!(hear(&mut client, 13), b"hiearly hello");
    client.send(&Frame::data(1, *b"", true));
    assert_eq!(hear(&mut client, 3), b"bye");
    let head = backend.only_request().head;
    assert_eq!(head.start, "GET /chat?room=1 HTTP/1.1");
    assert_eq!((head.one("upgrade"), head.one("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!((head.one("sec-websocket-version"), head.one("host")), (Some("13"), Some("test")));
    assert_eq!(head.one("sec-websocket-key").map(str::len), Some(24));
    assert!(backend.crooked().is_empty(), "{:?}", backend.crooked());
    serin.await_count("serin_requests_total", &[("code", "101")], 1);
    eventually("the tunnel is over", || serin.count("serin_tunnels", &[]) == 0);
}

#[test]
fn what_is_no_switch_is_no_tunnel() {
    for (reply, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 501),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            502,
        ),
    ] {
        let (mut serin, _backend) = front(move |conn| conn.reply_to_all(reply));
        let mut client = FrameClient::connect(serin.address());
        client.send(&Frame::headers(1, &connect("websocket"), false));
        let answer = client.answer(1);
        assert_eq!((answer.status, answer.whole), (status, true), "{reply}");
        assert_eq!(client.until(|frame| frame.is(RST_STREAM)).expect("no more is wanted").code(), frames::NO_ERROR);
    }
}

#[test]
fn other_protocols_are_not_connected_to() {
    let (mut serin, backend) = front(echo);
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &connect("connect-udp"), false));
    assert_eq!(client.answer(1).status, 501);
    assert_eq!(backend.connections(), 0);
}

/// What it would announce, the backend would take from the next request on its connection.
#[test]
fn an_extended_connect_announces_no_content() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"));
    let mut client = FrameClient::connect(serin.address());
    for (stream, length) in [(1, "0"), (3, "40")] {
        let fields = [&connect("websocket")[..], &[("content-length", length)]].concat();
        client.send(&Frame::headers(stream, &fields, false));
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.reset), (0, Some(frames::PROTOCOL_ERROR)), "{length}");
    }
    client.send(&Frame::headers(5, &connect("websocket"), false));
    assert_eq!(client.answer(5).status, 404);
    assert_eq!(backend.only_request().head.one("content-length"), None);
}

#[test]
fn a_tunnel_outlives_the_time_that_requests_have() {
    let (mut serin, _backend) = front_with("timeouts: { request: 500ms }", echo);
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &connect("websocket"), false));
    assert_eq!(hear(&mut client, 2), b"hi");
    client.send(&Frame::get(3));
    // A later request's time is over, so the earlier one's is too.
    client.until(|frame| frame.is(HEADERS) && frame.stream == 3).expect("an answer");
    client.send(&Frame::data(1, *b"hello", false));
    let frame = client.until(|frame| frame.stream == 1).expect("it goes on");
    assert_eq!((frame.kind, &frame.payload[..]), (DATA, &b"hello"[..]));
}

#[test]
fn a_tunnel_that_is_reset_or_idle_ends_on_both_sides() {
    let (mut serin, _backend) = front_with("timeouts: { tunnelIdle: 300ms }", echo);
    let mut client = FrameClient::connect(serin.address());
    for stream in [1, 3] {
        client.send(&Frame::headers(stream, &connect("websocket"), false));
        client.until(|frame| frame.is(DATA) && frame.stream == stream).expect("it is open");
        if stream == 1 {
            client.send(&Frame::reset(1, frames::CANCEL));
        } else {
            let reset = client.until(|frame| frame.is(RST_STREAM) && frame.stream == 3).expect("it was idle");
            assert_eq!(reset.code(), frames::INTERNAL_ERROR);
        }
        eventually("the tunnel is over", || serin.count("serin_tunnels", &[]) == 0);
    }
    eventually("nothing is open", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
}

#[test]
fn draining_waits_for_a_tunnel_as_long_as_it_may() {
    let (mut serin, _backend) = front_with("drain: { grace: 100ms, timeout: 3s }", echo);
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &connect("websocket"), false));
    assert_eq!(hear(&mut client, 2), b"hi");
    let began = Instant::now();
    serin.signal("TERM");
    assert_eq!(client.until(|frame| frame.is(GOAWAY)).expect("it is told").code(), frames::NO_ERROR);
    client.send(&Frame::data(1, *b"still here", false));
    assert_eq!(hear(&mut client, 10), b"still here");
    while client.next().is_some() {}
    let exit = serin.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}
