//! Tells a canary that breaks its limit from one that has bad luck, as early as the requests allow.
//!
//! Every limit is brought to one question: does a request go wrong with a probability above `p0`? The answer comes
//! from an e-detector (Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change
//! detection", 2023): for each of a few alternatives `p1 > p0` a CUSUM of likelihood ratios,
//!
//! ```text
//! M <- max(M, 1) * L,   L = p1 / p0 when the request went wrong, (1 - p1) / (1 - p0) when it did not
//! ```
//!
//! and the alarm is raised when the mean of the `M`s reaches `1 / alpha`. As long as each request, given those before
//! it, goes wrong with a probability of at most `p0`, no `L` has an expectation above 1, so no `M` has one above the
//! number of requests seen, at any stopping time; the mean of several has none either. Hence the requests to a
//! false alarm are `1 / alpha` on average at the least, whenever anyone looks and with no window to wait out. (What is
//! promised is about each request: failures that come in clumps break the assumption, not the arithmetic.)
//!
//! **Batches.** A tick knows how many requests ended and how many of them went wrong, not in which order. They are
//! applied at once: `M <- max(M, 1) * L_wrong^k * L_right^(n - k)`. Written out, the exact `M` is the largest product
//! of the `L`s since any earlier request, and the batch form's is the largest product since any earlier *batch*: the
//! same products over fewer starts. So for whichever order the requests really had, the batch form is never above the
//! exact one at the end of a batch, it raises no alarm before the exact one would have, and the bound on the average
//! run length, counted in requests, is kept. What it costs is delay: a fault that begins inside a batch may be drowned
//! by the good requests before it, until the next tick starts from 1.
//!
//! All of it is done in logarithms, where nothing overflows. A step costs the same whatever the batch's size.

/// The alternatives, as multiples of `p0`.
const MULTIPLES: [f64; 5] = [1.5, 2.0, 4.0, 8.0, 16.0];

/// Alternatives stay below this, so that one good request never wipes out the evidence of many bad ones.
const HIGHEST_ALTERNATIVE: f64 = 0.8;

/// `p0` is kept this far from 0 and 1, where the logarithms end.
const MARGIN: f64 = 1e-9;

/// A mixture of CUSUM e-detectors for one probability.
#[derive(Debug, Clone)]
pub struct Detector {
    components: Vec<Component>,
    /// `ln(1 / alpha)`.
    alarm_level: f64,
}

/// The CUSUM for one alternative.
#[derive(Debug, Clone)]
struct Component {
    /// `ln M`; starts at 0, which stands for "nothing seen" as well as for "no evidence".
    log_m: f64,
    /// `ln(p1 / p0)`.
    wrong: f64,
    /// `ln((1 - p1) / (1 - p0))`.
    right: f64,
}

impl Detector {
    /// Watches for a probability above `p0` (above 0, below 1), with at least `1 / alpha` requests to a false alarm on
    /// average (`alpha` above 0, below 1).
    pub fn new(p0: f64, alpha: f64) -> Self {
        let p0 = p0.clamp(MARGIN, 1.0 - MARGIN);
        let components = alternatives(p0).into_iter().map(|p1| Component {
            log_m: 0.0,
            wrong: (p1 / p0).ln(),
            right: (-p1).ln_1p() - (-p0).ln_1p(),
        });
        Self { components: components.collect(), alarm_level: -alpha.ln() }
    }

    /// Takes in a batch of which `wrong` requests went wrong and `right` did not.
    pub fn observe(&mut self, wrong: u64, right: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a tick's requests are far below 2^53")]
        let (wrong, right) = (wrong as f64, right as f64);
        for c in &mut self.components {
            c.log_m = c.log_m.max(0.0) + wrong * c.wrong + right * c.right;
        }
    }

    /// The evidence against the canary over the level at which the alarm is raised, both as logarithms: 0 is none, 1
    /// is an alarm.
    pub fn evidence(&self) -> f64 {
        (self.log_mean() / self.alarm_level).max(0.0)
    }

    /// Whether the evidence is enough.
    pub fn alarmed(&self) -> bool {
        self.log_mean() >= self.alarm_level
    }

    /// `ln mean(M)`. The largest is taken out first, so that no exponential overflows and that one is exact.
    fn log_mean(&self) -> f64 {
        let largest = self.components.iter().map(|c| c.log_m).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.components.iter().map(|c| (c.log_m - largest).exp()).sum();
        #[expect(clippy::cast_precision_loss, reason = "five at most")]
        let count = self.components.len() as f64;
        largest + (sum / count).ln()
    }
}

/// The distinct alternatives for `p0`, in rising order; at least one, each above `p0` and below 1.
///
/// The cap would fall below a `p0` that is itself that high; half way from `p0` to 1 takes its place then.
fn alternatives(p0: f64) -> Vec<f64> {
    let cap = HIGHEST_ALTERNATIVE.max(f64::midpoint(p0, 1.0));
    let mut all: Vec<f64> = MULTIPLES.iter().map(|multiple| (multiple * p0).min(cap)).collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    const ALPHA: f64 = 1e-5;

    /// Straight from the definition: for each alternative the largest product of likelihood ratios since any start that
    /// is allowed, multiplied out one request at a time.
    fn reference(p0: f64, outcomes: &[bool], starts: &[usize]) -> f64 {
        let alternatives = alternatives(p0);
        let m = |p1: f64| {
            let since = |start: usize| -> f64 {
                let ratio = |wrong: &bool| if *wrong { p1 / p0 } else { (1.0 - p1) / (1.0 - p0) };
                outcomes[start..].iter().map(ratio).product()
            };
            starts.iter().map(|start| since(*start)).fold(0.0, f64::max)
        };
        let sum: f64 = alternatives.iter().map(|p1| m(*p1)).sum();
        (sum / f64::from(u32::try_from(alternatives.len()).unwrap())).ln()
    }

    fn fed_one_by_one(p0: f64, outcomes: &[bool]) -> Detector {
        let mut detector = Detector::new(p0, ALPHA);
        outcomes.iter().for_each(|wrong| detector.observe(u64::from(*wrong), u64::from(!*wrong)));
        detector
    }

    /// Requests until the alarm, one by one; `None` after `most`.
    fn run_length(detector: &mut Detector, p: f64, most: u64, rng: &mut StdRng) -> Option<u64> {
        (1..=most).find(|_| {
            let wrong = rng.random_bool(p);
            detector.observe(u64::from(wrong), u64::from(!wrong));
            detector.alarmed()
        })
    }

    fn outcomes_and_batches() -> impl Strategy<Value = (Vec<bool>, Vec<usize>)> {
        let batch =
            (0.0..=1.0, 1..12_usize).prop_flat_map(|(p, n)| proptest::collection::vec(proptest::bool::weighted(p), n));
        proptest::collection::vec(batch, 1..8).prop_map(|batches| {
            let sizes = batches.iter().map(Vec::len).collect();
            (batches.concat(), sizes)
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_slow_reference(p0 in 0.001..0.999, (outcomes, _) in outcomes_and_batches()) {
            let starts: Vec<usize> = (0..outcomes.len()).collect();
            let (fast, slow) = (fed_one_by_one(p0, &outcomes).log_mean(), reference(p0, &outcomes, &starts));
            prop_assert!((fast - slow).abs() < 1e-9 * slow.abs().max(1.0), "{fast} {slow}");
        }

        #[test]
        fn a_batch_is_the_reference_with_fewer_starts_and_never_above_the_exact_form(
            p0 in 0.001..0.999, (outcomes, sizes) in outcomes_and_batches(),
        ) {
            let (mut detector, mut starts, mut at) = (Detector::new(p0, ALPHA), Vec::new(), 0);
            for size in sizes {
                starts.push(at);
                let wrong = outcomes[at..at + size].iter().filter(|wrong| **wrong).count();
                detector.observe(wrong as u64, (size - wrong) as u64);
                at += size;
            }
            let (batched, slow) = (detector.log_mean(), reference(p0, &outcomes, &starts));
            prop_assert!((batched - slow).abs() < 1e-9 * slow.abs().max(1.0), "{batched} {slow}");
            let exact = fed_one_by_one(p0, &outcomes).log_mean();
            prop_assert!(batched <= exact + 1e-9 * exact.abs().max(1.0), "{batched} {exact}");
        }

        #[test]
        fn every_alternative_lies_between_p0_and_1_and_none_twice(p0 in MARGIN..=1.0 - MARGIN) {
            let all = alternatives(p0);
            prop_assert!(!all.is_empty());
            prop_assert!(all[0] > p0 && all[all.len() - 1] < 1.0);
            prop_assert!(all.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn nothing_is_ever_not_a_number(
            p0 in 0.0..=1.0,
            batches in proptest::collection::vec((0..1_u64 << 40, 0..1_u64 << 40), 1..20),
        ) {
            let mut detector = Detector::new(p0, ALPHA);
            for (wrong, right) in batches {
                detector.observe(wrong, right);
                prop_assert!(detector.evidence().is_finite() && detector.evidence() >= 0.0);
            }
        }
    }

    #[test]
    fn a_dead_canary_is_out_at_its_fifth_request() {
        let mut detector = Detector::new(0.05, ALPHA);
        let alarm = (1..=10).find(|_| {
            detector.observe(1, 0);
            detector.alarmed()
        });
        assert_eq!(alarm, Some(5));
        assert!(detector.evidence() >= 1.0);
    }

    #[test]
    fn a_limit_so_high_that_all_alternatives_are_one_still_finds_a_dead_canary() {
        for p0 in [0.6, 0.79, 0.8, 0.9] {
            let mut detector = Detector::new(p0, ALPHA);
            detector.observe(1_000, 0);
            assert!(detector.alarmed(), "{p0}");
        }
    }

    #[test]
    fn a_good_past_does_not_slow_the_alarm() {
        let mut detector = Detector::new(0.05, ALPHA);
        detector.observe(0, 1_000_000_000);
        detector.observe(5, 0);
        assert!(detector.alarmed());
    }

    /// The bound: 3,000,000 requests hold at most about 30 false alarms when one takes 100,000 on average at the least.
    /// Below the limit it takes far more: at 0.8 `p0` about 3,000,000.
    #[test]
    fn false_alarms_below_the_limit_are_rarer_than_the_stated_bound() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut left, mut alarms) = (3_000_000, 0);
        while let Some(length) = run_length(&mut Detector::new(0.05, ALPHA), 0.04, left, &mut rng) {
            left -= length;
            alarms += 1;
        }
        assert!(alarms <= 5, "{alarms}");
    }

    /// At `p0` itself, where the bound has to hold with nothing to spare, and with an `alpha` that can be waited for.
    #[test]
    fn at_the_limit_the_average_run_length_is_at_least_one_over_alpha() {
        let mut rng = StdRng::seed_from_u64(2);
        let runs = 400;
        for p0 in [0.01, 0.05, 0.5, 0.9] {
            let mut run = || run_length(&mut Detector::new(p0, 0.01), p0, 5_000, &mut rng).unwrap_or(5_000);
            let mean = (0..runs).map(|_| run()).sum::<u64>() / runs;
            assert!(mean >= 100, "{p0}: {mean}");
        }
    }

    /// In requests, on average over 200 seeded runs: the delays that the design states, with a tenth to spare.
    #[test]
    fn a_breach_is_found_within_the_stated_delay() {
        let mut rng = StdRng::seed_from_u64(3);
        for (p, most) in [(0.1, 583), (0.2, 94), (0.5, 18)] {
            let mut run = || run_length(&mut Detector::new(0.05, ALPHA), p, 100_000, &mut rng).expect("found at last");
            let mean = (0..200).map(|_| run()).sum::<u64>() / 200;
            assert!(mean <= most, "{p}: {mean}");
        }
    }
}
