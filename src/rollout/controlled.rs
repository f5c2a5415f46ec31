//! A detector with stable as its control: what hurts both versions is not the canary's doing.
//!
//! A breach takes two things, each beyond chance: the canary goes wrong more often than its limit allows (the
//! detector's alarm), and more often than stable over the very same ticks. The second is asked of the span of the
//! alarm, from the tick at which the detector thinks that the fault began. To ask it of a window of fixed length would
//! be too late at both ends: at the onset of a shared outage stable's five minutes are still full of good requests when
//! the canary's fifth failure raises the alarm, and when stable is well again they are full of bad ones for minutes.
//!
//! **The comparison** is [`compare`](super::compare)'s, at [`CONTROL`]. What is promised is about one span: it begins
//! at a moment that the past alone decides, and from there on, however long it lasts and whoever looks, a canary that
//! is not worse than stable is taken for worse with a probability of 1 in 100 at most. (It takes the detector's alarm
//! as well; of 2,400 simulated shared outages 5 took the canary out.) That a stable that shows little raises little
//! comes out of the arithmetic, and so does that few requests of stable's prove little: with the canary at half of the
//! traffic a dead one is out at its fifth request, at 90 % at its twentieth, since it is stable's that are waited for.
//! And where stable is over the limit itself, the canary must go wrong half again as often: the least that the detector
//! looks for (its lowest alternative is 1.5 times the limit), and no less than what caches, retries and luck make two
//! equal versions differ by in an outage.
//!
//! **Two detectors.** During a shared outage the evidence goes on, and so does its span: when stable alone gets well
//! after ten minutes, those minutes would hide it. So beside the long detector there is a short one that begins anew
//! when its alarm is not held up by the comparison and does not look as if it will be, at most once a second or so.
//! What is new is seen by it, what is slight by the long one. As it tries again and again, its comparison has to clear
//! the limit's own `alpha` instead of [`CONTROL`]. It is asked only while the long one is alarmed, so it has no false
//! alarm of its own: the average run length of the two is that of the long one.
//!
//! **Without a control**: when the canary has all of the traffic, or stable shows so little that it cannot be chance
//! (at the split in force, none of stable's requests among so many has a probability of at most `alpha`; or there was
//! but one of [`SCARCE`]), nobody is waited for and the canary is judged alone.

use super::chance::excess;
use super::compare::{Allowance, log_evidence};
use super::detector::Detector;
use super::tally::{Pair, float};

/// `ln(1 / 0.01)`: how sure it must be that the canary is worse than stable.
const CONTROL: f64 = 4.605_170_185_988_092;

/// So many of the canary's requests for one of stable's, and stable is no control whatever the split should be.
const SCARCE: u64 = 150;

/// How much more often than a failing stable the canary must go wrong.
const HALF_AGAIN: f64 = 1.5;

/// Batches that the short detector is given before it begins anew.
const LEAST_AGE: u64 = 10;

/// A detector with its control.
#[derive(Debug, Clone)]
pub(super) struct Controlled {
    p0: f64,
    /// `ln(1 / alpha)`.
    alarm_level: f64,
    long: Detector,
    short: Detector,
    /// The canary's requests since stable's last.
    unaccompanied: u64,
    /// As many as say that stable is no control.
    most_unaccompanied: u64,
    found: Option<Comparison>,
}

/// What stable says of a canary that is over its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Stable does not show the fault, or is not there.
    Worse,
    /// Stable shows it as well.
    Shared,
    /// Stable got too few requests to show it.
    TooFew,
}

impl Controlled {
    /// For a probability above `p0`; see [`Detector::new`]. No alarm that fewer than `batches` batches support.
    pub(super) fn new(p0: f64, alpha: f64, batches: f64) -> Self {
        let detector = Detector::new(p0, alpha);
        let detector = if batches > 1.0 { detector.supported_by(batches) } else { detector };
        let short = detector.clone();
        Self {
            p0,
            alarm_level: -alpha.ln(),
            long: detector,
            short,
            unaccompanied: 0,
            most_unaccompanied: SCARCE,
            found: None,
        }
    }

    /// Takes in what both versions did in one tick.
    pub(super) fn take(&mut self, tick: Pair) {
        if tick.is_empty() {
            return;
        }
        self.unaccompanied = if tick.stable.of > 0 { 0 } else { self.unaccompanied + tick.canary.of };
        self.long.take(tick);
        self.short.take(tick);
        self.found = self.ask(&self.long, CONTROL);
        if self.found.is_none_or(|found| found == Comparison::Worse) {
            return;
        }
        match self.ask(&self.short, self.alarm_level) {
            Some(Comparison::Worse) => self.found = Some(Comparison::Worse),
            Some(_) if self.short.age() >= LEAST_AGE && !self.leans(self.short.span()) => self.short.restart(),
            _ => {}
        }
        self.long.hold_down();
    }

    /// What it comes to when the detector has raised its alarm; `None` while it has not.
    pub(super) fn found(&self) -> Option<Comparison> {
        self.found
    }

    /// See [`Detector::evidence`].
    pub(super) fn evidence(&self) -> f64 {
        self.long.evidence()
    }

    /// Compares from here on: the split moved, or another version stands where stable was. `share` is the canary's of
    /// what the two get together.
    pub(super) fn compare_anew(&mut self, share: f64) {
        self.most_unaccompanied = most_unaccompanied(share, self.alarm_level);
        self.long.forget_spans();
        self.short.forget_spans();
    }

    /// Asks the same of other counts of the same time.
    pub(super) fn compare(&self, pair: Pair) -> Comparison {
        self.compare_at(pair, CONTROL)
    }

    /// The limit's probability.
    pub(super) fn p0(&self) -> f64 {
        self.p0
    }

    fn ask(&self, detector: &Detector, sure: f64) -> Option<Comparison> {
        detector.alarmed().then(|| self.compare_at(detector.span(), sure))
    }

    fn compare_at(&self, pair: Pair, sure: f64) -> Comparison {
        let scarce = pair.canary.of >= SCARCE.saturating_mul(pair.stable.of + 1);
        if scarce || self.unaccompanied >= self.most_unaccompanied {
            // What these counts do not show themselves is from before the split moved.
            let shown = excess(pair.canary, self.p0) >= self.alarm_level;
            return if shown { Comparison::Worse } else { Comparison::TooFew };
        }
        if self.evidence_of_worse(&pair) >= sure {
            return Comparison::Worse;
        }
        let failing = pair.stable.share().is_some_and(|stable| stable > self.p0);
        if failing { Comparison::Shared } else { Comparison::TooFew }
    }

    /// Whether it looks as if the comparison will come out, or there is none yet.
    fn leans(&self, pair: Pair) -> bool {
        pair.stable.of == 0 || self.evidence_of_worse(&pair) > 0.0
    }

    /// In nats.
    fn evidence_of_worse(&self, pair: &Pair) -> f64 {
        let shares = pair.canary.share().zip(pair.stable.share());
        let alike = shares.is_none_or(|(canary, stable)| stable > self.p0 && canary < HALF_AGAIN * stable);
        if alike { 0.0 } else { log_evidence(pair, Allowance::Times(1.0)) }
    }
}

/// How many requests in a row the canary gets with a probability of `exp(-nats)` when `share` of them are its own.
fn most_unaccompanied(share: f64, nats: f64) -> u64 {
    // A hair less, so that what is a whole number stays the number it is.
    let most = (nats / -share.clamp(0.0, 1.0).ln() - 1e-9).ceil();
    if share >= 1.0 {
        return 0;
    }
    (1..SCARCE).find(|many| float(*many) >= most).unwrap_or(SCARCE)
}

#[cfg(test)]
mod tests {
    use super::super::tally::Tally;
    use super::*;

    fn pair(canary: (u64, u64), stable: (u64, u64)) -> Pair {
        let tally = |(wrong, of)| Tally { wrong, of };
        Pair { canary: tally(canary), stable: tally(stable) }
    }

    fn five_percent() -> Controlled {
        Controlled::new(0.05, 1e-5, 1.0)
    }

    #[test]
    fn what_stable_says_is_as_strong_as_its_requests() {
        let control = five_percent();
        for (canary, stable, found) in [
            ((5, 5), (0, 5), Comparison::Worse),
            ((5, 5), (0, 45), Comparison::Worse),
            ((5, 5), (0, 0), Comparison::TooFew),
            ((5, 5), (0, 1), Comparison::TooFew),
            ((5, 5), (45, 45), Comparison::Shared),
            ((500, 500), (990, 1_000), Comparison::Shared),
            ((300, 1_000), (2_900, 9_000), Comparison::Shared),
            ((500, 1_000), (1_000, 10_000), Comparison::Worse),
            ((90, 1_000), (60, 1_000), Comparison::Shared),
            ((110, 1_000), (40, 1_000), Comparison::Worse),
        ] {
            assert_eq!(control.compare(pair(canary, stable)), found, "{canary:?} {stable:?}");
        }
    }

    #[test]
    fn nobody_waits_for_a_stable_that_gets_nothing() {
        let mut control = five_percent();
        control.compare_anew(1.0);
        control.take(pair((5, 5), (0, 0)));
        assert_eq!(control.found(), Some(Comparison::Worse));
        let mut control = five_percent();
        control.take(pair((5, 5), (0, 0)));
        assert_eq!(control.found(), Some(Comparison::TooFew), "it may be the next one");
        control.take(pair((145, 145), (0, 0)));
        assert_eq!(control.found(), Some(Comparison::Worse), "it was none of 150");
    }

    #[test]
    fn how_long_stable_is_waited_for_depends_on_the_split() {
        let nats = -1e-5_f64.ln();
        let most = [0.0, 0.1, 0.5, 0.75, 0.9, 0.99, 1.0].map(|share| most_unaccompanied(share, nats));
        assert_eq!(most, [1, 5, 17, 41, 110, SCARCE, 0]);
    }

    #[test]
    fn evidence_from_before_the_split_moved_blames_nobody_alone() {
        let mut control = five_percent();
        (0..100).for_each(|_| control.take(pair((10, 10), (10, 10))));
        assert_eq!(control.found(), Some(Comparison::Shared));
        control.compare_anew(1.0);
        for _ in 0..20 {
            control.take(pair((0, 10), (0, 0)));
            assert_ne!(control.found(), Some(Comparison::Worse));
        }
        control.take(pair((10, 10), (0, 0)));
        assert_eq!(control.found(), Some(Comparison::Worse));
    }

    #[test]
    fn evidence_of_a_shared_outage_is_gone_soon_after_it() {
        let mut control = five_percent();
        (0..6_000).for_each(|_| control.take(pair((100, 100), (100, 100))));
        assert!(control.evidence() < 1.3);
        (0..10).for_each(|_| control.take(pair((0, 100), (0, 100))));
        assert_eq!(control.found(), None);
    }
}
