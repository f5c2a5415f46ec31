//! What RFC 9113 says that a server must do, a row for each rule that a client can see it keep.
//!
//! | Section | What a server must do | Where |
//! |---|---|---|
//! | 3.2, 9.2 | `h2` by ALPN alone, TLS 1.2 at least | `tls::handshakes`, `http2::peers` |
//! | 3.4 | preface, SETTINGS first on both sides | `dialogues`, `sent` |
//! | 4.1 | ignore unknown types, flags, the reserved bit; leave them unset | `framing`, `sent`, the harness |
//! | 4.2 | sizes of frames, both ways | `framing`, `sent` |
//! | 4.3 | sections in one piece, errors of compression, the table's state | `framing`, `accounts`, `sent` |
//! | 5.1 | what a stream takes in each state, and after a reset of either side | `framing`, `messages` |
//! | 5.1.1, 5.1.2 | numbers of streams, how many at once | `framing`, `dialogues`, `accounts` |
//! | 5.2, 6.9 | windows, both ways, also for what is thrown away and for padding | `dialogues`, `accounts`, `flow` |
//! | 5.4 | GOAWAY and a close; no reset for a reset | every row, `sent` |
//! | 5.5, 6.5.2 | ignore unknown settings, types and codes (7) | `framing`, `dialogues` |
//! | 6.1 to 6.10 | each type: its stream, length, padding, flags and place | `framing`, `dialogues`, `sent` |
//! | 6.8 | a farewell takes nothing back | `sent`, `dialogues` |
//! | 8.1 | messages, trailers, lengths; malformed ones go nowhere | `messages`, `streams` |
//! | 8.2 | names, values, no fields of a connection, both ways; one Cookie | `messages`, `sent`, `streams` |
//! | 8.3 | pseudo-header fields of requests and responses | `messages`, `sent` |
//! | 8.4, 8.6 | no push, no 101 | `framing`, `sent` |
//! | 8.5 | CONNECT | `messages`, `websocket` |
//!
//! Two cannot be shown by a client of this server. What follows an acknowledged reduction of the table (4.3.1): Serin
//! announces no smaller one. And compression and renegotiation in TLS (9.2.1): rustls has neither.

mod accounts;
mod dialogues;
mod framing;
mod messages;
mod sent;

use crate::harness::frames::{
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HAS_PRIORITY, HEADERS, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED,
    WINDOW_UPDATE, request,
};
use crate::harness::{Frame, FrameClient, front, hpack};
use std::net::SocketAddr;

/// What comes of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
/// Sections 4.2 and 6.1 and 6.2 leave the choice.
const SHORT: &[Outcome] = &[Connection(FRAME_SIZE_ERROR), Connection(PROTOCOL_ERROR)];
const MALFORMED: &[Outcome] = &[Stream(PROTOCOL_ERROR)];
/// Section 8.1.1: a malformed request may be answered as well, and is not forwarded.
const REFUSED: &[Outcome] = &[Stream(PROTOCOL_ERROR), Answer(400)];
const COMPRESSION: &[Outcome] = &[Connection(COMPRESSION_ERROR)];
const FLOW: &[Outcome] = &[Connection(FLOW_CONTROL_ERROR)];
const CLOSED: &[Outcome] = &[Stream(STREAM_CLOSED)];
/// A number that was used is as one that was passed over once its stream is gone (section 5.1.1).
const USED: &[Outcome] = &[Stream(STREAM_CLOSED), Connection(PROTOCOL_ERROR)];

/// What comes of `frames`.
fn outcome(address: SocketAddr, frames: &[Frame], expected: &[Outcome]) -> Outcome {
    let mut client = FrameClient::connect(address);
    frames.iter().for_each(|frame| client.send(frame));
    if expected == [Nothing] {
        client.send(&Frame::get(101));
        let answer = client.answer(101);
        return if answer.status == 200 && answer.whole { Nothing } else { Closed };
    }
    let mut answered = None;
    let outcome = loop {
        break match client.next() {
            None => Closed,
            Some(frame) if frame.is(GOAWAY) => Connection(frame.code()),
            Some(frame) if frame.is(RST_STREAM) && frame.stream == 1 => Stream(frame.code()),
            Some(frame) if frame.is(HEADERS) && frame.stream == 1 => {
                let fields = hpack::read(&frame.payload);
                let status = fields[0].1.parse().expect("a status");
                // An answer may come first where something else is expected, since the two are not in order. Behind the
                // next request's answer nothing else comes.
                if expected.iter().any(|outcome| matches!(outcome, Answer(_))) {
                    Answer(status)
                } else {
                    client.send(&Frame::get(99));
                    answered = Some(status);
                    continue;
                }
            }
            Some(frame) if frame.is(HEADERS) && frame.stream == 99 => Answer(answered.expect("it was asked then")),
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
    check(framing::rows());
}

#[test]
fn messages_that_break_the_rules_are_answered_as_they_say() {
    check(messages::rows());
}
