//! How sure a mean duration is.
//!
//! A mean has no probability to test, and one request of thirty seconds lifts the mean of fifty. So a mean over its
//! limit is a breach only when its lower confidence bound is over it too: the mean less [`errors`] standard errors. The
//! standard error is taken between ticks and not between requests (the cluster-robust one of a ratio, as in Cochran,
//! "Sampling Techniques", 1977, chapter 6): what was slow together, because one pause held it up, is one event. It
//! comes from sums over ticks that are whole numbers.
//!
//! **What is stated**: with `sqrt(2 ln(1 / alpha))` standard errors (4.8 at 1e-5) a mean that is at its limit is taken
//! for more with a probability of at most `alpha` a look, by the bound on self-normalised sums of symmetric terms
//! (Efron, 1969). Durations are skewed to the right, where the bound errs to the safe side: the slow ticks that lift a
//! mean lift its error as well. It is no promise at any stopping time: whoever wants that limits a quantile.

use crate::rollout::tally::float;
use std::ops::AddAssign;

/// Ticks with requests that it takes to know how much they differ.
const LEAST_TICKS: u64 = 10;

/// The durations of some ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Durations {
    /// Ticks with requests.
    ticks: u64,
    requests: u64,
    /// Microseconds.
    sum: u64,
    /// Over ticks: the sum squared, the sum times the requests, the requests squared.
    squares: [u128; 3],
}

impl Durations {
    /// A tick's; `None` without a request.
    pub(super) fn of_tick(requests: u64, sum: u64) -> Option<Self> {
        let (n, s) = (u128::from(requests), u128::from(sum));
        (requests > 0).then_some(Self { ticks: 1, requests, sum, squares: [s * s, s * n, n * n] })
    }

    /// Microseconds; `None` without a request.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| float(self.sum) / float(self.requests))
    }

    /// The mean of the first of each pair, weighted by the requests of the second: what the one's mean would be if it
    /// had had its requests when the other had. `None` when they had none at the same time.
    pub(super) fn mean_as_met<'a>(pairs: impl Iterator<Item = (&'a Self, &'a Self)>) -> Option<f64> {
        let means = pairs.filter_map(|(mine, met)| Some((mine.mean()?, float(met.requests))));
        let (sum, of) = means.fold((0.0, 0.0), |(sum, of), (mean, weight)| (sum + mean * weight, of + weight));
        (of > 0.0).then(|| sum / of)
    }

    /// The mean less as many standard errors as leave chance a probability of `alpha`; `None` with too few ticks.
    pub(super) fn at_least(&self, alpha: f64) -> Option<f64> {
        let mean = self.mean().filter(|_| self.ticks >= LEAST_TICKS)?;
        let [sums, products, counts] = self.squares.map(wide);
        let ticks = float(self.ticks);
        // The sum over ticks of (sum - mean * requests)^2, multiplied out.
        let scatter = (sums - 2.0 * mean * products + mean * mean * counts).max(0.0);
        let error = (scatter * ticks / (ticks - 1.0)).sqrt() / float(self.requests);
        Some(mean - (2.0 * -alpha.ln()).sqrt() * error)
    }
}

impl AddAssign for Durations {
    fn add_assign(&mut self, other: Self) {
        self.ticks += other.ticks;
        self.requests += other.requests;
        self.sum += other.sum;
        for (mine, theirs) in self.squares.iter_mut().zip(other.squares) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a standard error needs no more than its first digits")]
fn wide(square: u128) -> f64 {
    square as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(all: &[(u64, u64)]) -> Durations {
        all.iter().filter_map(|(n, sum)| Durations::of_tick(*n, *sum)).fold(Durations::default(), |mut total, tick| {
            total += tick;
            total
        })
    }

    #[test]
    fn ticks_that_are_all_alike_leave_no_doubt_and_few_of_them_say_nothing() {
        assert_eq!(ticks(&[(5, 500); 10]).at_least(1e-5), Some(100.0));
        assert_eq!(ticks(&[(5, 500); 9]).at_least(1e-5), None);
        assert_eq!(ticks(&[]).mean(), None);
    }

    #[test]
    fn a_mean_as_met_is_weighted_by_who_met_it() {
        let (fast, slow, few, many) = (ticks(&[(100, 1_000)]), ticks(&[(1, 100)]), ticks(&[(1, 1)]), ticks(&[(9, 9)]));
        assert_eq!(Durations::mean_as_met([(&fast, &few), (&slow, &many)].into_iter()), Some(91.0));
        assert_eq!(Durations::mean_as_met([(&ticks(&[]), &many)].into_iter()), None);
    }

    #[test]
    fn one_slow_tick_makes_the_mean_unsure_and_not_the_limit_broken() {
        let mut all = [(5, 500); 50];
        all[7] = (5, 5_000_000);
        let durations = ticks(&all);
        assert!(durations.mean().unwrap() > 20_000.0);
        assert!(durations.at_least(1e-5).unwrap() < 0.0);
    }
}
