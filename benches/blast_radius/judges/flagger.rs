//! Flagger, from its documentation (docs.flagger.app, branch main, version 1.x).
//!
//! - Every `interval` the analysis runs and checks the metrics. A check that fails halts the advancement and counts; at
//!   `threshold` failed checks the canary is rolled back
//!   (<https://docs.flagger.app/usage/how-it-works#canary-analysis>,
//!   <https://docs.flagger.app/usage/deployment-strategies#canary-release>). Checks that succeed in between take nothing
//!   off the count. By default `interval` is 60 s and `threshold` 1; the documentation's example has 1m and 10.
//! - The metrics are the documentation's: `request-success-rate` of at least 99 % and `request-duration` (p99) of at
//!   most 500 ms, both with `interval: 1m`
//!   (<https://docs.flagger.app/usage/metrics#builtin-metrics>); the first asks `rate`, the second `irate`
//!   (<https://docs.flagger.app/faq#metrics>).
//! - Without traffic a check fails, with "no values found"; the documentation's remedy is a load test against the canary
//!   (<https://docs.flagger.app/usage/webhooks#load-testing>), which there is none of here: requests of users are what
//!   is counted.
//! - With `stepWeights` alone every successful run is a step. To hold each for a quarter of an hour and check every
//!   minute, a `confirm-traffic-increase` hook says no until then
//!   (<https://docs.flagger.app/usage/webhooks>); the checks go on meanwhile.
//!
//! The documentation gives `interval * threshold` as the time to a rollback, so the run whose check fails rolls back;
//! its implementation does it in the run after.

use super::prometheus::{Counters, Prometheus};
use super::{Judge, Reverted, side_at};
use crate::sim::plan::{HOLD, WEIGHTS};
use crate::sim::stream::{Request, Side};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(60);
const METRIC_INTERVAL: Duration = Duration::from_secs(60);
const SUCCESS_RATE: f64 = 0.99;

#[derive(Debug)]
pub(crate) struct Flagger {
    name: &'static str,
    threshold: u32,
    failed_checks: u32,
    prometheus: Prometheus,
    next_run: Duration,
    /// `None` before the first run.
    step: Option<Step>,
    reverted: Option<Reverted>,
}

/// A step and since when.
#[derive(Debug, Clone, Copy)]
struct Step {
    index: usize,
    since: Duration,
}

/// Why a check failed.
#[derive(Debug, Clone, Copy)]
enum FailedCheck {
    NoValues,
    SuccessRate,
    Duration,
}

impl Flagger {
    /// With what is in force when the file says nothing else.
    pub(crate) fn defaults() -> Self {
        Self::new("Flagger, 60 s × 1", 1)
    }

    /// With what the documentation's example says.
    pub(crate) fn example() -> Self {
        Self::new("Flagger, 1m × 10", 10)
    }

    fn new(name: &'static str, threshold: u32) -> Self {
        let prometheus = Prometheus::new();
        Self { name, threshold, failed_checks: 0, prometheus, next_run: Duration::ZERO, step: None, reverted: None }
    }

    fn run(&mut self, at: Duration) {
        let Some(step) = self.step else {
            self.step = Some(Step { index: 0, since: at });
            return;
        };
        if let Err(failed) = self.check(at) {
            self.failed_checks += 1;
            if self.failed_checks >= self.threshold {
                let (why, blind) = failed.told();
                self.reverted = Some(Reverted { at, why: why.to_owned(), blind });
            }
            return;
        }
        if at >= step.since + HOLD && step.index + 1 < WEIGHTS.len() {
            self.step = Some(Step { index: step.index + 1, since: at });
        }
    }

    /// The two metrics, the first that fails deciding.
    fn check(&self, at: Duration) -> Result<(), FailedCheck> {
        let success_rate = self.prometheus.rate(at, METRIC_INTERVAL).map_or(f64::NAN, Counters::success_rate);
        let is_slow = self.prometheus.irate(at).and_then(Counters::p99_is_slow);
        match (success_rate, is_slow) {
            (rate, _) if rate.is_nan() => Err(FailedCheck::NoValues),
            (rate, _) if rate < SUCCESS_RATE => Err(FailedCheck::SuccessRate),
            (_, None) => Err(FailedCheck::NoValues),
            (_, Some(true)) => Err(FailedCheck::Duration),
            (_, Some(false)) => Ok(()),
        }
    }
}

impl FailedCheck {
    /// In words, and whether there was nothing to see.
    fn told(self) -> (&'static str, bool) {
        match self {
            Self::NoValues => ("no values found", true),
            Self::SuccessRate => ("request-success-rate below 99 %", false),
            Self::Duration => ("request-duration above 500 ms", false),
        }
    }
}

impl Judge for Flagger {
    fn name(&self) -> &'static str {
        self.name
    }

    fn advance(&mut self, at: Duration) {
        while self.next_run <= at && self.reverted.is_none() {
            self.prometheus.advance(self.next_run);
            self.run(self.next_run);
            self.next_run += INTERVAL;
        }
        self.prometheus.advance(at);
    }

    fn side(&self, point: u64) -> Side {
        let weight = self.step.filter(|_| self.reverted.is_none()).map_or(0.0, |step| WEIGHTS[step.index]);
        side_at(point, weight)
    }

    fn record(&mut self, request: &Request, side: Side) {
        self.prometheus.record(request, side);
    }

    fn reverted(&self) -> Option<Reverted> {
        self.reverted.clone()
    }
}
