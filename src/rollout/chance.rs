//! How far chance goes: the few closed forms that the tests of this room are made of.
//!
//! All of it is about yes and no ("a request went wrong"), so all of it is binomial. Everything is in natural
//! logarithms, where nothing overflows, and takes the same time whatever the counts are.

use super::tally::{Tally, float};

/// `p ln(p / q)`, continued to `p = 0`.
fn relative(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q).ln() } else { 0.0 }
}

/// The Kullback-Leibler divergence of a coin of `q` from one of `p`, in nats a throw.
fn divergence(p: f64, q: f64) -> f64 {
    relative(p, q) + relative(1.0 - p, 1.0 - q)
}

/// How strongly `tally` speaks against a probability of `p0` or less, in nats; 0 when its share is not above `p0`.
///
/// By Chernoff's bound (1952) so many or more wrong ones have a probability of at most `exp` of minus this. That is
/// about one look, at a number of requests that nobody chose by what was seen.
pub(super) fn excess(tally: Tally, p0: f64) -> f64 {
    match tally.share() {
        Some(share) if share > p0 => float(tally.of) * divergence(share, p0),
        _ => 0.0,
    }
}

/// The rank (from 1, in rising order) of the one of `of` values that the quantile `share` does not exceed, but with a
/// probability of `exp(-nats)`; `None` when there are too few values to say.
///
/// The quantile is above the value of that rank only when at least `rank` of the values fell below the quantile, where
/// each falls with a probability of `share` at most: Chernoff's bound again, whatever the values' distribution is.
pub(super) fn rank_above(share: f64, of: u64, nats: f64) -> Option<u64> {
    let surely = |rank: u64| excess(Tally { wrong: rank, of }, share) >= nats;
    if of == 0 || !surely(of) {
        return None;
    }
    let (mut below, mut above) = (0, of);
    while above - below > 1 {
        let middle = below.midpoint(above);
        if surely(middle) { above = middle } else { below = middle }
    }
    Some(above)
}

/// The log-likelihood of `tally`, in the order in which it came, when each goes wrong with probability `p`.
pub(super) fn ln_likelihood(tally: Tally, p: f64) -> f64 {
    let part = |count: u64, p: f64| if count > 0 { float(count) * p.ln() } else { 0.0 };
    part(tally.wrong, p) + part(tally.of - tally.wrong, 1.0 - p)
}

/// The same, averaged over all probabilities as the Beta distribution of `wrong` and `right` weighs them.
pub(super) fn ln_mixture(tally: Tally, wrong: f64, right: f64) -> f64 {
    let (k, n) = (float(tally.wrong), float(tally.of));
    ln_beta(k + wrong, n - k + right) - ln_beta(wrong, right)
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// `ln Γ(x)` for `x` above 0, to twelve digits or so: Stirling's series (Abramowitz and Stegun, 1964, 6.1.41), where
/// needed after `Γ(x) = Γ(x + n) / (x (x + 1) ... (x + n - 1))`.
fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1_260.0 - 1.0 / (1_680.0 * square)) / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_logarithm_of_a_factorial_is_the_sum_of_logarithms() {
        let mut sum = 0.0;
        for n in 1..200_u32 {
            sum += f64::from(n).ln();
            assert!((ln_gamma(f64::from(n) + 1.0) - sum).abs() < 1e-10 * sum.max(1.0), "{n}");
        }
        assert!((ln_gamma(0.5) - 0.5 * std::f64::consts::PI.ln()).abs() < 1e-12);
        assert!((ln_gamma(0.1) - 2.252_712_651_734_206).abs() < 1e-12);
    }

    /// One more outcome multiplies the averaged likelihood by what was to be expected of it.
    #[test]
    fn a_mixture_is_the_product_of_its_predictions() {
        let (mut wrong, mut product) = (0, 0.0_f64);
        for n in 0..50_u64 {
            let next_wrong = n % 3 == 0;
            let expected = (float(wrong) + 0.5) / (float(n) + 1.0);
            product += if next_wrong { expected.ln() } else { (1.0 - expected).ln() };
            wrong += u64::from(next_wrong);
            assert!((ln_mixture(Tally { wrong, of: n + 1 }, 0.5, 0.5) - product).abs() < 1e-10);
        }
    }

    /// Of `n` throws, the probability of `k` hits or more.
    fn tail(n: u64, k: u64, p: f64) -> f64 {
        let ways = |i: u64| -ln_beta(float(i) + 1.0, float(n - i) + 1.0) - float(n + 1).ln();
        (k..=n).map(|i| (ways(i) + ln_likelihood(Tally { wrong: i, of: n }, p)).exp()).sum()
    }

    proptest! {
        #[test]
        fn no_tail_is_above_chernoffs_bound(n in 1_u64..300, part in 0.0..=1.0_f64, p in 0.001..0.999) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "300 at most")]
            let k = (part * float(n)).round() as u64;
            let bound = (-excess(Tally { wrong: k, of: n }, p)).exp();
            prop_assert!(tail(n, k, p) <= bound * (1.0 + 1e-9));
        }

        #[test]
        fn the_rank_is_the_lowest_that_is_sure_enough(share in 0.01..0.999, of in 1_u64..20_000, nats in 0.1..12.0) {
            let surely = |rank| excess(Tally { wrong: rank, of }, share) >= nats;
            match rank_above(share, of, nats) {
                Some(rank) => prop_assert!(rank <= of && surely(rank) && !surely(rank - 1)),
                None => prop_assert!(!surely(of)),
            }
        }
    }
}
