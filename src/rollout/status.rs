//! What the API shows of a rollout. Field names are camelCase, times RFC 3339, weights percent.

use super::judge::{Judge, QuestionOf, Side};
use super::limits::Guard;
use super::record::{Decision, LimitRecord, Unit};
use super::state::Phase;
use super::time::{Now, Timestamp, duration_text};
use super::trial::{Heard, HookAnswer};
use crate::plan::{BackendId, Plan, Quantile, Rollout, WebhookKind};
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
    /// What the rollout does now, or what it waits for; a sentence.
    #[serde(default)]
    pub message: String,
    /// The steps, in their order; none when the file holds the weights.
    #[serde(default)]
    pub steps: Vec<StepStatus>,
    /// The step that it is in, from 1; `null` before the first and without steps.
    #[serde(default)]
    pub step: Option<usize>,
    /// How much of the step's time has been held, in seconds.
    #[serde(default)]
    pub held_seconds: f64,
    /// Each `rollback` limit, in the file's order.
    pub limits: Vec<LimitRecord>,
    /// Each `promotion` limit, in the file's order.
    #[serde(default)]
    pub promotion_limits: Vec<LimitRecord>,
    /// Each webhook that answers something, in the file's order.
    #[serde(default)]
    pub webhooks: Vec<WebhookStatus>,
    /// What changed, the latest last; at most 100.
    #[serde(default)]
    pub history: Vec<Arc<Decision>>,
    /// What was decided last, whichever revision it was about.
    pub last_decision: Option<Arc<Decision>>,
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// The canary's weight, in percent.
    pub weight: f64,
    /// For how long, in seconds.
    pub hold_seconds: f64,
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// Its name.
    pub name: String,
    /// `confirm-rollout`, `rollout`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is being asked now.
    pub asked: bool,
    /// What it said last at this point of the rollout; `null` before its first answer.
    pub answer: Option<String>,
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

impl Judge {
    pub(super) fn status(&self, plan: &Plan, spec: &Rollout, now: Now) -> RolloutStatus {
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
        let steps = spec.progression.iter().flat_map(|progression| &progression.steps);
        RolloutStatus {
            name: Arc::clone(&spec.name),
            rule: format!("{}/{}", plan.routes[rule.route.index()].name, rule.name),
            phase: self.trial.state.phase(),
            revision: Arc::clone(&self.trial.state.revision),
            since: self.trial.state.since,
            window: duration_text(self.canary.window.length()),
            stable: side(spec.stable, &self.stable),
            canary: side(spec.canary, &self.canary),
            message: self.message(spec, now),
            steps: steps.map(|s| StepStatus { weight: s.weight, hold_seconds: s.hold.as_secs_f64() }).collect(),
            step: self.trial.state.standing.at().map(|at| at.step + 1),
            held_seconds: (self.trial.progress.held.as_secs_f64() * 10.0).round() / 10.0,
            limits: self.guards.iter().map(limit).collect(),
            promotion_limits: self.promotion.iter().map(limit).collect(),
            webhooks: self.webhooks(spec),
            history: self.trial.state.history.iter().cloned().collect(),
            last_decision: self.trial.state.last_decision.clone(),
        }
    }
}

impl Judge {
    /// The webhooks that answer something.
    fn webhooks(&self, spec: &Rollout) -> Vec<WebhookStatus> {
        let asked = self.questions(spec);
        let is_asked = |index| asked.iter().any(|question| question.of == QuestionOf::Webhook(index));
        let answer = |heard: &Heard| {
            heard.answer.as_ref().map(|answer| match answer {
                HookAnswer::Yes => "yes".to_owned(),
                HookAnswer::No(why) => format!("no: {why}"),
                HookAnswer::Silent(why) => format!("no answer: {why}"),
            })
        };
        let all = spec.webhooks.iter().zip(&self.seen.heard).enumerate();
        let answering = all.filter(|(_, (hook, _))| {
            !matches!(hook.kind, WebhookKind::Promotion | WebhookKind::PostRollout | WebhookKind::Event)
        });
        answering
            .map(|(index, (hook, heard))| WebhookStatus {
                name: hook.name.to_string(),
                kind: hook.kind.name().to_owned(),
                asked: is_asked(index),
                answer: answer(heard),
            })
            .collect()
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

fn limit(guard: &Guard) -> LimitRecord {
    LimitRecord::new(guard.limit(), &guard.finding())
}
