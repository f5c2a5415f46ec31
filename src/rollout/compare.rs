//! Whether the canary goes wrong more often than stable allows, as one number that may be looked at any time.
//!
//! The null hypothesis is that the canary's probability is at most `g` of stable's: as much, so many times as much, or
//! so much more. Its measure of evidence is universal inference's (Wasserman, Ramdas and Balakrishnan, "Universal
//! inference", PNAS 2020, in its sequential form):
//!
//! ```text
//! E = mixture(canary's counts) * mixture(stable's counts) / the highest likelihood that the null gives to all counts
//! ```
//!
//! where a mixture averages the likelihood over a Beta distribution, fixed beforehand. Whatever the true pair of
//! probabilities in the null is, the denominator is at least its likelihood, so `E` is at most a likelihood ratio whose
//! expectation is 1 at any stopping time: `E >= 1 / alpha` ever happens with a probability of at most `alpha` (Ville).
//! Why this one: a z-test and Fisher's test are valid for one look, and we look ten times a second; betting scores for
//! 2x2 tables (Turner, Ly and Grünwald, 2024) want blocks of fixed sizes, and the split here is whatever came; and a
//! ratio or a difference changes nothing but `g`. Its price is some requests more than the best test of each one case.
//!
//! The distributions are where a guess costs power and never validity. The canary's is Jeffreys' (1/2, 1/2): it may be
//! anything. Stable's leans to "hardly ever" (1/10, 1/2): it is what has served until now. A dead canary then needs the
//! same five requests at half of the traffic that it needs where stable is beyond doubt.
//!
//! **What is assumed**: that over the counted requests each version's probability stays what it is, or moves for both
//! at once while the split between them stays. A split that moves together with the probabilities would blame whoever
//! got its traffic late; that is why all counts begin anew when the split moves (see [`Guard::resplit`](super::Guard)).

use super::chance::{ln_likelihood, ln_mixture};
use super::tally::{Pair, Tally, float};

const CANARY: (f64, f64) = (0.5, 0.5);
const STABLE: (f64, f64) = (0.1, 0.5);

/// Halvings of the interval in which the null's best probability lies: as exact as the numbers are.
const HALVINGS: u32 = 52;

/// How much more often than stable the canary may go wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Allowance {
    /// So many times as often; at least 1.
    Times(f64),
    /// So much more often; at least 0, below 1.
    Above(f64),
}

impl Allowance {
    /// What the canary is allowed when stable's probability is `stable`.
    pub(super) fn of(self, stable: f64) -> f64 {
        match self {
            Self::Times(times) => (times * stable).min(1.0),
            Self::Above(more) => (stable + more).min(1.0),
        }
    }

    /// At which of stable's probabilities it is `canary`.
    fn inverse(self, canary: f64) -> f64 {
        match self {
            Self::Times(times) => canary / times,
            Self::Above(more) => canary - more,
        }
    }

    fn slope(self) -> f64 {
        match self {
            Self::Times(times) => times,
            Self::Above(_) => 1.0,
        }
    }
}

/// `ln E` of the counts: at most 0 when they are within the allowance.
pub(super) fn log_evidence(pair: &Pair, allowance: Allowance) -> f64 {
    let mixtures = ln_mixture(pair.canary, CANARY.0, CANARY.1) + ln_mixture(pair.stable, STABLE.0, STABLE.1);
    mixtures - highest_in_the_null(pair, allowance)
}

/// The highest log-likelihood of any pair of probabilities that keeps to the allowance.
fn highest_in_the_null(pair: &Pair, allowance: Allowance) -> f64 {
    let (Some(canary), Some(stable)) = (pair.canary.share(), pair.stable.share()) else {
        // One of them is free to be what suits the other's best.
        let best = |tally: Tally| tally.share().map_or(0.0, |share| ln_likelihood(tally, share));
        return best(pair.canary) + best(pair.stable);
    };
    if canary <= allowance.of(stable) {
        return ln_likelihood(pair.canary, canary) + ln_likelihood(pair.stable, stable);
    }
    // The likelihood is concave and its peak lies outside, so the highest is where the canary has all that it is
    // allowed: above stable's own peak, and below where the canary would have its own.
    let (mut low, mut high) = (stable, allowance.inverse(canary));
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if rises(pair, allowance, middle) { low = middle } else { high = middle }
    }
    let p = f64::midpoint(low, high);
    ln_likelihood(pair.canary, allowance.of(p)) + ln_likelihood(pair.stable, p)
}

/// Whether the likelihood along the null's edge still rises at `p`.
fn rises(pair: &Pair, allowance: Allowance, p: f64) -> bool {
    let part = |count: u64, p: f64| if count > 0 { float(count) / p } else { 0.0 };
    let slope = |tally: Tally, p: f64| part(tally.wrong, p) - part(tally.of - tally.wrong, 1.0 - p);
    allowance.slope() * slope(pair.canary, allowance.of(p)) + slope(pair.stable, p) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn allowances() -> impl Strategy<Value = Allowance> {
        prop_oneof![(1.0..5.0).prop_map(Allowance::Times), (0.0..0.5).prop_map(Allowance::Above)]
    }

    fn tallies() -> impl Strategy<Value = Tally> {
        (0_u64..500).prop_flat_map(|of| (0..=of).prop_map(move |wrong| Tally { wrong, of }))
    }

    proptest! {
        /// Against a fine grid over the whole null, not only its edge.
        #[test]
        fn nothing_in_the_null_is_likelier_than_the_highest(
            canary in tallies(), stable in tallies(), allowance in allowances(),
        ) {
            let pair = Pair { canary, stable };
            let (highest, mut found) = (highest_in_the_null(&pair, allowance), f64::NEG_INFINITY);
            for i in 1..400_u32 {
                let p = f64::from(i) / 400.0;
                let own = canary.share().unwrap_or(p).min(allowance.of(p)).clamp(1e-12, 1.0 - 1e-12);
                found = found.max(ln_likelihood(canary, own) + ln_likelihood(stable, p));
            }
            prop_assert!(found <= highest + 1e-6 + highest.abs() * 1e-9, "{found} {highest}");
            prop_assert!(highest <= 1e-9 && log_evidence(&pair, allowance).is_finite());
        }

        #[test]
        fn what_is_within_the_allowance_is_no_evidence(canary in tallies(), stable in tallies(), a in allowances()) {
            let within = canary.share().zip(stable.share()).is_none_or(|(c, s)| c <= a.of(s));
            prop_assume!(within);
            let evidence = log_evidence(&Pair { canary, stable }, a);
            prop_assert!(evidence <= 1e-9);
        }
    }

    /// At the null's edge, looked at after every fourth request of 800, at a level of 1 in 20: what is promised is that
    /// at most one run in twenty is ever taken for worse.
    #[test]
    fn the_error_rate_is_kept_however_often_anybody_looks() {
        let mut rng = StdRng::seed_from_u64(11);
        println!("allowance          stable   share   false alarms of 200 (10 allowed)");
        for allowance in [Allowance::Times(1.0), Allowance::Times(2.0), Allowance::Above(0.01)] {
            for (stable, share) in [(0.05, 0.1), (0.05, 0.5), (0.3, 0.9)] {
                let worse = (0..200).filter(|_| ever(&mut rng, allowance.of(stable), stable, share, allowance)).count();
                println!("{:<16} {stable:>8} {share:>7} {worse:>7}", format!("{allowance:?}"));
                assert!(worse <= 10, "{allowance:?} {stable} {share}: {worse}");
            }
        }
    }

    fn ever(rng: &mut StdRng, canary: f64, stable: f64, share: f64, allowance: Allowance) -> bool {
        let mut pair = Pair::default();
        (0..200).any(|_| {
            for _ in 0..4 {
                let (side, p) =
                    if rng.random_bool(share) { (&mut pair.canary, canary) } else { (&mut pair.stable, stable) };
                *side += Tally { wrong: u64::from(rng.random_bool(p)), of: 1 };
            }
            log_evidence(&pair, allowance) >= 20_f64.ln()
        })
    }
}
