//! A body that is wanted once more, and one that nobody wants.
//!
//! A request that is tried again, and a copy of one, have the content that has been read already, and not its framing:
//! that is put around it anew, as the next connection needs it. What is held back of a response for that, and what a
//! copy is answered, is read and forgotten.

use super::super::buffer::Buffers;
use super::super::place::Place;
use super::{Pump, PumpError};
use crate::http::{BodyLength, Transfer, Version};
use crate::net::Stream;
use std::task::{Context, Poll, ready};

/// The beginning of a body, or all of it; until it is too long.
#[derive(Debug)]
pub(in crate::proxy) struct Replay {
    /// The whole body's, as its head says.
    length: BodyLength,
    content: Vec<u8>,
    /// The lines of the trailer section, if it has come.
    trailers: Vec<u8>,
    /// It was too long.
    lost: bool,
    /// What it takes of the room for such.
    _place: Option<Place>,
}

/// Why a body is not there in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum NotKept {
    /// It is longer than what is kept.
    TooLong,
    /// It has not been read to its end.
    Unfinished,
}

impl Replay {
    /// How much is kept at most, in bytes of content.
    pub(in crate::proxy) const MOST: usize = 64 << 10;

    pub(in crate::proxy) fn new(length: BodyLength, place: Option<Place>) -> Self {
        Self { length, content: Vec::new(), trailers: Vec::new(), lost: false, _place: place }
    }

    /// Whether a body of this length may be kept whole.
    pub(in crate::proxy) fn fits(length: BodyLength) -> bool {
        let known = match length {
            BodyLength::Sized(length) | BodyLength::Stream(Some(length)) => length,
            BodyLength::Stream(None) | BodyLength::Chunked | BodyLength::UntilClose => 0,
        };
        known <= Self::MOST as u64
    }

    /// Keeps what has been read next; or nothing any more, if that is too much.
    pub(in crate::proxy) fn keep(&mut self, content: &[u8], trailers: &[u8]) {
        if self.lost || self.content.len() + content.len() > Self::MOST {
            *self = Self { lost: true, ..Self::new(self.length, None) };
        } else {
            self.content.extend_from_slice(content);
            self.trailers.extend_from_slice(trailers);
        }
    }

    /// Whether everything that was read is here.
    pub(in crate::proxy) fn is_whole(&self) -> bool {
        !self.lost
    }

    /// The content and the trailers' lines so far.
    pub(in crate::proxy) fn kept(&self) -> (&[u8], &[u8]) {
        (&self.content, &self.trailers)
    }
}

impl Pump {
    /// From now on keeps what is accepted in `replay`, for [`rewind`](Self::rewind).
    pub(in crate::proxy) fn keep(&mut self, replay: Replay) {
        self.replay = Some(Box::new(replay));
    }

    /// Whether nothing of it has been accepted that is not kept, if there is anything to be kept at all.
    pub(in crate::proxy) fn can_rewind(&self) -> bool {
        self.replay.as_ref().is_none_or(|replay| replay.is_whole())
    }

    /// Whether it can go on to a sink of another version of HTTP, as long as nothing has been written.
    pub(in crate::proxy) fn can_change_version(&self) -> bool {
        let nothing = self.is_read() && self.buffer.is_none() && self.tail.is_empty();
        self.replay.as_ref().map_or(nothing, |replay| replay.is_whole())
    }

    /// Begins anew for another sink, of this version: what has been accepted is framed and written again, and then the
    /// rest is read. Where nothing is kept, nothing must have been written, and the version be the same unless there is no
    /// content at all.
    pub(in crate::proxy) fn rewind(&mut self, version: Version, buffers: &Buffers) {
        let Some(replay) = self.replay.as_ref().filter(|replay| replay.is_whole()) else {
            if self.is_read() && self.buffer.is_none() && self.tail.is_empty() {
                self.transfer = Transfer::of(BodyLength::Sized(0), version);
                self.ends_stream = self.transfer == Transfer::Stream;
            }
            return;
        };
        self.transfer = Transfer::of(replay.length, version);
        let (content, trailers) = replay.kept();
        let mut buffer = buffers.copy_of(content);
        self.tail.clear();
        if matches!(self.transfer, Transfer::Chunked | Transfer::Stream) {
            self.tail.extend_from_slice(trailers);
        }
        (self.written, self.trailers) = (0, None);
        self.ends_stream = self.transfer == Transfer::Stream;
        if self.transfer == Transfer::Chunked {
            self.frame(&mut buffer);
        }
        self.buffer.replace(buffer).into_iter().for_each(|before| buffers.give(before));
    }

    /// The whole body, content and trailer lines, of which all was to be kept if it is not known to be too long.
    pub(in crate::proxy) fn kept(&self) -> Result<(&[u8], &[u8]), NotKept> {
        let replay = self.replay.as_ref().filter(|replay| replay.is_whole()).ok_or(NotKept::TooLong)?;
        if self.is_read() { Ok(replay.kept()) } else { Err(NotKept::Unfinished) }
    }

    /// Reads what is left and gives it to nobody.
    ///
    /// # Errors
    /// [`PumpError`]: the pump is not to be polled again. [`PumpError::TooLarge`] when there is more than `most` bytes.
    pub(in crate::proxy) fn poll_drain(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Stream,
        buffers: &Buffers,
        most: u64,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            if let Some(buffer) = self.buffer.take() {
                self.written += buffer.unread().len() as u64;
                buffers.give(buffer);
            }
            self.tail.clear();
            if self.is_read() {
                return Poll::Ready(Ok(()));
            }
            if self.written > most {
                return Poll::Ready(Err(PumpError::TooLarge));
            }
            ready!(self.poll_fill(cx, source, buffers))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_of_a_body_is_kept_or_nothing(parts in proptest::collection::vec(0_usize..9_000, 0..20)) {
            let mut replay = Replay::new(BodyLength::Chunked, None);
            let body: Vec<u8> = (0..parts.iter().sum()).map(|n: usize| u8::try_from(n % 251).unwrap()).collect();
            let mut rest = &body[..];
            for part in parts {
                replay.keep(&rest[..part], b"");
                rest = &rest[part..];
            }
            prop_assert_eq!(replay.is_whole(), body.len() <= Replay::MOST);
            prop_assert_eq!(replay.kept().0, if replay.is_whole() { &body[..] } else { b"" });
        }
    }

    #[test]
    fn what_is_known_to_be_too_long_does_not_fit() {
        let fits = |length| Replay::fits(BodyLength::Sized(length)) && Replay::fits(BodyLength::Stream(Some(length)));
        assert!(fits(Replay::MOST as u64) && !fits(Replay::MOST as u64 + 1));
    }
}
