//! What the API shows of a rollout. Field names are camelCase, times RFC 3339, weights percent.

use super::judge::{Judge, Side};
use super::limits::{Guard, Reason, Verdict, ceiling};
use super::record::{Decision, Unit};
use super::state::Phase;
use super::time::{Timestamp, duration_text};
use crate::plan::{BackendId, Plan, Quantile, Rollout};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A rollout as of the last tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The rollout's name.
    pub name: Arc<str>,
    /// `route/rule`.
    pub rule: String,
    /// Where it stands.
    pub phase: Phase,
    /// The revision on trial, or the one that failed.
    pub revision: Arc<str>,
    /// Since when it stands there.
    pub since: Timestamp,
    /// What the numbers of `stable` and `canary` look back on: the longest window of the limits, or `5m`.
    pub window: String,
    /// The backend that takes over.
    pub stable: SideStatus,
    /// The backend on trial.
    pub canary: SideStatus,
    /// Each limit, in the file's order.
    pub limits: Vec<LimitStatus>,
    /// What was decided last, whichever revision it was about.
    pub last_decision: Option<Decision>,
}

/// One side of the split, over the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideStatus {
    /// The backend's name.
    pub backend: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Its weight in force, in percent of the rule's traffic.
    pub weight: f64,
    /// Whether it has an endpoint that takes connections.
    pub ready: bool,
    /// All requests.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those whose client hung up; they count neither for nor against it.
    pub aborted: u64,
    /// `failed / (requests - aborted)`, 0 to 1; `null` without a request.
    pub error_rate: Option<f64>,
    /// How long the requests took, aborted ones aside.
    pub latency: LatencyStatus,
}

/// How long requests took, in milliseconds; `null` without a request. Quantiles are a tenth too high at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStatus {
    /// The mean.
    pub mean_ms: Option<f64>,
    /// What half of the requests do not exceed.
    pub p50_ms: Option<f64>,
    /// What 99 % of the requests do not exceed.
    pub p99_ms: Option<f64>,
}

/// One limit and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// `error-rate`, `latency-p99`, `latency-mean`.
    pub metric: String,
    /// The unit of `max` and `value`.
    pub unit: Unit,
    /// The limit.
    pub max: f64,
    /// What the window looks back on.
    pub window: String,
    /// What the window needs before it says anything.
    pub min_requests: u64,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why; `null` for Healthy.
    pub reason: Option<Reason>,
    /// The canary's value over the window; `null` without a request.
    pub value: Option<f64>,
    /// The canary's requests in the window.
    pub samples: u64,
    /// The detector's evidence over its alarm level: 1 is an alarm. `null` where there is no detector.
    pub evidence: Option<f64>,
}

impl Judge {
    pub(super) fn status(&self, plan: &Plan, spec: &Rollout) -> RolloutStatus {
        let rule = &plan.rules[spec.rule.index()];
        let side = |backend: BackendId, side: &Side| {
            let (what, counts) = (&plan.backends[backend.index()], side.window.counts());
            SideStatus {
                backend: Arc::clone(&what.name),
                version: Arc::clone(&what.version),
                weight: self.weight(plan, spec, backend),
                ready: side.ready,
                requests: counts.requests,
                failed: counts.failed,
                aborted: counts.aborted,
                error_rate: side.window.error_rate(),
                latency: latency(side),
            }
        };
        RolloutStatus {
            name: Arc::clone(&spec.name),
            rule: format!("{}/{}", plan.routes[rule.route.index()].name, rule.name),
            phase: self.state.phase,
            revision: Arc::clone(&self.state.revision),
            since: self.state.since,
            window: duration_text(self.canary.window.length()),
            stable: side(spec.stable, &self.stable),
            canary: side(spec.canary, &self.canary),
            limits: self.guards.iter().map(limit).collect(),
            last_decision: self.state.last_decision.clone(),
        }
    }
}

fn latency(side: &Side) -> LatencyStatus {
    let quantile = |milli_percent| {
        let quantile = Quantile::from_milli_percent(milli_percent).expect("between 0 and 100,000");
        #[expect(clippy::cast_precision_loss, reason = "1,000 s at most")]
        side.window.quantile_us(quantile).map(|us| Unit::Ms.show(us as f64))
    };
    LatencyStatus {
        mean_ms: side.window.mean_us().map(|us| Unit::Ms.show(us)),
        p50_ms: quantile(50_000),
        p99_ms: quantile(99_000),
    }
}

fn limit(guard: &Guard) -> LimitStatus {
    let (limit, finding) = (guard.limit(), guard.finding());
    let unit = Unit::of(limit.metric);
    LimitStatus {
        metric: limit.metric.to_string(),
        unit,
        max: unit.show(ceiling(limit.metric)),
        window: duration_text(limit.window),
        min_requests: limit.min_requests,
        verdict: finding.verdict,
        reason: finding.reason,
        value: finding.value.map(|value| unit.show(value)),
        samples: finding.samples,
        evidence: finding.evidence,
    }
}
