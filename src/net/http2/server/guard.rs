//! What a client's frames may ask for that is of no use to it.
//!
//! Each PING and each SETTINGS is answered, and every other frame that the protocol allows is taken, as fast as they
//! come. Whoever sends little else makes a worker work for nothing, and nobody's request is served by it: that is what
//! floods are, rapid reset (CVE-2023-44487) among them. So each such frame costs, time and what is served earn, and a
//! client that has spent everything is told to be calm, and is closed. A client that uses what it asks for never comes
//! near: what it sends because of content it gets, such as `WINDOW_UPDATE`, is paid for by the content.

use crate::net::http2::frames::{DATA, END_STREAM, FrameHead};

/// What a client can spend at once.
const MOST: i64 = 2_000;
/// In how many milliseconds it earns one: 200 in a second.
const MS_EARNED: u64 = 5;
/// What a request earns when it is answered: a request that is given up early for each that is not, and something over.
const ANSWER: i64 = 8;
/// What content that is sent earns: clients update two windows for each frame, and some of them several times.
const CONTENT_SENT: i64 = 10;
/// How many bytes of content earn as much as any frame of it.
const CRUMB: usize = 256;
/// What a request costs that is given up before [`YOUNG_MS`], besides its frames.
const GIVEN_UP: i64 = 4;
/// A request that is given up later was waited for, which is no flood but somebody's deadline.
const YOUNG_MS: u64 = 1_000;

/// What a client has earned and not spent.
#[derive(Debug)]
pub(super) struct Guard {
    balance: i64,
    earned_ms: u64,
}

impl Guard {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { balance: MOST, earned_ms: now_ms }
    }

    /// It is `now_ms`.
    pub(super) fn time_passes(&mut self, now_ms: u64) {
        let earned = now_ms.saturating_sub(self.earned_ms) / MS_EARNED;
        // What is too short to earn anything is not lost: busy connections are read all the time.
        self.earned_ms += earned * MS_EARNED;
        self.earn(i64::try_from(earned).unwrap_or(MOST));
    }

    /// A frame comes.
    pub(super) fn frame_comes(&mut self, head: FrameHead) {
        match head.kind {
            DATA if head.length > 0 || head.has(END_STREAM) => {}
            _ => self.balance -= 1,
        }
    }

    /// Content comes that is asked for.
    pub(super) fn content_comes(&mut self) {
        self.earn(1);
    }

    /// Content comes behind the end, which is answered.
    pub(super) fn content_comes_late(&mut self) {
        self.balance -= 1;
    }

    /// Content comes of a stream that was closed here, as the client may not know yet. It need not send any that is empty.
    pub(super) fn content_comes_for_nobody(&mut self, head: FrameHead) {
        if head.length == 0 {
            self.balance -= 1;
        }
    }

    /// A response, an interim one or trailers are sent.
    pub(super) fn section_is_sent(&mut self) {
        self.earn(ANSWER);
    }

    /// A frame of so much content is sent. One that `is_cut` by the client's windows earns as little as they let through:
    /// whoever opens them byte by byte asks for a frame each time (CVE-2019-9511).
    pub(super) fn content_is_sent(&mut self, length: usize, is_cut: bool) {
        let worth = if is_cut { length.min(CRUMB) } else { CRUMB };
        self.earn(CONTENT_SENT * i64::try_from(worth).expect("a crumb") / i64::try_from(CRUMB).expect("a crumb"));
    }

    /// The client has given a request up `after_ms` after it came.
    pub(super) fn given_up(&mut self, after_ms: u64) {
        if after_ms < YOUNG_MS {
            self.balance -= GIVEN_UP;
        }
    }

    /// Everything has been spent, and more.
    pub(super) fn is_spent(&self) -> bool {
        self.balance < 0
    }

    fn earn(&mut self, amount: i64) {
        self.balance = (self.balance + amount).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http2::frames::{HEADERS, PING, RST_STREAM, WINDOW_UPDATE};

    fn frame(kind: u8, flags: u8, length: u32) -> FrameHead {
        FrameHead { length, kind, flags, stream: 1 }
    }

    #[test]
    fn a_flood_is_stopped_and_a_trickle_is_not() {
        for (per_second, stopped) in [(150, false), (10_000, true)] {
            let mut guard = Guard::new(0);
            let mut was_spent = false;
            for second in 0..60 {
                guard.time_passes(second * 1_000);
                (0..per_second).for_each(|_| guard.frame_comes(frame(PING, 0, 8)));
                was_spent |= guard.is_spent();
            }
            assert_eq!(was_spent, stopped, "{per_second}");
        }
    }

    #[test]
    fn time_earns_the_same_in_whatever_pieces_it_passes() {
        let mut guard = Guard::new(0);
        for ms in 1..60_000 {
            guard.time_passes(ms);
            // 150 in a second.
            if ms % 20 < 3 {
                guard.frame_comes(frame(PING, 0, 8));
            }
        }
        assert!(!guard.is_spent());
    }

    #[test]
    fn what_serves_the_client_pays_for_its_frames() {
        let mut guard = Guard::new(0);
        for _ in 0..10_000 {
            guard.frame_comes(frame(HEADERS, 5, 5));
            guard.section_is_sent();
            guard.content_is_sent(4, false);
            (0..4).for_each(|_| guard.frame_comes(frame(WINDOW_UPDATE, 0, 4)));
        }
        // Every other one is asked for twice, and the later one given up.
        for _ in 0..10_000 {
            (0..2).for_each(|_| guard.frame_comes(frame(HEADERS, 5, 5)));
            guard.section_is_sent();
            guard.frame_comes(frame(RST_STREAM, 0, 4));
            guard.given_up(10);
        }
        assert!(!guard.is_spent());
    }

    #[test]
    fn requests_that_are_given_up_at_once_are_a_flood_and_those_that_were_waited_for_are_fewer_frames() {
        let give_up = |after_ms| {
            let mut guard = Guard::new(0);
            (0..10_000)
                .take_while(|_| {
                    guard.frame_comes(frame(HEADERS, 5, 5));
                    guard.frame_comes(frame(RST_STREAM, 0, 4));
                    guard.given_up(after_ms);
                    !guard.is_spent()
                })
                .count()
        };
        assert!((300..400).contains(&give_up(10)));
        assert!((900..1_100).contains(&give_up(2_000)));
    }

    #[test]
    fn empty_content_is_a_flood_and_its_end_is_none() {
        let mut guard = Guard::new(0);
        (0..10_000).for_each(|_| guard.frame_comes(frame(DATA, END_STREAM, 0)));
        assert!(!guard.is_spent());
        (0..10_000).for_each(|_| guard.frame_comes(frame(DATA, 0, 0)));
        assert!(guard.is_spent());
    }
}
