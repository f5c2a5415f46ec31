//! Whether clients hang up on the canary where stable would have answered them.
//!
//! A client that hangs up is charged to nobody: most of them had their own reasons. But a canary that answers nobody
//! has no failures either, and what it did before would stand as healthy until it has left the window. So a limit says
//! nothing for the canary while its clients hang up on it more often than on stable, by more than the share of requests
//! that the limit lets go wrong, and chance does not explain it: had those requests failed, it would be broken. What
//! makes clients impatient with both versions is in both counts, and changes nothing.
//!
//! It is asked of two spans: the limit's window, since the split last moved; and the time since the canary's last
//! answer, for a canary that goes silent when its window is full of good requests. A canary with all of the traffic has
//! no stable beside it, and impatience has its hours: then only silence counts, where clients that hang up every other
//! time would not have left it so long without an answer.
//!
//! It holds a step and takes nothing out, so what is promised is about one look: a canary on which clients hang up no
//! more than that is taken for worse with a probability of at most the limit's `alpha`.

use crate::plan::{Metric, RateBound, RequestLimit};
use crate::rollout::chance::excess;
use crate::rollout::compare::{Allowance, log_evidence};
use crate::rollout::counters::Delta;
use crate::rollout::tally::{Pair, Recent, Tally};
use std::time::Duration;

/// The share tolerated where a limit names none.
const ONE_IN_A_HUNDRED: f64 = 0.01;

/// How often clients that are merely impatient hang up at the most.
const EVERY_OTHER: f64 = 0.5;

/// Who hung up on whom, as one limit asks.
#[derive(Debug, Clone)]
pub(super) struct HangUps {
    tolerated: Allowance,
    /// `ln(1 / alpha)`.
    sure: f64,
    window: Duration,
    /// Whether stable gets any requests beside the canary.
    accompanied: bool,
    recent: Recent<Pair>,
    /// What was counted since the canary's last answer.
    silence: Pair,
}

impl HangUps {
    /// Has seen nothing yet.
    pub(super) fn new(limit: &RequestLimit) -> Self {
        let more = match limit.metric {
            Metric::ErrorRate { max: RateBound::Share(more) | RateBound::AboveStable(more) } => more,
            Metric::Latency { quantile, .. } => 1.0 - quantile.share(),
            Metric::ErrorRate { max: RateBound::TimesStable(_) } | Metric::LatencyMean { .. } => ONE_IN_A_HUNDRED,
        };
        Self {
            tolerated: Allowance::Above(more),
            sure: -limit.alpha.ln(),
            window: limit.window,
            accompanied: true,
            recent: Recent::new(limit.window),
            silence: Pair::default(),
        }
    }

    /// Compares from here on; `share` is the canary's of what the two get together.
    pub(super) fn compare_anew(&mut self, share: f64) {
        self.accompanied = share < 1.0;
        self.recent = Recent::new(self.window);
        self.silence = Pair::default();
    }

    /// Takes in what was counted since the last call. `now` is monotonic.
    pub(super) fn take(&mut self, canary: &Delta, stable: &Delta, now: Duration) {
        let hung_up = |delta: &Delta| Tally { wrong: delta.aborted, of: delta.requests };
        let tick = Pair { canary: hung_up(canary), stable: hung_up(stable) };
        self.recent.push((!tick.is_empty()).then_some(tick), now);
        if canary.judged > 0 {
            self.silence = Pair::default();
        } else {
            self.silence += tick;
        }
    }

    /// Whether there are too many on the canary.
    pub(super) fn are_too_many(&self) -> bool {
        if !self.accompanied {
            return excess(self.silence.canary, EVERY_OTHER) >= self.sure;
        }
        [self.silence, self.recent.total()].iter().any(|pair| log_evidence(pair, self.tolerated) >= self.sure)
    }
}
