//! Argo Rollouts, from its documentation (argo-rollouts.readthedocs.io, stable, version 1.x).
//!
//! - Steps of `setWeight` and `pause: {duration: 15m}`, and the documentation's example of a background analysis beside
//!   them: `interval: 5m`, `successCondition: result[0] >= 0.95`, `failureLimit: 3`. Three measurements below 95 % fail
//!   the analysis, as the text beside the example explains it; the rollout aborts, and the weight is 0
//!   (<https://argo-rollouts.readthedocs.io/en/stable/features/analysis/#background-analysis>). The implementation waits
//!   for one more, `failed > failureLimit`.
//! - The example's query asks `irate(…[5m])`: of the five minutes, the last two scrapes.
//! - A measurement that is not a number, since there was no traffic, fails such a condition
//!   (<https://argo-rollouts.readthedocs.io/en/stable/features/analysis/#nan-and-infinity>); one without any data is an
//!   error, and neither a failure nor a success. The first is made when the analysis begins, and is such an error.
//! - The example delays the analysis to the second step; here it begins with the first.

use super::prometheus::Prometheus;
use super::{Judge, Reverted, side_at, weight_at};
use crate::sim::stream::{Request, Side};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(300);
const SUCCESS_RATE: f64 = 0.95;
const FAILURES: u32 = 3;

#[derive(Debug)]
pub(crate) struct Argo {
    prometheus: Prometheus,
    next_measurement: Duration,
    failed: u32,
    /// The time that it has come to.
    now: Duration,
    reverted: Option<Reverted>,
}

impl Argo {
    pub(crate) fn new() -> Self {
        let (prometheus, zero) = (Prometheus::new(), Duration::ZERO);
        Self { prometheus, next_measurement: zero, failed: 0, now: zero, reverted: None }
    }

    fn measure(&mut self, at: Duration) {
        let Some(rate) = self.prometheus.irate(at) else { return };
        let success_rate = rate.success_rate();
        if success_rate >= SUCCESS_RATE {
            return;
        }
        self.failed += 1;
        if self.failed == FAILURES {
            let blind = success_rate.is_nan();
            let why = if blind { "result[0] is not a number" } else { "result[0] below 0.95" };
            self.reverted = Some(Reverted { at, why: why.to_owned(), blind });
        }
    }
}

impl Judge for Argo {
    fn name(&self) -> &'static str {
        "Argo Rollouts, 5m × 3"
    }

    fn advance(&mut self, at: Duration) {
        while self.next_measurement <= at && self.reverted.is_none() {
            self.prometheus.advance(self.next_measurement);
            self.measure(self.next_measurement);
            self.next_measurement += INTERVAL;
        }
        self.prometheus.advance(at);
        self.now = at;
    }

    fn side(&self, point: u64) -> Side {
        if self.reverted.is_some() { Side::Stable } else { side_at(point, weight_at(self.now)) }
    }

    fn record(&mut self, request: &Request, side: Side) {
        self.prometheus.record(request, side);
    }

    fn reverted(&self) -> Option<Reverted> {
        self.reverted.clone()
    }
}
