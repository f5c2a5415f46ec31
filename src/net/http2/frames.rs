//! The layout of HTTP/2's frames (RFC 9113 sections 4.1 and 6).

use h2::Reason;

/// What is before a client's first frame (RFC 9113 section 3.4): made to look like a request that no HTTP/1.1 server
/// takes for one.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub(super) const ACK: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub(super) const END_HEADERS: u8 = 4;
/// Of DATA and HEADERS.
pub(super) const PADDED: u8 = 8;
/// Of HEADERS: the priority that RFC 9113 has no use for any more.
pub(super) const HAS_PRIORITY: u8 = 0x20;

/// How long a frame's header is.
pub(super) const HEAD: usize = 9;
/// The longest payload that everyone takes (RFC 9113 section 4.2), and the longest that is sent and taken here: a stream
/// holds the others up for one frame.
pub(super) const MOST_PAYLOAD: usize = 1 << 14;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// The length of what follows the header.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0 is the connection.
    pub(super) stream: u32,
}

impl FrameHead {
    pub(super) fn read(bytes: [u8; HEAD]) -> Self {
        let [high, middle, low, kind, flags, a, b, c, d] = bytes;
        let stream = u32::from_be_bytes([a & 0x7f, b, c, d]);
        Self { length: u32::from_be_bytes([0, high, middle, low]), kind, flags, stream }
    }

    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is as long as a frame of its type has to be (sections 6.3 to 6.9), and not too long.
    pub(super) fn has_right_length(self) -> bool {
        match self.kind {
            PRIORITY => self.length == 5,
            RST_STREAM | WINDOW_UPDATE => self.length == 4,
            SETTINGS if self.has(ACK) => self.length == 0,
            SETTINGS => self.length.is_multiple_of(6) && self.length as usize <= MOST_PAYLOAD,
            PING => self.length == 8,
            GOAWAY => self.length >= 8 && self.length as usize <= MOST_PAYLOAD,
            _ => self.length as usize <= MOST_PAYLOAD,
        }
    }

    /// Whether it is where a frame of its type belongs, on a stream or on the connection.
    pub(super) fn has_right_place(self) -> bool {
        match self.kind {
            DATA | HEADERS | PRIORITY | RST_STREAM | PUSH_PROMISE | CONTINUATION => self.stream > 0,
            SETTINGS | PING | GOAWAY => self.stream == 0,
            _ => true,
        }
    }
}

/// Appends a frame's header; `length` is at most [`MOST_PAYLOAD`].
pub(super) fn write_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, high, middle, low] = u32::try_from(length).expect("a frame's length").to_be_bytes();
    let [a, b, c, d] = stream.to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind, flags, a, b, c, d]);
}

/// Appends a frame whose payload is four bytes.
fn write_word(out: &mut Vec<u8>, kind: u8, stream: u32, word: u32) {
    write_head(out, 4, kind, 0, stream);
    out.extend_from_slice(&word.to_be_bytes());
}

pub(super) fn write_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    write_word(out, RST_STREAM, stream, reason.into());
}

pub(super) fn write_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write_word(out, WINDOW_UPDATE, stream, increment);
}

pub(super) fn write_ping(out: &mut Vec<u8>, flags: u8, payload: [u8; 8]) {
    write_head(out, 8, PING, flags, 0);
    out.extend_from_slice(&payload);
}

pub(super) fn write_go_away(out: &mut Vec<u8>, last: u32, reason: Reason) {
    write_head(out, 8, GOAWAY, 0, 0);
    out.extend_from_slice(&last.to_be_bytes());
    out.extend_from_slice(&u32::from(reason).to_be_bytes());
}

/// Appends SETTINGS with these values.
pub(super) fn write_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    write_head(out, settings.len() * 6, SETTINGS, 0, 0);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}
