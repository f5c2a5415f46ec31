//! What of a request's body has been read, kept so that it can be sent once more.
//!
//! It is the content that is kept and not its framing: that is put around it anew, as the next connection needs it.

use crate::http::BodyLength;

/// The beginning of a body, or all of it; until it is too long.
#[derive(Debug, Default)]
pub(super) struct Replay {
    content: Vec<u8>,
    /// The trailer section, if it has come.
    trailers: Vec<u8>,
    /// It was too long.
    lost: bool,
}

/// Why a body is not there in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotKept {
    /// It is longer than what is kept.
    TooLong,
    /// It has not been read to its end.
    Unfinished,
}

impl Replay {
    /// How much is kept at most, in bytes of content.
    pub(super) const MOST: usize = 64 << 10;

    /// For a body of this length; `None` where it is known to be too long.
    pub(super) fn of(body: BodyLength) -> Option<Box<Self>> {
        let fits = !matches!(body, BodyLength::Sized(length) if length > Self::MOST as u64);
        fits.then(Box::default)
    }

    /// Keeps what has been read next; or nothing any more, if that is too much.
    pub(super) fn keep(&mut self, content: &[u8], trailers: &[u8]) {
        if self.lost || self.content.len() + content.len() > Self::MOST {
            *self = Self { lost: true, ..Self::default() };
        } else {
            self.content.extend_from_slice(content);
            self.trailers.extend_from_slice(trailers);
        }
    }

    /// Whether everything that was read is here.
    pub(super) fn is_whole(&self) -> bool {
        !self.lost
    }

    /// The content and the trailer section so far.
    pub(super) fn kept(&self) -> (&[u8], &[u8]) {
        (&self.content, &self.trailers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn all_of_a_body_is_kept_or_nothing(parts in proptest::collection::vec(0_usize..9_000, 0..20)) {
            let mut replay = Replay::of(BodyLength::Chunked).unwrap();
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
    fn what_is_known_to_be_too_long_is_not_begun() {
        let begun = |length| Replay::of(BodyLength::Sized(length)).is_some();
        assert!(begun(Replay::MOST as u64) && !begun(Replay::MOST as u64 + 1));
    }
}
