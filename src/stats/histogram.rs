//! Durations in log-linear buckets, base ten, two significant digits.
//!
//! The layout is Circllhist's (Hartmann and Schlossnagle, 2020): every boundary is a number of two significant digits
//! of microseconds. So the limits that people write (`500ms`, `1.2s`) and the boundaries that Prometheus users expect
//! (0.005, 0.25, 2.5) fall between two buckets and are counted exactly, and any quantile is off by a tenth at most.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// 1 to 100 microseconds one by one, then 90 buckets a decade up to 1,000 s, then everything longer.
pub const BUCKETS: usize = 100 + 90 * DECADES + 1;
const DECADES: usize = 7;

/// A histogram with one writer.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]), sum_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration. For the one writer.
    pub fn record(&self, duration: Duration) {
        let us = whole_us(duration);
        increase(&self.buckets[bucket_of(us)], 1);
        increase(&self.sum_us, us);
    }

    /// The count of bucket `index`, below [`BUCKETS`].
    pub fn count(&self, index: usize) -> u64 {
        self.buckets[index].load(Relaxed)
    }

    /// All durations added up, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

/// Adds to a counter that only the calling thread writes: no locked instruction is needed for that.
pub(super) fn increase(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Whole microseconds, rounded up, so that a duration never counts as shorter than it was.
fn whole_us(duration: Duration) -> u64 {
    // In two parts, since a division of 128 bits is a slow one.
    let parts = u64::from(duration.subsec_nanos().div_ceil(1_000));
    duration.as_secs().saturating_mul(1_000_000).saturating_add(parts)
}

/// The bucket of a duration of `us` whole microseconds. A bucket has its upper bound in it and not its lower, as
/// Prometheus's `le` has.
pub fn bucket_of(us: u64) -> usize {
    let mut scaled = us.saturating_sub(1);
    if scaled < 100 {
        return usize::try_from(scaled).expect("below 100");
    }
    let mut decade = 0;
    while scaled >= 100 {
        scaled /= 10;
        decade += 1;
    }
    if decade > DECADES {
        return BUCKETS - 1;
    }
    100 + 90 * (decade - 1) + usize::try_from(scaled - 10).expect("below 90")
}

/// The longest duration of bucket `index`, in microseconds; `None` for the last one, which has no end.
pub fn upper_bound_us(index: usize) -> Option<u64> {
    if index < 100 {
        return Some(index as u64 + 1);
    }
    let (decade, step) = ((index - 100) / 90, (index - 100) % 90);
    (index < BUCKETS - 1).then(|| (step as u64 + 11) * 10_u64.pow(u32::try_from(decade).expect("below 7") + 1))
}

/// Whether `duration` is the upper bound of a bucket: what lasts longer can then be counted exactly.
pub fn is_boundary(duration: Duration) -> bool {
    duration.subsec_nanos().is_multiple_of(1_000)
        && u64::try_from(duration.as_micros()).is_ok_and(|us| us > 0 && upper_bound_us(bucket_of(us)) == Some(us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bounds_that_people_write_are_boundaries() {
        for text_us in [1, 99, 100, 110, 1_000, 5_000, 25_000, 250_000, 500_000, 1_200_000, 2_500_000, 60_000_000] {
            assert!(is_boundary(Duration::from_micros(text_us)), "{text_us}");
        }
        assert!(!is_boundary(Duration::from_micros(1_234_000)));
        assert!(!is_boundary(Duration::ZERO));
        assert!(!is_boundary(Duration::from_nanos(1_500)));
    }

    proptest! {
        #[test]
        fn a_duration_counts_as_its_microseconds_rounded_up(seconds in 0..u64::MAX / 1_000_001, nanos in 0_u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanos);
            prop_assert_eq!(u128::from(whole_us(duration)), duration.as_nanos().div_ceil(1_000));
        }
    }

    #[test]
    fn a_duration_of_any_length_has_a_bucket() {
        let histogram = Histogram::default();
        for duration in [Duration::ZERO, Duration::from_secs(1_000), Duration::from_secs(1_001), Duration::MAX] {
            histogram.record(duration);
        }
        assert_eq!((0..BUCKETS).map(|i| histogram.count(i)).sum::<u64>(), 4);
        assert_eq!(histogram.count(BUCKETS - 1), 2);
    }

    proptest! {
        #[test]
        fn a_bucket_ends_where_the_next_begins(us in 1_u64..=1_000_000_000) {
            let bucket = bucket_of(us);
            let upper = upper_bound_us(bucket).unwrap();
            prop_assert!(us <= upper);
            prop_assert!(bucket == 0 || us > upper_bound_us(bucket - 1).unwrap());
            prop_assert!(us < 100 || upper - us <= us / 10 + 1, "off by at most a tenth");
        }
    }
}
