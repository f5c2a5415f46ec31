//! The chunked coding (RFC 9112 section 7.1), decoded in place and strictly.
//!
//! What is passed on is written in new chunks, so extensions end here and nobody behind us sees a chunk size that we
//! did not write ourselves. A lone CR or LF is refused everywhere: it is how two parsers come to disagree.

use super::field::Field;
use super::head::{HeadLimits, MAX_FIELDS};

/// Takes a chunked body apart as its bytes arrive.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of the chunk that are still to come.
    remaining: u64,
    /// Digits of the current chunk's size.
    digits: u8,
    /// Bytes of the current chunk's extensions.
    extension: u16,
    /// The trailer section so far, with the empty line that ends it.
    trailers: Vec<u8>,
    /// Of the trailer section: bytes, and fields. Small, since every connection has room for two decoders.
    max_trailers: u32,
    max_fields: u16,
}

/// What one call of [`Decoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of content, moved to the beginning of the buffer.
    pub content: usize,
    /// Bytes of the buffer that belong to this body.
    pub consumed: usize,
    /// The body is over, its trailers included.
    pub done: bool,
}

/// The body is not in chunks as RFC 9112 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed chunked body")]
pub struct ChunkError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SizeFirst,
    Size,
    /// White space behind the size: an extension may follow, another digit may not.
    Space,
    Extension,
    SizeLf,
    Content,
    ContentCr,
    ContentLf,
    Trailers,
    LastLf,
    Done,
}

/// A size below 2^60: more than anybody sends, and leading zeros do not go on for ever.
const MAX_DIGITS: u8 = 15;
const MAX_EXTENSION: u16 = 1_024;

impl Decoder {
    /// At the beginning of a body; `limits` are for its trailer section.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            state: State::SizeFirst,
            remaining: 0,
            digits: 0,
            extension: 0,
            trailers: Vec::new(),
            max_trailers: u32::try_from(limits.bytes).unwrap_or(u32::MAX),
            max_fields: u16::try_from(limits.fields.min(MAX_FIELDS)).unwrap_or(u16::MAX),
        }
    }

    /// Takes in `bytes`, moving the content in them to their beginning.
    ///
    /// # Errors
    /// [`ChunkError`]; the body cannot be read any further then.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Decoded, ChunkError> {
        let (mut content, mut at) = (0, 0);
        while at < bytes.len() && self.state != State::Done {
            if self.state == State::Content {
                let here = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len() - at);
                bytes.copy_within(at..at + here, content);
                content += here;
                at += here;
                self.remaining -= here as u64;
                if self.remaining == 0 {
                    self.state = State::ContentCr;
                }
            } else {
                self.control(bytes[at])?;
                at += 1;
            }
        }
        Ok(Decoded { content, consumed: at, done: self.state == State::Done })
    }

    /// Appends the trailer fields that a proxy passes on to `out`, a line each, once the body is over.
    ///
    /// # Errors
    /// [`ChunkError`] when they are no header fields, or too many.
    pub fn compose_trailers(&self, out: &mut Vec<u8>) -> Result<(), ChunkError> {
        if self.trailers.is_empty() {
            return Ok(());
        }
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        match httparse::parse_headers(&self.trailers, &mut slots[..usize::from(self.max_fields)]) {
            Ok(httparse::Status::Complete((_, lines))) => {
                for line in lines.iter().filter(|line| Field::of(line.name).may_trail()) {
                    out.extend_from_slice(line.name.as_bytes());
                    out.extend_from_slice(b": ");
                    out.extend_from_slice(line.value);
                    out.extend_from_slice(b"\r\n");
                }
                Ok(())
            }
            _ => Err(ChunkError),
        }
    }

    /// Bytes of framing: everything but content.
    fn control(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.state = match (self.state, byte) {
            (State::SizeFirst | State::Size, digit) if digit.is_ascii_hexdigit() => {
                self.digits += 1;
                if self.digits > MAX_DIGITS {
                    return Err(ChunkError);
                }
                let digit = char::from(digit).to_digit(16).expect("a hexadecimal digit");
                self.remaining = self.remaining * 16 + u64::from(digit);
                State::Size
            }
            (State::Size | State::Space, b';') => State::Extension,
            (State::Size | State::Space, b' ' | b'\t') => {
                self.count_extension()?;
                State::Space
            }
            (State::Size | State::Space | State::Extension, b'\r') => State::SizeLf,
            (State::Extension, byte) if byte == b'\t' || (byte >= b' ' && byte != 0x7f) => {
                self.count_extension()?;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.remaining == 0 => State::Trailers,
            (State::SizeLf, b'\n') => State::Content,
            (State::ContentCr, b'\r') => State::ContentLf,
            (State::ContentLf, b'\n') => {
                (self.digits, self.extension) = (0, 0);
                State::SizeFirst
            }
            // No trailers, as nearly always: nothing is kept, so nothing is allocated.
            (State::Trailers, b'\r') if self.trailers.is_empty() => State::LastLf,
            (State::LastLf, b'\n') => State::Done,
            (State::Trailers, byte) => return self.trailer(byte),
            _ => return Err(ChunkError),
        };
        Ok(())
    }

    fn count_extension(&mut self) -> Result<(), ChunkError> {
        self.extension += 1;
        if self.extension > MAX_EXTENSION { Err(ChunkError) } else { Ok(()) }
    }

    fn trailer(&mut self, byte: u8) -> Result<(), ChunkError> {
        let lone = (byte == b'\n') != self.trailers.ends_with(b"\r");
        if lone || self.trailers.len() >= self.max_trailers as usize {
            return Err(ChunkError);
        }
        self.trailers.push(byte);
        if self.trailers.ends_with(b"\r\n\r\n") {
            self.state = State::Done;
        }
        Ok(())
    }
}

/// A chunk's size in hexadecimal, with its line end.
pub fn chunk_size(size: usize, room: &mut [u8; 8]) -> &[u8] {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4) as usize;
    for (place, digit) in room[..digits].iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(size >> (4 * place)) & 0xf];
    }
    room[digits..digits + 2].copy_from_slice(b"\r\n");
    &room[..digits + 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1_000, fields: 10 };

    /// Decodes `wire` in pieces of these lengths: the content, what is left over, the trailers.
    fn decode(wire: &[u8], mut lengths: impl Iterator<Item = usize>) -> Result<(Vec<u8>, usize, Vec<u8>), ChunkError> {
        let (mut decoder, mut content, mut at) = (Decoder::new(LIMITS), Vec::new(), 0);
        while at < wire.len() {
            let length = lengths.next().unwrap_or(wire.len()).clamp(1, wire.len() - at);
            let mut piece = wire[at..at + length].to_vec();
            let step = decoder.decode(&mut piece)?;
            content.extend_from_slice(&piece[..step.content]);
            at += step.consumed;
            if step.done {
                let mut trailers = Vec::new();
                decoder.compose_trailers(&mut trailers)?;
                return Ok((content, wire.len() - at, trailers));
            }
        }
        panic!("not over: {:?}", String::from_utf8_lossy(wire));
    }

    #[test]
    fn one_reading_only() {
        for wire in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5;a\n\r\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 5\r\nhello\r\n",
            "5 ,a\r\nhello\r\n",
            "\r\n",
            ";a\r\n",
            "10000000000000005\r\nhello\r\n",
            "0000000000000005\r\nhello\r\n",
            "0\r\nno colon\r\n\r\n",
            "0\r\na: b\nc: d\r\n\r\n",
            "0\r\n a: folded\r\n\r\n",
        ] {
            assert_eq!(decode(wire.as_bytes(), std::iter::empty()), Err(ChunkError), "{wire:?}");
        }
    }

    #[test]
    fn trailers_that_frame_or_route_are_dropped() {
        let wire = b"0\r\ngrpc-status: 0\r\ncontent-length: 5\r\nhost: evil\r\n\r\n";
        assert_eq!(decode(wire, std::iter::empty()).unwrap().2, b"grpc-status: 0\r\n");
    }

    proptest! {
        #[test]
        fn the_content_is_the_same_however_it_is_chunked_and_however_it_arrives(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..8),
            lengths in proptest::collection::vec(1_usize..30, 0..200),
            extended: bool, next in "[A-Z]{0,5}",
        ) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:X}{}\r\n", chunk.len(), if extended { ";a=b" } else { "" }).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nx: y\r\n\r\n");
            wire.extend_from_slice(next.as_bytes());
            let (content, left, trailers) = decode(&wire, lengths.into_iter()).unwrap();
            prop_assert_eq!(content, chunks.concat());
            prop_assert_eq!(left, next.len());
            prop_assert_eq!(trailers, b"x: y\r\n");
        }
    }
}
