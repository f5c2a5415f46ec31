//! When a request is tried again, in `HTTPRoute`'s words (GEP-1731), and how long is waited before.

use std::time::Duration;

/// What a rule says of trying a request again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many times at most, the first try not counted; at least 1. Default 1.
    pub attempts: u32,
    /// Responses that are not passed on but tried again, beside what gives no response at all. Default none.
    pub codes: ErrorCodes,
    /// The least wait before the next try. Default 25 ms.
    pub backoff: Duration,
    /// From the start of a try to its response's head; where the client is still sending, from the end of that. Default
    /// `None`.
    pub per_try_timeout: Option<Duration>,
}

/// Status codes of 400 to 599.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorCodes([u64; 4]);

impl Retry {
    /// What [`wait`](Self::wait) gives at most, in backoffs.
    const MOST_BACKOFFS: u32 = 10;

    /// How long to wait before a request is tried again for the `again`th time, counted from 1. `random` is drawn evenly
    /// from all of `u64`.
    ///
    /// Never less than the backoff, which GEP-1731 calls a minimum; above it at random, so that those who failed together
    /// do not come back together, up to a bound that doubles each time and ends at ten backoffs.
    pub fn wait(&self, again: u32, random: u64) -> Duration {
        let most = 2_u32.saturating_pow(again).min(Self::MOST_BACKOFFS);
        let spread = self.backoff.as_nanos() * u128::from(most - 1);
        // Backoffs are minutes at most: 2^41 nanoseconds times 9 leaves room for 64 bits more.
        let part = (spread * u128::from(random)) >> 64;
        self.backoff + Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

impl ErrorCodes {
    /// The codes that can be in it.
    pub const RANGE: std::ops::RangeInclusive<u16> = 400..=599;

    /// Puts in a code of the [`RANGE`](Self::RANGE); others are left out.
    pub fn insert(&mut self, code: u16) {
        if let Some((word, bit)) = Self::place(code) {
            self.0[word] |= bit;
        }
    }

    /// Whether this code is one of them.
    pub fn contains(&self, code: u16) -> bool {
        Self::place(code).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    /// The codes, rising.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        Self::RANGE.filter(|code| self.contains(*code))
    }

    fn place(code: u16) -> Option<(usize, u64)> {
        let index = Self::RANGE.contains(&code).then(|| usize::from(code - Self::RANGE.start()))?;
        Some((index / 64, 1 << (index % 64)))
    }
}

impl FromIterator<u16> for ErrorCodes {
    fn from_iter<I: IntoIterator<Item = u16>>(codes: I) -> Self {
        let mut set = Self::default();
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn retry(backoff: Duration) -> Retry {
        Retry { attempts: 1, codes: ErrorCodes::default(), backoff, per_try_timeout: None }
    }

    proptest! {
        #[test]
        fn a_set_of_codes_has_what_was_put_in(codes in proptest::collection::btree_set(400_u16..600, 0..20), other: u16) {
            let set: ErrorCodes = codes.iter().copied().collect();
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), codes.clone());
            prop_assert_eq!(set.contains(other), codes.contains(&other));
        }

        #[test]
        fn a_wait_is_no_less_than_the_backoff_and_no_more_than_doubles_or_ten_of_them(
            millis in 1_u64..60_000, again in 1_u32..100, random: u64,
        ) {
            let backoff = Duration::from_millis(millis);
            let wait = retry(backoff).wait(again, random);
            let most = backoff * 2_u32.saturating_pow(again).min(10);
            prop_assert!(backoff <= wait && wait <= most, "{:?}", wait);
        }
    }

    #[test]
    fn waits_are_spread_over_all_that_is_allowed() {
        let wait = |again, random| retry(Duration::from_millis(100)).wait(again, random).as_millis();
        assert_eq!((wait(1, 0), wait(1, u64::MAX / 2), wait(1, u64::MAX)), (100, 149, 199));
        assert_eq!((wait(2, u64::MAX), wait(3, u64::MAX), wait(4, u64::MAX), wait(9, u64::MAX)), (399, 799, 999, 999));
    }
}
