//! HTTP/2 frames by their headers alone (RFC 9113 section 4.1): which ones go by, in bytes that arrive in any pieces.

/// What is before a client's first frame (RFC 9113 section 3.4): made to look like a request that no HTTP/1.1 server
/// takes for one.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// DATA.
pub const DATA: u8 = 0;
/// HEADERS.
pub const HEADERS: u8 = 1;
/// PRIORITY.
pub const PRIORITY: u8 = 2;
/// `RST_STREAM`.
pub const RST_STREAM: u8 = 3;
/// SETTINGS.
pub const SETTINGS: u8 = 4;
/// PING.
pub const PING: u8 = 6;
/// GOAWAY.
pub const GOAWAY: u8 = 7;
/// `WINDOW_UPDATE`.
pub const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION.
pub const CONTINUATION: u8 = 9;
/// `END_STREAM` of DATA and HEADERS, `ACK` of SETTINGS and PING.
pub const END_STREAM_OR_ACK: u8 = 1;
/// `END_HEADERS` of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;

const HEAD: usize = 9;

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The length of what follows the header.
    pub length: u32,
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
}

impl FrameHead {
    /// Whether it is as long as a frame of its type has to be (RFC 9113 sections 6.3 to 6.9).
    pub fn has_right_length(self) -> bool {
        match self.kind {
            PRIORITY => self.length == 5,
            RST_STREAM | WINDOW_UPDATE => self.length == 4,
            SETTINGS if self.has(END_STREAM_OR_ACK) => self.length == 0,
            SETTINGS => self.length.is_multiple_of(6),
            PING => self.length == 8,
            GOAWAY => self.length >= 8,
            _ => true,
        }
    }

    /// Whether `flag` is set.
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Follows the frames in one direction of a connection.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD],
    have: usize,
    /// Bytes until the next header.
    left: u32,
}

impl Frames {
    /// After `bytes` that are no frames.
    pub fn behind(bytes: &[u8]) -> Self {
        let left = u32::try_from(bytes.len()).expect("a short beginning");
        Self { left, ..Self::default() }
    }

    /// Tells `seen` each header that ends within `bytes`.
    pub fn scan(&mut self, mut bytes: &[u8], mut seen: impl FnMut(FrameHead)) {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= u32::try_from(skipped).expect("at most what is left");
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEAD - self.have);
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                let [high, middle, low, kind, flags, ..] = self.head;
                self.left = u32::from_be_bytes([0, high, middle, low]);
                self.have = 0;
                seen(FrameHead { length: self.left, kind, flags });
            }
        }
    }

    /// Whether a frame has begun and is not over.
    pub fn is_within(&self) -> bool {
        self.have > 0 || self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_frame_is_seen_once_however_it_arrives(
            frames in proptest::collection::vec((0_u8..20, any::<u8>(), 0_u32..40), 0..20),
            lengths in proptest::collection::vec(1_usize..30, 0..200),
        ) {
            let mut wire = PREFACE.to_vec();
            for (kind, flags, length) in &frames {
                wire.extend_from_slice(&length.to_be_bytes()[1..]);
                wire.extend_from_slice(&[*kind, *flags, 0, 0, 0, 1]);
                wire.resize(wire.len() + *length as usize, 0xff);
            }
            let (mut follower, mut seen, mut rest) = (Frames::behind(PREFACE), Vec::new(), &wire[..]);
            let mut lengths = lengths.into_iter();
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
                follower.scan(piece, |head| seen.push((head.kind, head.flags, head.length)));
                rest = later;
            }
            prop_assert!(!follower.is_within());
            prop_assert_eq!(seen, frames);
        }
    }
}
