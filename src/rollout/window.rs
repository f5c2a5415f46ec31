//! The plain window: what the last five minutes looked like, the way people think about a limit.
//!
//! A window is a ring of 60 slots. What a tick brings goes into the newest slot and into a running total; a slot
//! that has grown too old is subtracted again. All of it is whole numbers, so the total never drifts, and reading a
//! value costs the same however long the window is. A slot keeps its durations as a sparse list: real traffic fills a
//! few dozen of the histogram's buckets, and the worst case is bounded by them (some 700 KiB a window).

use super::counters::Delta;
use crate::plan::Quantile;
use crate::stats::{BUCKETS, upper_bound_us};
use std::collections::VecDeque;
use std::time::Duration;

/// Slots a window: it looks back on its length to within a sixtieth, never on more.
const SLOTS: u64 = 60;

/// What was counted over the last `length`.
#[derive(Debug, Clone)]
pub struct Window {
    length: Duration,
    /// Only slots in which something was counted, oldest first; at most [`SLOTS`].
    slots: VecDeque<Slot>,
    total: Delta,
    /// The durations of all slots, by bucket: `total` has none of its own.
    durations: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Slot widths from the clock's origin.
    number: u128,
    counted: Delta,
}

impl Window {
    /// Empty; `length` is above zero.
    pub fn new(length: Duration) -> Self {
        Self { length, slots: VecDeque::new(), total: Delta::default(), durations: vec![0; BUCKETS] }
    }

    /// How far it looks back.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Takes in what was counted since the last call and lets go of what is too old. `now` is monotonic.
    pub fn push(&mut self, delta: &Delta, now: Duration) {
        let number = now.as_nanos() * u128::from(SLOTS) / self.length.as_nanos().max(1);
        while self.slots.front().is_some_and(|slot| slot.number + u128::from(SLOTS) <= number) {
            let old = self.slots.pop_front().expect("there is a front").counted;
            self.total.subtract_counts(&old);
            old.durations.iter().for_each(|(bucket, count)| self.durations[usize::from(*bucket)] -= count);
        }
        if delta.is_empty() {
            return;
        }
        self.total.add_counts(delta);
        delta.durations.iter().for_each(|(bucket, count)| self.durations[usize::from(*bucket)] += count);
        match self.slots.back_mut() {
            Some(newest) if newest.number == number => newest.counted.merge(delta),
            _ => self.slots.push_back(Slot { number, counted: delta.clone() }),
        }
    }

    /// The counts of the window; its list of durations is empty (see [`quantile_bucket`](Self::quantile_bucket)).
    pub fn counts(&self) -> &Delta {
        &self.total
    }

    /// Failures over judged requests, 0 to 1; `None` without a request.
    pub fn error_rate(&self) -> Option<f64> {
        ratio(self.total.failed, self.total.judged)
    }

    /// The mean duration in microseconds; `None` without a request.
    pub fn mean_us(&self) -> Option<f64> {
        ratio(self.total.duration_sum_us, self.total.timed)
    }

    /// The histogram bucket that the quantile falls into: the lowest that at least that share of the requests do not
    /// exceed. `None` without a request.
    pub fn quantile_bucket(&self, quantile: Quantile) -> Option<usize> {
        let rank = (u128::from(quantile.milli_percent()) * u128::from(self.total.timed)).div_ceil(100_000);
        self.ranked_bucket(u64::try_from(rank).ok()?)
    }

    /// The bucket of the request with `rank` (from 1) among all durations in rising order.
    fn ranked_bucket(&self, rank: u64) -> Option<usize> {
        let mut seen = 0;
        self.durations.iter().position(|count| {
            seen += count;
            *count > 0 && seen >= rank
        })
    }

    /// The duration with `rank` (from 1) in rising order, in microseconds, as [`quantile_us`](Self::quantile_us) gives
    /// it.
    pub(super) fn ranked_us(&self, rank: u64) -> Option<u64> {
        self.ranked_bucket(rank).and_then(bound_us)
    }

    /// The quantile in microseconds, rounded up to its bucket's bound (a tenth too much at most); `None` without a
    /// request. What the histogram cannot tell from longer is given as the longest that it can.
    pub fn quantile_us(&self, quantile: Quantile) -> Option<u64> {
        self.quantile_bucket(quantile).and_then(bound_us)
    }
}

/// The longest duration of `bucket` that the histogram can tell from longer ones.
pub(super) fn bound_us(bucket: usize) -> Option<u64> {
    upper_bound_us(bucket.min(BUCKETS - 2))
}

/// `part / whole`; `None` when there is no whole.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts of a window are below 2^53")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::bucket_of;
    use proptest::prelude::*;

    fn requests(judged: u64, failed: u64, us: u64) -> Delta {
        Delta {
            requests: judged,
            judged,
            failed,
            timed: judged,
            duration_sum_us: judged * us,
            durations: vec![(u16::try_from(bucket_of(us)).unwrap(), judged)],
            ..Delta::default()
        }
    }

    fn p(milli_percent: u32) -> Quantile {
        Quantile::from_milli_percent(milli_percent).unwrap()
    }

    #[test]
    fn an_empty_window_has_no_values() {
        let window = Window::new(Duration::from_secs(60));
        assert_eq!((window.error_rate(), window.mean_us(), window.quantile_us(p(50_000))), (None, None, None));
    }

    #[test]
    fn a_quantile_is_the_lowest_duration_that_enough_requests_do_not_exceed() {
        let mut window = Window::new(Duration::from_secs(60));
        window.push(&requests(99, 0, 1_000), Duration::ZERO);
        window.push(&requests(1, 0, 500_000), Duration::ZERO);
        assert_eq!(window.quantile_us(p(50_000)), Some(1_000));
        assert_eq!(window.quantile_us(p(99_000)), Some(1_000), "99 of 100 are within it");
        assert_eq!(window.quantile_us(p(99_900)), Some(500_000));
    }

    #[test]
    fn the_rate_is_that_of_the_last_window_alone() {
        let mut window = Window::new(Duration::from_secs(60));
        window.push(&requests(10, 10, 1_000), Duration::from_secs(100));
        window.push(&requests(10, 0, 1_000), Duration::from_secs(130));
        assert_eq!(window.error_rate(), Some(0.5));
        window.push(&Delta::default(), Duration::from_secs(160));
        assert_eq!(window.error_rate(), Some(0.0));
        window.push(&Delta::default(), Duration::from_secs(1_000));
        assert_eq!((window.error_rate(), window.slots.len()), (None, 0));
    }

    proptest! {
        /// The running total is what the recent deltas add up to, and no more slots are kept than there are.
        #[test]
        fn the_total_is_the_sum_of_what_is_young_enough(
            ticks in proptest::collection::vec((0_u64..3_000, 0_u64..50, 1_u64..2_000_000), 1..200),
        ) {
            let length = Duration::from_secs(60);
            let (mut window, mut now, mut all) = (Window::new(length), Duration::ZERO, Vec::new());
            for (wait_ms, judged, us) in ticks {
                now += Duration::from_millis(wait_ms);
                let delta = requests(judged, judged / 2, us);
                window.push(&delta, now);
                all.push((now.as_secs(), delta));
            }
            // A slot is one second wide here.
            let young: Vec<_> = all.iter().filter(|(second, _)| second + SLOTS > now.as_secs()).collect();
            prop_assert_eq!(window.counts().judged, young.iter().map(|(_, d)| d.judged).sum::<u64>());
            prop_assert_eq!(window.counts().failed, young.iter().map(|(_, d)| d.failed).sum::<u64>());
            prop_assert_eq!(window.durations.iter().sum::<u64>(), window.counts().timed);
            prop_assert!(window.slots.len() <= usize::try_from(SLOTS).unwrap());
        }
    }
}
