//! When the peer of an HTTP/2 connection is asked whether it is there (RFC 9113 section 6.7).
//!
//! It is asked when it has been silent for a while and has requests. That alone would ask again and again as long as a
//! stream is open on which nothing is to be said, such as one that waits for news, and gRPC's servers close connections
//! on which they are asked that often: by default at the third `PING` that comes within five minutes of the one before,
//! unless they have sent something of a response in between (`GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS`
//! and `GRPC_ARG_HTTP2_MAX_PING_STRIKES`; `MinTime` of grpc-go's `keepalive.EnforcementPolicy`).

/// After how many looks a peer that has ended no request since may be asked again: more than five minutes.
const SELDOM: u32 = 31;

/// Looks at a connection once in a while, and says what is to be done.
#[derive(Debug)]
pub(super) struct Pings {
    /// The last look has asked.
    asked: bool,
    /// How many looks ago it was asked last.
    since: u32,
    /// How many requests had ended well by then.
    ended: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing.
    Wait,
    /// The peer is to be asked.
    Ask,
    /// The peer was asked, and has said nothing.
    GiveUp,
}

impl Pings {
    pub(super) fn new() -> Self {
        Self { asked: false, since: SELDOM, ended: 0 }
    }

    /// Looks once more. `heard`: anything has come since the last look; `is_busy`: the peer has requests; `ended`: how
    /// many have ended well so far.
    pub(super) fn look(&mut self, heard: bool, is_busy: bool, ended: u64) -> Look {
        let asked = std::mem::take(&mut self.asked);
        self.since = self.since.saturating_add(1);
        if heard || !is_busy {
            return Look::Wait;
        }
        if asked {
            return Look::GiveUp;
        }
        if self.since < SELDOM && self.ended == ended {
            return Look::Wait;
        }
        *self = Self { asked: true, since: 0, ended };
        Look::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of each look at a peer that answers each `PING` and says nothing else, by the requests that had ended.
    fn asked(ended: impl IntoIterator<Item = u64>) -> Vec<usize> {
        let (mut pings, mut heard, mut asked) = (Pings::new(), false, Vec::new());
        for (look, ended) in ended.into_iter().enumerate() {
            let next = pings.look(heard, true, ended);
            assert_ne!(next, Look::GiveUp);
            heard = next == Look::Ask;
            asked.extend(heard.then_some(look));
        }
        asked
    }

    #[test]
    fn a_peer_with_nothing_to_say_is_asked_at_once_and_then_every_five_minutes() {
        assert_eq!(asked([0; 100]), [0, 31, 62, 93]);
    }

    #[test]
    fn one_that_has_answered_a_request_since_is_asked_sooner() {
        assert_eq!(asked([1, 1, 1, 1, 2, 2, 2, 2, 3, 4]), [0, 4, 8]);
    }

    #[test]
    fn silence_after_that_is_the_end_and_a_word_is_not() {
        let mut pings = Pings::new();
        assert_eq!(pings.look(true, true, 1), Look::Wait);
        assert_eq!(pings.look(false, false, 1), Look::Wait, "there is nothing that it might answer");
        assert_eq!(pings.look(false, true, 1), Look::Ask);
        assert_eq!(pings.look(true, true, 2), Look::Wait);
        assert_eq!(pings.look(false, true, 2), Look::Ask);
        assert_eq!(pings.look(false, true, 2), Look::GiveUp);
    }

    #[test]
    fn one_that_was_asked_for_nobody_is_waited_for_no_longer() {
        let mut pings = Pings::new();
        assert_eq!(pings.look(false, true, 0), Look::Ask);
        assert_eq!(pings.look(false, false, 1), Look::Wait);
        assert_eq!(pings.look(false, true, 1), Look::Ask);
    }
}
