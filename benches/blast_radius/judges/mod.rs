//! Who judges: four ways to find out that a canary fails, each a small machine that sees requests and the time.
//!
//! All of them walk the same plan, 10, 30, 50, 75, 100 % with a quarter of an hour each, and see the same requests. What
//! they do not see is the future, nor the other side's fate of a request. The three that are not Serin are written from
//! their documentation, which each file cites; where it leaves something open, they get the better of it.

pub(crate) mod argo;
pub(crate) mod flagger;
mod prometheus;
pub(crate) mod script;
pub(crate) mod serin;

use crate::sim::plan::{HOLD, WEIGHTS};
use crate::sim::stream::{Request, Side};
use std::time::Duration;

/// Someone who watches a canary and takes it out.
pub(crate) trait Judge {
    /// As the tables' heads have it.
    fn name(&self) -> &'static str;

    /// Does all that is due by `at`, the time since the rollout began.
    fn advance(&mut self, at: Duration);

    /// Who gets a request that falls on `point`.
    fn side(&self, point: u64) -> Side;

    /// `request` was served by `side`. Comes after [`advance`](Self::advance) to the request's moment.
    fn record(&mut self, request: &Request, side: Side);

    /// When the canary was taken out, and why.
    fn reverted(&self) -> Option<Reverted>;
}

/// The canary has no traffic any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reverted {
    /// Since the rollout began.
    pub(crate) at: Duration,
    /// In the judge's own words.
    pub(crate) why: String,
    /// For want of traffic to judge by.
    pub(crate) blind: bool,
}

/// All of them, at the beginning of a rollout, in the order of the tables' columns.
pub(crate) fn all() -> Vec<Box<dyn Judge>> {
    vec![
        Box::new(script::Script::new()),
        Box::new(flagger::Flagger::defaults()),
        Box::new(flagger::Flagger::example()),
        Box::new(argo::Argo::new()),
        Box::new(serin::Serin::new()),
    ]
}

/// The canary's weight, in percent, `at` so long after the beginning, where nothing but time moves it.
fn weight_at(at: Duration) -> f64 {
    let step = at.as_secs() / HOLD.as_secs();
    WEIGHTS[usize::try_from(step).map_or(WEIGHTS.len() - 1, |step| step.min(WEIGHTS.len() - 1))]
}

/// Who gets a request that falls on `point` when the canary has `weight` percent.
fn side_at(point: u64, weight: f64) -> Side {
    #[expect(clippy::cast_precision_loss, reason = "one part in 2^53 of the requests may be on the other side")]
    let part = point as f64 / u64::MAX as f64;
    if part < weight / 100.0 { Side::Canary } else { Side::Stable }
}
