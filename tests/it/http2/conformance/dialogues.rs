//! Rules that show in what goes back and forth.

use crate::harness::frames::{
    self, ACK, DATA, END_STREAM, GOAWAY, PING, PREFACE, PROTOCOL_ERROR, RST_STREAM, SETTINGS,
};
use crate::harness::{Client, Frame, FrameClient, front, front_with};

/// Section 3.4.
#[test]
fn a_connection_begins_with_the_preface_and_settings() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let address = serin.address();
    let begin = |bytes: &[u8]| {
        let mut client = FrameClient::silent(address);
        client.raw(bytes);
        client.until(|frame| frame.is(GOAWAY)).map(|frame| frame.code())
    };
    let broken = [&PREFACE[..20], b"xx\r\n", &Frame::settings(&[]).bytes()].concat();
    assert!(begin(&broken).is_none_or(|code| code == PROTOCOL_ERROR));
    for first in [Frame::ping([0; 8]), Frame::get(1), Frame::new(SETTINGS, ACK, 0, [])] {
        assert_eq!(begin(&[PREFACE, &first.bytes()].concat()), Some(PROTOCOL_ERROR), "{first:?}");
    }
    // Behind a request it is one that nobody understands.
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send(std::str::from_utf8(PREFACE).expect("ASCII"));
    assert_eq!(client.response().status, 505);
    // However it comes in pieces.
    let whole = [PREFACE, &Frame::settings(&[(1, 0)]).bytes(), &Frame::get(1).bytes()].concat();
    for at in 1..whole.len() {
        let mut client = FrameClient::silent(address);
        client.raw(&whole[..at]);
        client.raw(&whole[at..]);
        assert_eq!(client.answer(1).text(), "ok", "in two pieces at {at}");
    }
    let mut client = FrameClient::silent(address);
    whole.iter().for_each(|byte| client.raw(&[*byte]));
    assert_eq!(client.answer(1).text(), "ok");
}

/// Sections 6.5.3 and 6.7.
#[test]
fn settings_and_pings_are_acknowledged() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = FrameClient::connect(serin.address());
    assert!(client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).is_some());
    client.send(&Frame::new(PING, ACK, 0, *b"unasked!"));
    client.send(&Frame::ping(*b"a ping!!"));
    let pong = client.until(|frame| frame.is(PING)).expect("an answer");
    assert_eq!((pong.has(ACK), &pong.payload[..]), (true, &b"a ping!!"[..]));
}

/// Section 6.9.2: a window that SETTINGS makes smaller may be below nothing, and content waits.
#[test]
fn content_keeps_within_the_clients_windows() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcdefgh"));
    let mut client = FrameClient::with_settings(serin.address(), &[(4, 3)]);
    client.send(&Frame::get(1));
    let data = |client: &mut FrameClient| client.until(|frame| frame.is(DATA)).expect("content").payload;
    assert_eq!(data(&mut client), b"abc");
    client.send(&Frame::settings(&[(4, 1)]));
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is acknowledged");
    client.send(&Frame::window_update(1, 3));
    assert_eq!(data(&mut client), b"d");
    client.send(&Frame::settings(&[(4, 2)]));
    assert_eq!(data(&mut client), b"e");
    client.send(&Frame::window_update(1, 100));
    let last = client.until(|frame| frame.is(DATA)).expect("the rest");
    assert_eq!((&last.payload[..], last.has(END_STREAM)), (&b"fgh"[..], true));
}

/// Section 5.1.2: streams over the limit are refused, and may be tried again.
#[test]
fn a_stream_too_many_is_refused() {
    let (mut serin, backend) = front_with("http2: { maxConcurrentStreams: 2 }", |conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = FrameClient::connect(serin.address());
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    [1, 3, 5].into_iter().for_each(|stream| client.send(&Frame::get(stream)));
    let reset = client.until(|frame| frame.is(RST_STREAM)).expect("a reset");
    assert_eq!((reset.stream, reset.code()), (5, frames::REFUSED_STREAM));
    backend.await_requests(2);
    client.send(&Frame::reset(1, frames::CANCEL));
    client.send(&Frame::get(7));
    backend.await_requests(3);
}

/// Sections 6.8 and 7: a client that leaves, for a reason that nobody knows, is served what it has asked for.
#[test]
fn a_clients_goaway_with_an_unknown_code_takes_nothing_back() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::post(1));
    client.send(&Frame::new(GOAWAY, 0, 0, [0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef]));
    client.send(&Frame::data(1, *b"x", true));
    assert_eq!(client.answer(1).text(), "ok");
}
