//! A backend that sends HTTP/2 frames by hand (RFC 9113 section 4.1), for what no well-behaved one does.

use crate::harness::Conn;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;
pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
/// `:status: 200`, from HPACK's static table (RFC 7541 appendix A).
pub(super) const STATUS_200: &[u8] = &[0x88];

/// One frame, as far as anybody asks.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

/// Reads the proxy's preface and sends our settings; whether that is how the connection began.
pub(super) fn begin(conn: &mut Conn) -> bool {
    let preface = conn.wire.exactly(24);
    preface.is_ok_and(|preface| preface == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") && send(conn, SETTINGS, 0, 0, &[])
}

/// The next frame; `None` when there is none to come.
pub(super) fn next(conn: &mut Conn) -> Option<Frame> {
    let head = conn.wire.exactly(9).ok()?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
    conn.wire.exactly(length).ok()?;
    Some(Frame { kind: head[3], flags: head[4], stream })
}

/// The stream of the next request; settings are acknowledged, and everything else is passed over.
pub(super) fn request(conn: &mut Conn) -> Option<u32> {
    loop {
        let frame = next(conn)?;
        match frame.kind {
            HEADERS => return Some(frame.stream),
            SETTINGS if frame.flags & ACK == 0 => {
                send(conn, SETTINGS, ACK, 0, &[]);
            }
            _ => {}
        }
    }
}

/// Sends a frame; whether it was taken.
pub(super) fn send(conn: &mut Conn, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    conn.send(frame)
}

/// Answers a request with 200 and nothing else.
pub(super) fn answer(conn: &mut Conn, stream: u32) -> bool {
    send(conn, HEADERS, END_STREAM | END_HEADERS, stream, STATUS_200)
}

/// A field as HPACK has it: a literal, not indexed, not compressed (RFC 7541 section 6.2.2).
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // An integer with a prefix of seven bits (section 5.1).
        let mut rest = text.len();
        if rest < 127 {
            bytes.push(u8::try_from(rest).expect("below 127"));
        } else {
            bytes.push(127);
            rest -= 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).expect("below 128") | 0x80);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).expect("below 128"));
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}
