//! How often each client asks: a token bucket for each, shared by all workers, without a lock.
//!
//! A bucket is one number, the moment at which it will be full again: a request moves that moment on by what a token
//! takes to come, and is too much when it would lie further away than an empty bucket's. (The generic cell rate algorithm,
//! ITU-T I.371.) So a bucket that is full need not be remembered, and the table has a fixed size: a client that comes to
//! a full set takes the place of the one whose bucket is, or will be, full first.

use super::ClientKey;
use crate::plan::RequestRate;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many clients are remembered: a table of 1 MiB, made when it is first needed.
const CLIENTS: usize = 65_536;
/// How many of them a client's place is looked for among.
const WAYS: usize = 8;

/// The clients' buckets.
#[derive(Debug)]
pub(in crate::proxy) struct Rates {
    sets: OnceLock<Box<[[Bucket; WAYS]]>>,
    /// Its keys are random: nobody can choose addresses that are in each other's way.
    hasher: RandomState,
    epoch: Instant,
}

/// Two workers that write here at the same moment lose a token at most, and only when a bucket changes hands.
#[derive(Debug, Default)]
struct Bucket {
    /// Whose it is, as a hash; 0 is nobody's.
    client: AtomicU64,
    /// When it will be full, in nanoseconds since the epoch.
    full_at: AtomicU64,
}

impl Default for Rates {
    fn default() -> Self {
        Self { sets: OnceLock::new(), hasher: RandomState::new(), epoch: Instant::now() }
    }
}

impl Rates {
    /// Takes a token out of `client`'s bucket.
    ///
    /// # Errors
    /// How long it takes until there is one.
    pub(in crate::proxy) fn take(&self, client: ClientKey, rate: RequestRate, now: Instant) -> Result<(), Duration> {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 2);
        let now = nanos(now.saturating_duration_since(self.epoch));
        self.bucket(client, now).take(nanos(rate.interval()), nanos(rate.to_fill()), now)
    }

    /// The bucket of `client`, which is a full one if it was forgotten.
    fn bucket(&self, client: ClientKey, now: u64) -> &Bucket {
        let sets = self.sets.get_or_init(|| (0..CLIENTS / WAYS).map(|_| <[Bucket; WAYS]>::default()).collect());
        let hash = self.hasher.hash_one(client).max(1);
        let set = &sets[usize::try_from(hash % sets.len() as u64).expect("below a length")];
        loop {
            if let Some(known) = set.iter().find(|bucket| bucket.client.load(Relaxed) == hash) {
                return known;
            }
            let first_full = set.iter().min_by_key(|bucket| bucket.full_at.load(Relaxed)).expect("a set is not empty");
            let before = first_full.client.load(Relaxed);
            // Another worker may have been here first, perhaps for the same client.
            if before != hash && first_full.client.compare_exchange(before, hash, Relaxed, Relaxed).is_ok() {
                if first_full.full_at.load(Relaxed) > now {
                    first_full.full_at.store(now, Relaxed);
                }
                return first_full;
            }
        }
    }
}

impl Bucket {
    /// Takes a token, of which one comes in each `interval` until, after `to_fill` from empty, there is no more room.
    fn take(&self, interval: u64, to_fill: u64, now: u64) -> Result<(), Duration> {
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            // A moment in the past is a full bucket; one too far away is from before the limit was changed.
            let from = full_at.clamp(now, now + to_fill);
            let (then, is_too_much) = (from + interval, from + interval > now + to_fill);
            let next = if is_too_much { from } else { then };
            match self.full_at.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) if is_too_much => return Err(Duration::from_nanos(then - now - to_fill)),
                Ok(_) => return Ok(()),
                Err(seen) => full_at = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(n: u32) -> ClientKey {
        ClientKey::of(std::net::Ipv4Addr::from_bits(n).into())
    }

    const fn rate(per_second: u32, burst: u32) -> RequestRate {
        RequestRate { per_second, burst }
    }

    #[test]
    fn a_burst_then_the_rate_and_whoever_waits_as_told_gets_a_token() {
        let (rates, rate) = (Rates::default(), rate(10, 3));
        let mut now = rates.epoch + Duration::from_secs(1);
        for _ in 0..3 {
            assert_eq!(rates.take(client(1), rate, now), Ok(()));
        }
        for _ in 0..5 {
            let wait = rates.take(client(1), rate, now).expect_err("the burst is over");
            assert_eq!(wait, Duration::from_millis(100));
            assert_eq!(rates.take(client(2), rate, now), Ok(()), "another client has its own");
            now += wait;
            assert_eq!(rates.take(client(1), rate, now), Ok(()));
        }
    }

    #[test]
    fn another_limit_counts_from_the_next_request_on() {
        let rates = Rates::default();
        let now = rates.epoch + Duration::from_secs(1);
        for _ in 0..60 {
            assert_eq!(rates.take(client(1), rate(1, 60), now), Ok(()));
        }
        assert_eq!(rates.take(client(1), rate(1, 60), now), Err(Duration::from_secs(1)));
        let fast = rate(1_000, 10);
        assert_eq!(rates.take(client(1), fast, now), Err(Duration::from_millis(1)), "and not in a minute");
        assert_eq!(rates.take(client(1), fast, now + Duration::from_millis(1)), Ok(()));
    }

    #[test]
    fn however_many_clients_there_are_the_table_stays_as_it_is_and_the_busy_ones_stay_in_it() {
        let (rates, rate) = (Rates::default(), rate(1, 2));
        let now = rates.epoch + Duration::from_secs(10);
        // Empty buckets, of which there are few, are kept; what comes and goes is full again before that.
        for n in 0..100 {
            assert!(rates.take(client(n), rate, now).is_ok() && rates.take(client(n), rate, now).is_ok());
        }
        let earlier = rates.epoch;
        for n in 1_000..1_000 + 3 * u32::try_from(CLIENTS).unwrap() {
            assert!(rates.take(client(n), rate, earlier).is_ok(), "{n}");
        }
        for n in 0..100 {
            assert!(rates.take(client(n), rate, now).is_err(), "{n} was forgotten");
        }
        assert_eq!(rates.sets.get().unwrap().len() * WAYS, CLIENTS);
    }

    #[test]
    fn workers_at_the_same_time_give_away_no_more_than_one() {
        let (rates, rate) = (Rates::default(), rate(1, 1_000));
        let now = rates.epoch;
        let given: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| rates.take(client(7), rate, now).is_ok()).count()))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!(given, 1_000);
    }

    proptest! {
        /// As a bucket that is counted in tokens.
        #[test]
        fn it_is_a_token_bucket(
            per_second in 1_u32..2_000, burst in 1_u32..50, gaps in proptest::collection::vec(0_u64..2_000_000, 1..200),
        ) {
            let (rates, rate) = (Rates::default(), rate(per_second, burst));
            let interval = u64::try_from(rate.interval().as_nanos()).unwrap();
            // What is in the bucket, in nanoseconds' worth of tokens.
            let (mut filled, mut now) = (interval * u64::from(burst), Duration::ZERO);
            for gap_us in gaps {
                now += Duration::from_micros(gap_us);
                filled = (filled + gap_us * 1_000).min(interval * u64::from(burst));
                let expected = filled.checked_sub(interval).ok_or(Duration::from_nanos(interval.saturating_sub(filled)));
                prop_assert_eq!(rates.take(client(1), rate, rates.epoch + now), expected.map(|_| ()));
                filled = expected.unwrap_or(filled);
            }
        }
    }
}
