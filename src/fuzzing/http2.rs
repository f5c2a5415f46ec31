//! A client's end of an HTTP/2 connection, with whatever it sends: frames, sections of fields, windows and all.

use crate::http::{HeadLimits, RequestHead};
use crate::net::Http2;
use crate::net::http2::{Limits, PREFACE, Server};
use http::Response;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use tokio::io::ReadBuf;

const LIMITS: Limits = Limits { streams: 4, stream_window: 32 << 10, connection_window: 128 << 10, section: 4 << 10 };
const HEAD_LIMITS: HeadLimits = HeadLimits { bytes: 4 << 10, fields: 20 };
/// The empty SETTINGS that a client may begin with.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// A client's bytes: they mean the same in whatever pieces they come, what is answered is frames, and what is kept for
/// the client is bounded.
pub fn http2(bytes: &[u8]) {
    let Some((flags, bytes)) = bytes.split_first() else { return };
    // Mostly what comes behind a right beginning is looked for.
    let bytes = if flags & 1 == 0 { [PREFACE, &SETTINGS, bytes].concat() } else { bytes.to_vec() };
    let answers = [bytes.len().max(1), 1, 7].map(|piece| {
        let server = server();
        bytes.chunks(piece).for_each(|piece| server.borrow_mut().receive(piece, 0));
        server.borrow().unsent().to_vec()
    });
    assert!(answers[0] == answers[1] && answers[1] == answers[2], "pieces mean something");
    frames(&answers[0]);
    serve(&bytes, usize::from(flags >> 1) + 1);
}

fn server() -> Rc<RefCell<Server>> {
    Rc::new(RefCell::new(Server::new(LIMITS, 0)))
}

/// Takes in the bytes in pieces, and serves what has come so far behind each.
fn serve(bytes: &[u8], piece: usize) {
    let server = server();
    let mut cx = Context::from_waker(Waker::noop());
    let mut streams = Vec::new();
    let (mut sent, mut rounds) = (Vec::new(), 0_usize);
    for piece in bytes.chunks(piece) {
        rounds += 1;
        server.borrow_mut().receive(piece, 0);
        while let Some((request, stream)) = Server::accept(&server) {
            let mut lines = Vec::new();
            let head = RequestHead::of_http2(&request, false, &mut lines, HEAD_LIMITS, None);
            let mut stream = Http2::accepted(stream, ([127, 0, 0, 1], 80).into(), false);
            match (head, rounds % 3) {
                (Err(_), _) => stream.reset(h2::Reason::PROTOCOL_ERROR),
                (Ok(_), 0) => drop(stream),
                (Ok(_), _) => streams.push(stream),
            }
        }
        streams.retain_mut(|stream| {
            let mut room = [0; 1_000];
            let mut space = ReadBuf::new(&mut room);
            let read = stream.poll_read(&mut cx, &mut space);
            if read.is_pending() {
                return true;
            }
            let ended = stream.has_ended() || stream.poll_trailers(&mut cx).is_ready();
            // Some of it fails when the stream was given up, which is as well.
            let _ = stream.send_response(&Response::new(()), false);
            let took = stream.poll_send(&mut cx, &[b'x'; 3_000], ended && rounds.is_multiple_of(2));
            took.is_pending() || stream.finish(None).is_err() && !ended
        });
        let mut server = server.borrow_mut();
        assert!(server.unsent().len() < 1 << 20, "what is unsent is bounded");
        if rounds.is_multiple_of(2) {
            sent.extend_from_slice(server.unsent());
            let count = server.unsent().len();
            server.sent(count);
        }
    }
    streams.clear();
    sent.extend_from_slice(server.borrow().unsent());
    frames(&sent);
}

/// That these are whole frames that a server may send.
fn frames(mut bytes: &[u8]) {
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= 1 << 14, "a frame is no longer than everybody takes");
        assert!(matches!(head[3], 0 | 1 | 3 | 4 | 6..=9), "a server sends such frames");
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        assert!(stream == 0 || stream % 2 == 1, "the client has opened every stream");
        bytes = rest.get(length..).expect("frames are whole");
    }
    assert!(bytes.is_empty(), "frames are whole");
}
