//! From counters that only grow to what happened since the last tick.
//!
//! Workers write while this reads, and a request is several counters: its code may be seen a moment before its failure
//! is, or the other way round. Each counter by itself only grows, so no difference is ever negative; what is left is
//! that a tick's failures may belong to requests of the tick before or after. So:
//!
//! - failures above the tick's judged requests are not lost and not fed early, but kept for the next tick. In every
//!   delta `failed <= judged`, and over time each request and each failure is counted once;
//! - for durations the requests *are* the histogram's entries: a request is in one bucket or not there yet, so "slower
//!   than the limit, of so many" is always consistent. Those that their clients gave up are entries of a histogram of
//!   their own, and it is the same with them.

use crate::stats::Totals;

/// What was counted between two readings of one series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// All requests.
    pub requests: u64,
    /// Those whose client hung up: charged to nobody.
    pub aborted: u64,
    /// Those that count: all but the aborted ones.
    pub judged: u64,
    /// Those that failed; never more than `judged`.
    pub failed: u64,
    /// The requests in `durations`.
    pub timed: u64,
    /// Their durations added up, in microseconds.
    pub duration_sum_us: u64,
    /// The histogram buckets in which something was counted, in rising order, with the counts.
    pub durations: Vec<(u16, u64)>,
    /// The same of the aborted requests: how long they had taken when their clients hung up.
    pub abandoned: Vec<(u16, u64)>,
}

impl Delta {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Requests that took longer than `bucket`'s upper bound.
    pub fn slower_than(&self, bucket: usize) -> u64 {
        above(&self.durations, bucket)
    }

    /// Aborted requests that had taken longer than `bucket`'s upper bound: whatever they would have taken in the end,
    /// they were slower than that.
    pub fn abandoned_after(&self, bucket: usize) -> u64 {
        above(&self.abandoned, bucket)
    }

    /// Adds all of `other`'s numbers but those by bucket.
    pub(super) fn add_counts(&mut self, other: &Self) {
        for (mine, theirs) in self.counts_mut().into_iter().zip(other.counts()) {
            *mine += theirs;
        }
    }

    /// Takes away what [`add_counts`](Self::add_counts) added.
    pub(super) fn subtract_counts(&mut self, other: &Self) {
        for (mine, theirs) in self.counts_mut().into_iter().zip(other.counts()) {
            *mine -= theirs;
        }
    }

    /// Adds `other`, durations included.
    pub(super) fn merge(&mut self, other: &Self) {
        self.add_counts(other);
        add(&mut self.durations, &other.durations);
        add(&mut self.abandoned, &other.abandoned);
    }

    fn counts(&self) -> [u64; 6] {
        [self.requests, self.aborted, self.judged, self.failed, self.timed, self.duration_sum_us]
    }

    fn counts_mut(&mut self) -> [&mut u64; 6] {
        [
            &mut self.requests,
            &mut self.aborted,
            &mut self.judged,
            &mut self.failed,
            &mut self.timed,
            &mut self.duration_sum_us,
        ]
    }
}

/// What is counted in the buckets above `bucket`.
fn above(counts: &[(u16, u64)], bucket: usize) -> u64 {
    counts.iter().filter(|(b, _)| usize::from(*b) > bucket).map(|(_, count)| count).sum()
}

/// Adds `other` to `counts`, bucket by bucket.
fn add(counts: &mut Vec<(u16, u64)>, other: &[(u16, u64)]) {
    for &(bucket, count) in other {
        match counts.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(at) => counts[at].1 += count,
            Err(at) => counts.insert(at, (bucket, count)),
        }
    }
}

/// Remembers how far one series has been read.
#[derive(Debug, Clone)]
pub struct Reader {
    requests: u64,
    aborted: u64,
    /// Failures that have been given out; those still kept back are not in it.
    failed: u64,
    duration_sum_us: u64,
    durations: Vec<u64>,
    abandoned: Vec<u64>,
}

impl Reader {
    /// Begins at `totals`: what they hold is the past.
    pub fn new(totals: &Totals) -> Self {
        Self {
            requests: totals.requests(),
            aborted: totals.aborted(),
            failed: totals.failed(),
            duration_sum_us: totals.duration_sum_us,
            durations: totals.duration.clone(),
            abandoned: totals.abandoned.clone(),
        }
    }

    /// What `totals`, a later reading of the same series, has beyond the last one.
    pub fn read(&mut self, totals: &Totals) -> Delta {
        let requests = advance(&mut self.requests, totals.requests());
        let aborted = advance(&mut self.aborted, totals.aborted());
        let judged = requests.saturating_sub(aborted);
        let failed = totals.failed().saturating_sub(self.failed).min(judged);
        self.failed += failed;
        let durations = advance_each(&mut self.durations, &totals.duration);
        Delta {
            requests,
            aborted,
            judged,
            failed,
            timed: durations.iter().map(|(_, count)| count).sum(),
            duration_sum_us: advance(&mut self.duration_sum_us, totals.duration_sum_us),
            durations,
            abandoned: advance_each(&mut self.abandoned, &totals.abandoned),
        }
    }
}

/// Moves `seen` up to `total` and says by how much.
fn advance(seen: &mut u64, total: u64) -> u64 {
    let by = total.saturating_sub(*seen);
    *seen += by;
    by
}

/// The same bucket by bucket, without those that did not move.
fn advance_each(seen: &mut [u64], totals: &[u64]) -> Vec<(u16, u64)> {
    let moved = (0..).zip(seen.iter_mut().zip(totals)).map(|(bucket, (seen, total))| (bucket, advance(seen, *total)));
    moved.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Cause, Exchange, Shard, bucket_of};
    use std::sync::Arc;
    use std::time::Duration;

    fn exchange(code: u16, failure: Option<Cause>, ms: u64) -> Exchange {
        Exchange { code, failure, grpc: None, head: None, duration: Duration::from_millis(ms) }
    }

    fn totals(shard: &Shard) -> Totals {
        let mut totals = Totals::default();
        shard.add_to(&mut totals);
        totals
    }

    #[test]
    fn aborted_requests_are_counted_but_not_judged() {
        let shard = Shard::default();
        let mut reader = Reader::new(&totals(&shard));
        shard.record(&exchange(200, None, 1));
        shard.record(&exchange(503, Some(Cause::Status), 700));
        shard.record(&exchange(499, None, 9));
        let delta = reader.read(&totals(&shard));
        assert_eq!((delta.requests, delta.aborted, delta.judged, delta.failed, delta.timed), (3, 1, 2, 1, 2));
        assert_eq!((delta.slower_than(bucket_of(500_000)), delta.duration_sum_us), (1, 701_000));
        assert!(reader.read(&totals(&shard)).is_empty());
    }

    #[test]
    fn what_a_client_gave_up_was_slower_than_what_it_waited_for() {
        let shard = Shard::default();
        let mut reader = Reader::new(&totals(&shard));
        [9, 2_000, 2_000].iter().for_each(|ms| shard.record(&exchange(499, None, *ms)));
        let mut delta = reader.read(&totals(&shard));
        assert_eq!((delta.abandoned_after(bucket_of(500_000)), delta.abandoned_after(bucket_of(2_000_000))), (2, 0));
        assert_eq!((delta.timed, delta.slower_than(0), delta.duration_sum_us), (0, 0, 0));
        assert!(reader.read(&totals(&shard)).is_empty());
        delta.merge(&delta.clone());
        assert_eq!(delta.abandoned_after(bucket_of(500_000)), 4);
    }

    #[test]
    fn the_past_of_a_series_is_not_read_again() {
        let shard = Shard::default();
        shard.record(&exchange(500, Some(Cause::Status), 1));
        assert!(Reader::new(&totals(&shard)).read(&totals(&shard)).is_empty());
    }

    #[test]
    fn a_failure_seen_before_its_request_waits_for_it() {
        let (shard, without_the_failure) = (Shard::default(), Shard::default());
        let mut reader = Reader::new(&totals(&shard));
        // As a reader sees it that comes between the writer's two stores, and then after them.
        without_the_failure.record(&exchange(500, None, 1));
        shard.record(&exchange(500, Some(Cause::Status), 1));
        let early = reader.read(&totals(&without_the_failure));
        assert_eq!((early.judged, early.failed), (1, 0));
        let late = reader.read(&totals(&shard));
        assert_eq!((late.judged, late.failed), (0, 0), "kept back: there is no request to charge it to");
        shard.record(&exchange(200, None, 1));
        let next = reader.read(&totals(&shard));
        assert_eq!((next.judged, next.failed), (1, 1));
    }

    #[test]
    fn deltas_read_during_writes_are_consistent_and_add_up() {
        const REQUESTS: u64 = 100_000;
        let shard = Arc::new(Shard::default());
        let writer = std::thread::spawn({
            let shard = Arc::clone(&shard);
            move || (0..REQUESTS).for_each(|_| shard.record(&exchange(500, Some(Cause::Status), 1)))
        });
        let (mut reader, mut judged, mut failed) = (Reader::new(&Totals::default()), 0, 0);
        let mut read = || {
            let delta = reader.read(&totals(&shard));
            assert!(delta.failed <= delta.judged);
            judged += delta.judged;
            failed += delta.failed;
        };
        while !writer.is_finished() {
            read();
        }
        writer.join().unwrap();
        read();
        assert_eq!(judged, REQUESTS);
        assert!(failed == REQUESTS || failed == REQUESTS - 1, "one may wait for a next request: {failed}");
    }
}
