//! What a client's frames may ask for that is of no use to it.
//!
//! The h2 crate answers each PING and each SETTINGS, and takes every other frame that the protocol allows, as fast as
//! they come. Whoever sends little else makes a worker work for nothing, and nobody's request is served by it: that is
//! what floods are, rapid reset (CVE-2023-44487) among them. So each such frame costs, time and what is served earn,
//! and a client that has spent everything is told to be calm, and is closed. A client that uses what it asks for never
//! comes near: what it sends because of content it gets, such as `WINDOW_UPDATE`, is paid for by the content.
//!
//! CONTINUATION, empty and tiny DATA, and streams over the limit have bounds of their own in the h2 crate.

use crate::http::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM_OR_ACK, FrameHead, Frames, HEADERS, PREFACE, SETTINGS,
};
use h2::Reason;

/// What a client can spend at once.
const MOST: i64 = 2_000;
/// In how many milliseconds it earns one: 200 in a second.
const MS_EARNED: u64 = 5;
/// What a request earns when it is answered: a request that is given up early for each that is not, and something over.
const ANSWER: i64 = 8;
/// What content that is sent earns: clients update two windows for each frame, and some of them several times.
const CONTENT_SENT: i64 = 10;
/// What a request costs that is given up before [`YOUNG_MS`], besides its frames.
const GIVEN_UP: i64 = 4;
/// A request that is given up later was waited for, which is no flood but somebody's deadline.
const YOUNG_MS: u64 = 1_000;

/// Follows a connection's frames.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the connection")]
pub(super) struct Guard {
    received: Frames,
    sent: Frames,
    /// How many bytes have been sent.
    sent_bytes: u64,
    /// What the client can still spend.
    balance: i64,
    earned_ms: u64,
    /// The type of the frame that came last.
    last_kind: u8,
    /// A header section has begun and is not over.
    within_section: bool,
    /// The client's SETTINGS have come.
    pub(super) is_settled: bool,
    /// The socket takes nothing at the moment.
    pub(super) is_blocked: bool,
    /// Our end has been closed.
    pub(super) is_closing: bool,
    /// Why the connection is to be closed.
    pub(super) offence: Option<Reason>,
}

impl Guard {
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            received: Frames::behind(PREFACE),
            sent: Frames::default(),
            sent_bytes: 0,
            balance: MOST,
            earned_ms: now_ms,
            last_kind: 0,
            within_section: false,
            is_settled: false,
            is_blocked: false,
            is_closing: false,
            offence: None,
        }
    }

    /// The client has sent `bytes`.
    pub(super) fn received(&mut self, bytes: &[u8], now_ms: u64) {
        let earned = now_ms.saturating_sub(self.earned_ms) / MS_EARNED;
        // What is too short to earn anything is not lost: busy connections are read all the time.
        self.earned_ms += earned * MS_EARNED;
        self.earn(i64::try_from(earned).unwrap_or(MOST));
        let mut frames = std::mem::take(&mut self.received);
        frames.scan(bytes, |head| self.take(head));
        self.received = frames;
    }

    fn take(&mut self, head: FrameHead) {
        // RFC 9113 section 3.4: the first frame is SETTINGS.
        if !self.is_settled && (head.kind != SETTINGS || head.has(END_STREAM_OR_ACK)) {
            self.offence = Some(Reason::PROTOCOL_ERROR);
        }
        if !head.has_right_length() {
            self.offence.get_or_insert(Reason::FRAME_SIZE_ERROR);
        }
        self.is_settled = true;
        self.last_kind = head.kind;
        if matches!(head.kind, HEADERS | CONTINUATION) {
            self.within_section = !head.has(END_HEADERS);
        }
        match head.kind {
            DATA if head.length > 0 => self.earn(1),
            DATA if head.has(END_STREAM_OR_ACK) => {}
            _ => self.spend(1),
        }
    }

    /// We have sent `bytes`.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.sent_bytes += bytes.len() as u64;
        let mut earned = 0;
        self.sent.scan(bytes, |head| {
            earned += match head.kind {
                DATA if head.length > 0 => CONTENT_SENT,
                HEADERS => ANSWER,
                _ => 0,
            };
        });
        self.earn(earned);
    }

    /// The client has given a request up `after_ms` after it came.
    pub(super) fn given_up(&mut self, after_ms: u64) {
        if after_ms < YOUNG_MS {
            self.spend(GIVEN_UP);
        }
    }

    /// How many bytes have been sent.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// A header section has begun, or a frame that may be one, and is not over.
    pub(super) fn is_within_head(&self) -> bool {
        self.within_section || (self.received.is_within() && matches!(self.last_kind, HEADERS | CONTINUATION))
    }

    fn earn(&mut self, amount: i64) {
        self.balance = self.balance.saturating_add(amount).min(MOST);
    }

    fn spend(&mut self, amount: i64) {
        self.balance -= amount;
        if self.balance < 0 {
            self.offence.get_or_insert(Reason::ENHANCE_YOUR_CALM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::frames::{PING, RST_STREAM, WINDOW_UPDATE};

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        bytes.resize(9 + usize::from(length), 0);
        bytes
    }

    fn settled() -> Guard {
        let mut guard = Guard::new(0);
        guard.received(&[PREFACE, &frame(SETTINGS, 0, 0)].concat(), 0);
        assert!(guard.is_settled && guard.offence.is_none());
        guard
    }

    #[test]
    fn a_flood_is_stopped_and_a_trickle_is_not() {
        for (per_second, stopped) in [(150, false), (10_000, true)] {
            let mut guard = settled();
            for second in 0..60 {
                (0..per_second).for_each(|_| guard.received(&frame(PING, 0, 8), second * 1_000));
            }
            assert_eq!(guard.offence, stopped.then_some(Reason::ENHANCE_YOUR_CALM), "{per_second}");
        }
    }

    #[test]
    fn time_earns_the_same_in_whatever_pieces_it_passes() {
        let mut guard = settled();
        for ms in 1..60_000 {
            // One that costs nothing and earns nothing each millisecond, and 150 in a second that do.
            guard.received(&frame(DATA, END_STREAM_OR_ACK, 0), ms);
            if ms % 20 < 3 {
                guard.received(&frame(PING, 0, 8), ms);
            }
        }
        assert_eq!(guard.offence, None);
    }

    #[test]
    fn what_serves_the_client_pays_for_its_frames() {
        let mut guard = settled();
        for _ in 0..10_000 {
            guard.received(&frame(HEADERS, END_HEADERS, 5), 0);
            guard.sent(&[frame(HEADERS, END_HEADERS, 5), frame(DATA, 0, 100)].concat());
            (0..4).for_each(|_| guard.received(&frame(WINDOW_UPDATE, 0, 4), 0));
        }
        // Every other one is asked for twice, and the later one given up.
        for _ in 0..10_000 {
            (0..2).for_each(|_| guard.received(&frame(HEADERS, END_HEADERS, 5), 0));
            guard.sent(&frame(HEADERS, END_HEADERS, 5));
            guard.received(&frame(RST_STREAM, 0, 4), 0);
            guard.given_up(10);
        }
        assert_eq!(guard.offence, None);
    }

    #[test]
    fn requests_that_are_given_up_at_once_are_a_flood_and_those_that_were_waited_for_are_fewer_frames() {
        let give_up = |after_ms| {
            let mut guard = settled();
            (0..10_000)
                .take_while(|_| {
                    guard.received(&[frame(HEADERS, END_HEADERS, 5), frame(RST_STREAM, 0, 4)].concat(), 0);
                    guard.given_up(after_ms);
                    guard.offence.is_none()
                })
                .count()
        };
        assert!((300..400).contains(&give_up(10)));
        assert!((900..1_100).contains(&give_up(2_000)));
    }

    #[test]
    fn a_head_that_has_begun_is_waited_for() {
        let mut guard = settled();
        let head = frame(HEADERS, 0, 5);
        for (bytes, within) in [
            (&head[..9], true),
            (&head[9..], true),
            (&frame(CONTINUATION, 0, 1), true),
            (&frame(CONTINUATION, END_HEADERS, 1), false),
            (&frame(DATA, 0, 9)[..12], false),
        ] {
            guard.received(bytes, 0);
            assert_eq!(guard.is_within_head(), within, "{bytes:?}");
        }
    }

    #[test]
    fn what_comes_first_is_settings() {
        let mut guard = Guard::new(0);
        guard.received(&[PREFACE, &frame(PING, 0, 8)].concat(), 0);
        assert_eq!(guard.offence, Some(Reason::PROTOCOL_ERROR));
    }
}
