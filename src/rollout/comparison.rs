//! Tells a canary that goes wrong too often *for where stable stands* from one that has bad luck.
//!
//! [`compare`](super::compare) has the test, and why it is that one; it holds from a start that is chosen beforehand.
//! A fault that begins after hours of good requests would have to outweigh them, so there is an e-detector around it
//! (Shin, Ramdas and Rinaldo, 2023, in its Shiryaev-Roberts form): at each tick with requests of the canary's another
//! test starts, and the alarm is raised when the sum of their `E`s reaches `1 / alpha`. **What is promised**: while the
//! canary keeps to its allowance, the sum's expectation is at most the number of starts at any stopping time, hence
//! there are at least `1 / alpha` ticks with requests, and all the more requests, to a false alarm on average.
//!
//! Only [`STARTS`] of the tests are kept, spread so that the ages of neighbours have about the same ratio: there is
//! always one that began shortly before a fault, whenever that was. Fewer terms make a smaller sum, so the promise
//! stands, and a tick costs the same for ever.
//!
//! When stable gets no requests any more (the canary has all of the traffic), tests that start from then on begin with
//! what stable did last: counts of the past, which what the canary does next cannot have chosen. What is assumed
//! then, and only then, is that stable would still be what it was; and the promise is an average over what those
//! counts might have been, since all tests share them.

use super::compare::{Allowance, log_evidence};
use super::tally::{Pair, Tally, float};

/// Tests at a time.
const STARTS: usize = 24;

/// Compares the canary with stable, from many starts at once.
#[derive(Debug, Clone)]
pub(super) struct Comparing {
    allowance: Allowance,
    /// `ln(1 / alpha)`.
    alarm_level: f64,
    /// Oldest first; each with the number of the tick at which it started.
    starts: Vec<(u64, Pair)>,
    ticks: u64,
    /// Whether stable is to get any requests at all.
    accompanied: bool,
    /// `ln` of the sum of all `E`s.
    log_sum: f64,
}

impl Comparing {
    /// Has seen nothing yet; `alpha` is above 0 and below 1.
    pub(super) fn new(allowance: Allowance, alpha: f64) -> Self {
        let alarm_level = -alpha.ln();
        Self { allowance, alarm_level, starts: Vec::new(), ticks: 0, accompanied: true, log_sum: f64::NEG_INFINITY }
    }

    /// Takes in what both versions did in one tick; `last` is what stable did while it last had traffic.
    pub(super) fn take(&mut self, tick: Pair, last: Tally) {
        if tick.is_empty() {
            return;
        }
        if tick.canary.of > 0 {
            let stable = if self.accompanied { Tally::default() } else { last };
            self.starts.push((self.ticks, Pair { canary: Tally::default(), stable }));
            self.ticks += 1;
        }
        self.starts.iter_mut().for_each(|(_, pair)| *pair += tick);
        if self.starts.len() > STARTS {
            self.starts.remove(self.most_crowded());
        }
        let logs: Vec<f64> = self.starts.iter().map(|(_, pair)| log_evidence(pair, self.allowance)).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Nothing to compare is no evidence, and not "infinity less infinity".
        let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
        self.log_sum = if largest.is_finite() { largest + sum.ln() } else { f64::NEG_INFINITY };
    }

    /// The one, neither first nor last, whose neighbours' ages are the closest.
    fn most_crowded(&self) -> usize {
        let age = |index: usize| self.ticks - self.starts[index].0;
        // older / younger: the ratio that would be left; compared crosswise, without a division.
        let ratio = |index: usize| (u128::from(age(index - 1)), u128::from(age(index + 1)));
        let closer = |a: &usize, b: &usize| {
            let ((older_a, younger_a), (older_b, younger_b)) = (ratio(*a), ratio(*b));
            (older_a * younger_b).cmp(&(older_b * younger_a))
        };
        (1..self.starts.len() - 1).min_by(closer).unwrap_or(0)
    }

    /// The evidence over the level of an alarm, both as logarithms: 0 is none (the mean of the `E`s is 1), 1 is an
    /// alarm.
    pub(super) fn evidence(&self) -> f64 {
        let none = float(self.starts.len().max(1) as u64).ln();
        ((self.log_sum - none) / (self.alarm_level - none).max(f64::MIN_POSITIVE)).max(0.0)
    }

    /// Whether the evidence is enough.
    pub(super) fn alarmed(&self) -> bool {
        self.log_sum >= self.alarm_level
    }

    /// Compares from here on: the split moved, or another version stands where stable was. `share` is the canary's of
    /// what the two get together.
    pub(super) fn compare_anew(&mut self, share: f64) {
        self.accompanied = share < 1.0;
        self.starts.clear();
        self.log_sum = f64::NEG_INFINITY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn pair(canary: (u64, u64), stable: (u64, u64)) -> Pair {
        let tally = |(wrong, of)| Tally { wrong, of };
        Pair { canary: tally(canary), stable: tally(stable) }
    }

    #[test]
    fn starts_stay_few_and_reach_from_the_last_tick_to_the_first() {
        let mut comparing = Comparing::new(Allowance::Times(2.0), 1e-5);
        for _ in 0..1_000 {
            comparing.take(pair((0, 1), (0, 9)), Tally::default());
        }
        let ages: Vec<u64> = comparing.starts.iter().map(|(at, _)| comparing.ticks - at).collect();
        assert_eq!((ages.len(), ages[0], ages[ages.len() - 1]), (STARTS, 1_000, 1));
        let gap = ages.windows(2).map(|two| float(two[0]) / float(two[1])).fold(0.0, f64::max);
        assert!(gap <= 4.0, "{ages:?}");
    }

    #[test]
    fn a_good_past_does_not_hide_a_fault() {
        let mut comparing = Comparing::new(Allowance::Times(2.0), 1e-5);
        for _ in 0..500 {
            comparing.take(pair((1, 100), (9, 900)), Tally::default());
        }
        assert!(!comparing.alarmed() && comparing.evidence() < 0.2, "{}", comparing.evidence());
        let ticks = (1..=20).find(|_| {
            comparing.take(pair((3, 10), (1, 90)), Tally::default());
            comparing.alarmed()
        });
        assert!(ticks.is_some_and(|ticks| ticks <= 8), "{ticks:?}");
    }

    #[test]
    fn stables_last_counts_stand_in_for_it_only_when_it_gets_nothing() {
        let last = Tally { wrong: 1, of: 1_000 };
        for (share, alarmed) in [(0.5, false), (1.0, true)] {
            let mut comparing = Comparing::new(Allowance::Times(2.0), 1e-5);
            comparing.compare_anew(share);
            comparing.take(pair((8, 8), (0, 0)), last);
            assert_eq!(comparing.alarmed(), alarmed);
        }
    }

    /// At the null's edge, with an `alpha` that can be waited for.
    #[test]
    fn at_the_edge_the_average_run_length_is_at_least_one_over_alpha() {
        const MOST: u64 = 400;
        let mut rng = StdRng::seed_from_u64(41);
        for (allowance, stable) in [(Allowance::Times(2.0), 0.1), (Allowance::Above(0.05), 0.05)] {
            let run = |rng: &mut StdRng| {
                let mut comparing = Comparing::new(allowance, 0.01);
                (1..=MOST).find(|_| {
                    let wrong = |rng: &mut StdRng, p| u64::from(rng.random_bool(p)) + u64::from(rng.random_bool(p));
                    let canary = (wrong(rng, allowance.of(stable)), 2);
                    comparing.take(pair(canary, (wrong(rng, stable), 2)), Tally::default());
                    comparing.alarmed()
                })
            };
            let mean = (0..10).map(|_| run(&mut rng).unwrap_or(MOST)).sum::<u64>() / 10;
            assert!(mean >= 100, "{allowance:?}: {mean}");
        }
    }
}
