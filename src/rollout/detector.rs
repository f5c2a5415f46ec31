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
//! **Clumps.** One pause of a process makes everything slow that was under way: many requests, but one event. Where
//! that matters (latencies), a batch adds at most a third of the alarm level to any `M`: an alarm is supported by three
//! ticks at least. A smaller `M` keeps every promise; the cost is two ticks at the most (simulated at 10 to 500
//! requests a second, 5 to 100 % of them slow).
//!
//! **Spans.** Each CUSUM remembers what both versions did since it last stood at 1, which is its estimate of when the
//! fault began. Who asks whether stable shows the same fault asks about those very ticks (see [`super::controlled`]).
//!
//! All of it is done in logarithms, where nothing overflows. A step costs the same whatever the batch's size.

use super::tally::{Pair, Tally, float};

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
    /// What one batch may add to a component.
    most_a_batch: f64,
    /// Batches since it began, or began anew.
    age: u64,
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
    /// What both versions did since `log_m` was last 0.
    span: Pair,
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
            span: Pair::default(),
        });
        Self { components: components.collect(), alarm_level: -alpha.ln(), most_a_batch: f64::INFINITY, age: 0 }
    }

    /// The same, for what comes in clumps: no alarm that fewer than `batches` batches support.
    pub(super) fn supported_by(mut self, batches: f64) -> Self {
        self.most_a_batch = self.enough() / batches;
        self
    }

    /// Takes in a batch of which `wrong` requests went wrong and `right` did not.
    pub fn observe(&mut self, wrong: u64, right: u64) {
        let canary = Tally { wrong, of: wrong + right };
        self.take(Pair { canary, stable: Tally::default() });
    }

    /// Takes in what both versions did in one tick.
    pub(super) fn take(&mut self, tick: Pair) {
        let (wrong, right) = (float(tick.canary.wrong), float(tick.canary.of - tick.canary.wrong));
        self.age += 1;
        for c in &mut self.components {
            if c.log_m > 0.0 {
                c.span += tick;
            } else if tick.canary.of > 0 {
                c.span = tick;
            } else {
                // A tick without requests must not look like one more place to start from.
                continue;
            }
            c.log_m = c.log_m.max(0.0) + (wrong * c.wrong + right * c.right).min(self.most_a_batch);
        }
    }

    /// What both versions did since the fault began: the longest span of the components with the most evidence. (Of
    /// those that are [held down](Self::hold_down) together, the one that began last would be a lucky run.)
    pub(super) fn span(&self) -> Pair {
        let most = self.components.iter().map(|c| c.log_m).fold(f64::NEG_INFINITY, f64::max);
        let foremost = self.components.iter().filter(|c| c.log_m >= most - 1.0);
        foremost.map(|c| c.span).max_by_key(|span| span.canary.of).unwrap_or_default()
    }

    /// Batches since it began, or began anew.
    pub(super) fn age(&self) -> u64 {
        self.age
    }

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.components.iter_mut().for_each(|c| (c.log_m, c.span) = (0.0, Pair::default()));
        self.age = 0;
    }

    /// Forgets what was counted since the fault began, and keeps the evidence.
    pub(super) fn forget_spans(&mut self) {
        self.components.iter_mut().for_each(|c| c.span = Pair::default());
    }

    /// Lets go of evidence beyond an alarm's, so that what it took hours to gather is not there for hours after.
    pub(super) fn hold_down(&mut self) {
        let enough = self.enough();
        self.components.iter_mut().for_each(|c| c.log_m = c.log_m.min(enough));
    }

    /// The `ln M` with which one component makes an alarm alone.
    fn enough(&self) -> f64 {
        self.alarm_level + float(self.components.len() as u64).ln()
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
        largest + (sum / float(self.components.len() as u64)).ln()
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
mod tests;
