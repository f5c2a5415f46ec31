//! What RFC 9113 says that a server must do, a row for each rule that a client can see it keep.

use crate::harness::frames::{
    self, ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
    GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS,
    STREAM_CLOSED, WINDOW_UPDATE, request,
};
use crate::harness::{Frame, FrameClient, front, hpack};
use std::net::SocketAddr;

/// What comes of what was sent.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The connection is closed with this error.
    Connection(u32),
    /// The connection is closed without a word.
    Closed,
    /// Stream 1 is reset with this error, and the connection goes on.
    Stream(u32),
    /// It is as if nothing had been sent: the next request is answered.
    Nothing,
    /// A request on stream 1 is answered with this status.
    Answer(u16),
}
use Outcome::{Answer, Closed, Connection, Nothing, Stream};

/// A section of RFC 9113, what a client does there, what it sends after its preface and settings, and what may come of
/// it.
type Row = (&'static str, &'static str, Vec<Frame>, &'static [Outcome]);

fn fields(more: &[(&str, &str)]) -> Vec<Frame> {
    vec![Frame::headers(1, &[&request("GET", "/")[..], more].concat(), true)]
}

fn pseudo(fields: &[(&str, &str)]) -> Vec<Frame> {
    vec![Frame::headers(1, fields, true)]
}

fn frame(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Vec<Frame> {
    vec![Frame::new(kind, flags, stream, payload)]
}

fn after(first: Vec<Frame>, then: Vec<Frame>) -> Vec<Frame> {
    [first, then].concat()
}

fn open() -> Vec<Frame> {
    vec![Frame::post(1)]
}

fn get(stream: u32) -> Vec<Frame> {
    vec![Frame::get(stream)]
}

const PROTOCOL: &[Outcome] = &[Connection(PROTOCOL_ERROR)];
const SIZE: &[Outcome] = &[Connection(FRAME_SIZE_ERROR)];
const MALFORMED: &[Outcome] = &[Stream(PROTOCOL_ERROR)];
/// The h2 crate takes a field that is none for a broken section, and a stream's error may be the connection's (section
/// 5.4).
const NO_FIELD: &[Outcome] = &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)];

// Where the h2 crate is not as the RFC says: the connection is closed as it has to be or may be, with another code.
const COMPRESSION: &[Outcome] = &[Connection(COMPRESSION_ERROR), Connection(PROTOCOL_ERROR)];
const FLOW: &[Outcome] = &[Connection(FLOW_CONTROL_ERROR), Connection(PROTOCOL_ERROR)];
const CLOSED: &[Outcome] = &[Stream(STREAM_CLOSED), Connection(STREAM_CLOSED), Connection(PROTOCOL_ERROR)];
/// And here it leaves the field out, and takes the rest.
const LEFT_OUT: &[Outcome] = &[Stream(PROTOCOL_ERROR), Answer(200)];

fn framing() -> Vec<Row> {
    let block = hpack::literals(&request("GET", "/"));
    let (half, rest) = block.split_at(10);
    let cut = |flags| frame(HEADERS, flags, 1, half);
    vec![
        ("4.1", "a frame of an unknown type", frame(0xbe, 0xff, 0, [0; 30]), &[Nothing]),
        ("4.1", "a frame of an unknown type on a stream", after(open(), frame(0xbe, 0xff, 1, [0; 30])), &[Nothing]),
        ("4.1", "the reserved bit of a stream's number", frame(PRIORITY, 0, 0x8000_0003, [0, 0, 0, 0, 9]), &[Nothing]),
        ("4.1", "flags that mean nothing", frame(PING, 0xfe, 0, [0; 8]), &[Nothing]),
        ("4.2", "DATA above the limit", after(open(), frame(DATA, 0, 1, vec![0; 16_385])), SIZE),
        ("4.2", "HEADERS above the limit", frame(HEADERS, 5, 1, vec![0; 16_385]), SIZE),
        ("4.2", "SETTINGS above the limit", frame(SETTINGS, 0, 0, vec![0; 16_386]), SIZE),
        ("4.2", "a frame of an unknown type above the limit", frame(0xbe, 0, 0, vec![0; 16_385]), SIZE),
        ("4.3", "a field section that is none", frame(HEADERS, 5, 1, [0xff; 5]), COMPRESSION),
        ("4.3", "an index beyond the table", frame(HEADERS, 5, 1, [0xff, 0x20]), COMPRESSION),
        ("4.3", "a larger table than allowed", frame(HEADERS, 5, 1, [0x3f, 0xff, 0xff, 3]), COMPRESSION),
        ("5.1", "DATA on an idle stream", vec![Frame::data(1, *b"x", true)], PROTOCOL),
        ("5.1", "RST_STREAM on an idle stream", vec![Frame::reset(1, 8)], PROTOCOL),
        ("5.1", "WINDOW_UPDATE on an idle stream", vec![Frame::window_update(1, 1)], PROTOCOL),
        ("5.1.1", "an even number", get(2), PROTOCOL),
        ("5.1.1", "a number below one that was used", after(get(5), get(3)), PROTOCOL),
        ("5.1.1", "HEADERS on no stream", get(0), PROTOCOL),
        ("6.1", "DATA on no stream", frame(DATA, 0, 0, *b"x"), PROTOCOL),
        ("6.1", "DATA with more padding than payload", after(open(), frame(DATA, PADDED, 1, [5, 0, 0])), PROTOCOL),
        ("6.2", "HEADERS with more padding than payload", frame(HEADERS, 5 | PADDED, 1, [9, 0, 0]), PROTOCOL),
        ("6.2", "DATA within a field section", after(cut(1), frame(DATA, 0, 1, *b"x")), PROTOCOL),
        ("6.2", "PRIORITY within a field section", after(cut(1), frame(PRIORITY, 0, 1, [0, 0, 0, 0, 9])), PROTOCOL),
        ("6.2", "an unknown frame within a field section", after(cut(1), frame(0xbe, 0, 0, [])), PROTOCOL),
        ("6.3", "PRIORITY on no stream", frame(PRIORITY, 0, 0, [0, 0, 0, 0, 9]), PROTOCOL),
        (
            "6.3",
            "PRIORITY of a wrong length",
            frame(PRIORITY, 0, 1, [0; 4]),
            &[Stream(FRAME_SIZE_ERROR), Connection(FRAME_SIZE_ERROR)],
        ),
        ("6.4", "RST_STREAM on no stream", frame(RST_STREAM, 0, 0, [0, 0, 0, 8]), PROTOCOL),
        ("6.4", "RST_STREAM of a wrong length", after(open(), frame(RST_STREAM, 0, 1, [0; 3])), SIZE),
        ("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1, []), PROTOCOL),
        ("6.5", "SETTINGS of a wrong length", frame(SETTINGS, 0, 0, [0; 3]), SIZE),
        ("6.5", "SETTINGS that acknowledges and says something", frame(SETTINGS, ACK, 0, [0; 6]), SIZE),
        ("6.5.2", "a setting that is unknown", vec![Frame::settings(&[(0xaaaa, 7)])], &[Nothing]),
        ("6.5.2", "ENABLE_PUSH of 2", vec![Frame::settings(&[(2, 2)])], PROTOCOL),
        ("6.5.2", "INITIAL_WINDOW_SIZE too large", vec![Frame::settings(&[(4, 1 << 31)])], FLOW),
        ("6.5.2", "MAX_FRAME_SIZE too small", vec![Frame::settings(&[(5, 16_383)])], PROTOCOL),
        ("6.5.2", "MAX_FRAME_SIZE too large", vec![Frame::settings(&[(5, 1 << 24)])], PROTOCOL),
        ("6.6", "PUSH_PROMISE from a client", after(open(), frame(PUSH_PROMISE, 4, 1, [0, 0, 0, 2])), PROTOCOL),
        ("6.7", "PING on a stream", frame(PING, 0, 1, [0; 8]), PROTOCOL),
        ("6.7", "PING of a wrong length", frame(PING, 0, 0, [0; 6]), SIZE),
        ("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8]), PROTOCOL),
        (
            "6.9",
            "WINDOW_UPDATE by nothing",
            after(open(), vec![Frame::window_update(1, 0)]),
            &[Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)],
        ),
        ("6.9", "WINDOW_UPDATE of the connection by nothing", vec![Frame::window_update(0, 0)], PROTOCOL),
        ("6.9", "WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, [0; 3]), SIZE),
        (
            "6.9.1",
            "a connection's window above the limit",
            vec![Frame::window_update(0, (1 << 31) - 1)],
            &[Connection(FLOW_CONTROL_ERROR)],
        ),
        (
            "6.9.1",
            "a stream's window above the limit",
            after(open(), vec![Frame::window_update(1, (1 << 31) - 1)]),
            &[Stream(FLOW_CONTROL_ERROR)],
        ),
        (
            "6.9.2",
            "a stream's window above the limit by SETTINGS",
            after(open(), vec![Frame::window_update(1, 1), Frame::settings(&[(4, (1 << 31) - 1)])]),
            &[Connection(FLOW_CONTROL_ERROR)],
        ),
        ("6.10", "CONTINUATION on no stream", after(cut(1), frame(CONTINUATION, END_HEADERS, 0, rest)), PROTOCOL),
        ("6.10", "CONTINUATION of another stream", after(cut(1), frame(CONTINUATION, END_HEADERS, 3, rest)), PROTOCOL),
        (
            "6.10",
            "CONTINUATION behind a whole section",
            after(get(1), frame(CONTINUATION, END_HEADERS, 1, [])),
            PROTOCOL,
        ),
        ("6.10", "CONTINUATION behind nothing", frame(CONTINUATION, END_HEADERS, 1, rest), PROTOCOL),
        (
            "6.10",
            "a field section in two frames",
            after(cut(1), frame(CONTINUATION, END_HEADERS, 1, rest)),
            &[Answer(200)],
        ),
    ]
}

fn messages() -> Vec<Row> {
    let [method, scheme, authority, path] = request("GET", "/");
    let length = |n| Frame::headers(1, &[&request("POST", "/")[..], &[("content-length", n)]].concat(), false);
    vec![
        ("5.1", "DATA behind the end", after(get(1), vec![Frame::data(1, *b"x", false)]), CLOSED),
        ("5.1", "HEADERS behind the end", after(get(1), get(1)), CLOSED),
        ("5.1", "HEADERS behind a reset", after(open(), after(vec![Frame::reset(1, 8)], get(1))), CLOSED),
        ("5.1", "DATA behind a reset", after(open(), vec![Frame::reset(1, 8), Frame::data(1, *b"x", true)]), CLOSED),
        (
            "8.1",
            "trailers that do not end the stream",
            after(open(), vec![Frame::headers(1, &[("a", "b")], false)]),
            MALFORMED,
        ),
        ("8.1", "a pseudo-header field in trailers", after(open(), vec![Frame::headers(1, &[method], true)]), LEFT_OUT),
        ("8.1.1", "more content than announced", vec![length("2"), Frame::data(1, *b"abc", true)], MALFORMED),
        ("8.1.1", "less content than announced", vec![length("4"), Frame::data(1, *b"abc", true)], MALFORMED),
        (
            "8.1.1",
            "no content where some was announced",
            vec![Frame::headers(1, &[&request("POST", "/")[..], &[("content-length", "4")]].concat(), true)],
            MALFORMED,
        ),
        (
            "8.1.1",
            "content as announced, in two frames",
            vec![length("4"), Frame::data(1, *b"ab", false), Frame::data(1, *b"cd", true)],
            &[Answer(200)],
        ),
        ("8.2.1", "an upper-case name", fields(&[("X-Upper", "1")]), NO_FIELD),
        ("8.2.1", "a space in a name", fields(&[("a b", "1")]), NO_FIELD),
        ("8.2.1", "a colon in a name", fields(&[("a:b", "1")]), NO_FIELD),
        ("8.2.1", "a line's end in a name", fields(&[("a\r\nb", "1")]), NO_FIELD),
        ("8.2.1", "an empty name", fields(&[("", "1")]), NO_FIELD),
        ("8.2.1", "a line's end in a value", fields(&[("a", "1\r\nb: 2")]), NO_FIELD),
        ("8.2.1", "a LF in a value", fields(&[("a", "1\n2")]), NO_FIELD),
        ("8.2.1", "a NUL in a value", fields(&[("a", "1\0")]), NO_FIELD),
        ("8.2.1", "a space before a value", fields(&[("a", " 1")]), MALFORMED),
        ("8.2.1", "a tab behind a value", fields(&[("a", "1\t")]), MALFORMED),
        ("8.2.2", "Connection", fields(&[("connection", "close")]), MALFORMED),
        ("8.2.2", "Keep-Alive", fields(&[("keep-alive", "1")]), MALFORMED),
        ("8.2.2", "Proxy-Connection", fields(&[("proxy-connection", "close")]), MALFORMED),
        ("8.2.2", "Transfer-Encoding", fields(&[("transfer-encoding", "chunked")]), MALFORMED),
        ("8.2.2", "Upgrade", fields(&[("upgrade", "h2c")]), MALFORMED),
        ("8.2.2", "TE of anything but trailers", fields(&[("te", "gzip, trailers")]), MALFORMED),
        ("8.2.2", "TE of trailers", fields(&[("te", "trailers")]), &[Answer(200)]),
        ("8.3", "an unknown pseudo-header field", pseudo(&[method, scheme, authority, path, (":x", "1")]), NO_FIELD),
        (
            "8.3",
            "a response's pseudo-header field",
            pseudo(&[method, scheme, authority, path, (":status", "200")]),
            MALFORMED,
        ),
        (
            "8.3",
            "a pseudo-header field behind another field",
            pseudo(&[method, scheme, authority, ("a", "b"), path]),
            MALFORMED,
        ),
        ("8.3.1", "no method", pseudo(&[scheme, authority, path]), MALFORMED),
        ("8.3.1", "no scheme", pseudo(&[method, authority, path]), MALFORMED),
        ("8.3.1", "no path", pseudo(&[method, scheme, authority]), MALFORMED),
        ("8.3.1", "an empty path", pseudo(&[method, scheme, authority, (":path", "")]), MALFORMED),
        ("8.3.1", "two methods", pseudo(&[method, method, scheme, authority, path]), MALFORMED),
        ("8.3.1", "two schemes", pseudo(&[method, scheme, scheme, authority, path]), MALFORMED),
        ("8.3.1", "two paths", pseudo(&[method, scheme, authority, path, path]), MALFORMED),
        ("8.3.1", "two authorities", pseudo(&[method, scheme, authority, authority, path]), MALFORMED),
        ("8.3.1", "no authority and no Host", pseudo(&[method, scheme, path]), MALFORMED),
        ("8.3.1", "Host instead of the authority", pseudo(&[method, scheme, path, ("host", "test")]), &[Answer(200)]),
        ("8.3.1", "Host and the same authority", fields(&[("host", "TEST")]), &[Answer(200)]),
        ("8.3.1", "Host and another authority", fields(&[("host", "other")]), MALFORMED),
        ("8.3.1", "user information", pseudo(&[method, scheme, (":authority", "user@test"), path]), MALFORMED),
        ("8.3.1", "a path that begins with no slash", pseudo(&[method, scheme, authority, (":path", "a")]), MALFORMED),
        (
            "8.3.1",
            "a whole address for a path",
            pseudo(&[method, scheme, authority, (":path", "http://a/")]),
            MALFORMED,
        ),
        ("8.3.1", "an asterisk for GET", pseudo(&[method, scheme, authority, (":path", "*")]), MALFORMED),
        (
            "8.3.1",
            "an asterisk for OPTIONS",
            pseudo(&[(":method", "OPTIONS"), scheme, authority, (":path", "*")]),
            &[Answer(200)],
        ),
        ("8.3.1", "a space in the path", pseudo(&[method, scheme, authority, (":path", "/a b")]), MALFORMED),
        ("8.3.1", "a line's end in the path", pseudo(&[method, scheme, authority, (":path", "/a\r\nb")]), MALFORMED),
        ("8.3.1", "a method that is none", pseudo(&[(":method", "G T"), scheme, authority, path]), NO_FIELD),
        ("8.5", "CONNECT", pseudo(&[(":method", "CONNECT"), authority]), &[Answer(405)]),
        (
            "8.5",
            "CONNECT with a scheme and a path",
            pseudo(&[(":method", "CONNECT"), scheme, authority, path]),
            MALFORMED,
        ),
    ]
}

/// What comes of `frames`.
fn outcome(address: SocketAddr, frames: &[Frame], expected: &[Outcome]) -> Outcome {
    let mut client = FrameClient::connect(address);
    frames.iter().for_each(|frame| client.send(frame));
    if expected == [Nothing] {
        client.send(&Frame::get(101));
        let answer = client.answer(101);
        return if answer.status == 200 && answer.whole { Nothing } else { Closed };
    }
    let outcome = loop {
        break match client.next() {
            None => Closed,
            Some(frame) if frame.is(GOAWAY) => Connection(frame.code()),
            Some(frame) if frame.is(RST_STREAM) && frame.stream == 1 => Stream(frame.code()),
            Some(frame) if frame.is(HEADERS) && frame.stream == 1 => {
                let fields = hpack::read(&frame.payload);
                let status = fields[0].1.parse().expect("a status");
                // An answer may come first where something else is expected, since the two are not in order.
                if expected.iter().any(|outcome| matches!(outcome, Answer(_))) { Answer(status) } else { continue }
            }
            Some(_) => continue,
        };
    };
    match outcome {
        Stream(_) | Answer(_) => {
            client.send(&Frame::get(101));
            assert_eq!(client.answer(101).status, 200, "the connection goes on");
        }
        Connection(_) => while client.next().is_some() {},
        Closed | Nothing => {}
    }
    outcome
}

#[track_caller]
fn check(rows: Vec<Row>) {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let address = serin.address();
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|(section, title, frames, expected)| {
            let outcome = std::panic::catch_unwind(|| outcome(address, &frames, expected));
            let kept = outcome.as_ref().is_ok_and(|outcome| expected.contains(outcome));
            (!kept).then(|| format!("section {section}, {title}: {outcome:?}, expected one of {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn frames_that_break_the_rules_are_answered_as_they_say() {
    check(framing());
}

#[test]
fn messages_that_break_the_rules_are_answered_as_they_say() {
    check(messages());
}

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
    let (mut serin, backend) = crate::harness::front_with("http2: { maxConcurrentStreams: 2 }", |conn| {
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
