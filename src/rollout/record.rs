//! What is written down when something changes: for the state store, alerts, hooks, the log and the API alike.

mod text;

use super::limits::{Finding, Reason, Verdict, bounds};
use super::time::{Timestamp, duration_text};
use crate::plan::{LatencyBound, Limit, Metric, RateBound, Severity};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One thing that happened to a rollout, with the numbers as they were then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The rollout's name.
    pub rollout: Arc<str>,
    /// The revision that was on trial.
    pub revision: Arc<str>,
    /// When it was decided.
    pub at: Timestamp,
    /// What was decided.
    #[serde(default = "Kind::rolled_back")]
    pub event: Kind,
    /// The step that it is about, from 1; `null` outside the steps.
    #[serde(default)]
    pub step: Option<usize>,
    /// The canary's weight until then, in percent of the rule's traffic.
    pub weight: f64,
    /// Requests that the canary was judged by since its trial began (or the process started), aborted ones aside.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// What it came from.
    pub grounds: Grounds,
    /// Every limit of the rollout as it stood then, those of `promotion` last.
    #[serde(default)]
    pub limits: Vec<LimitRecord>,
}

/// What can happen to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Another revision is there to be tried; it waits to be ready.
    NewRevision,
    /// The canary has a ready endpoint.
    CanaryReady,
    /// The canary has no ready endpoint any more.
    CanaryNotReady,
    /// The canary got its first weight.
    Started,
    /// The next step began.
    Step,
    /// An operator, or a weight set by hand, stopped the clock.
    Paused,
    /// It goes on.
    Resumed,
    /// An operator set the canary's weight.
    WeightSet,
    /// A step can neither advance nor fail, and has not for long.
    Inconclusive,
    /// All steps are done: stable is to be rolled forward.
    Promoting,
    /// Stable has been rolled forward: the traffic goes back to it.
    Returning,
    /// What stable was rolled forward to breaches a limit: the canary has the traffic again, and it is paused there.
    ReturnStopped,
    /// Stable is what the canary was.
    Promoted,
    /// The canary was taken out.
    RolledBack,
    /// An operator gave a failed revision another trial.
    Retried,
    /// The revision failed before, and stays out.
    KeptOut,
}

/// What a decision came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Grounds {
    /// A limit was breached.
    Limit(LimitRecord),
    /// Stable, which has just been rolled forward, breached it; `value` is stable's and `stableValue` the canary's.
    StableBreach(LimitRecord),
    /// The state that says which revisions failed could not be read, so none is trusted until someone says retry.
    StateUnreadable,
    /// The canary was not ready in time.
    ProgressDeadline {
        /// In so long.
        after: String,
    },
    /// Nothing could be concluded.
    Inconclusive {
        /// For so long.
        after: String,
        /// What was missing.
        why: String,
    },
    /// A webhook's answer.
    Webhook {
        /// The webhook's name.
        name: String,
        /// What it answered.
        answer: String,
    },
    /// An operator said so.
    Operator {
        /// The verb.
        verb: String,
    },
    /// Stable has no ready endpoint: the traffic stays with the canary.
    StableNotReady,
    /// The plan's next move: the time was held and every limit healthy, or there was nothing to hold.
    Plan,
}

/// One limit and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitRecord {
    /// `error-rate`, `latency-p99`, `latency-mean`, or the name of a query.
    pub metric: String,
    /// The unit of `max`, `min`, `value` and `stableValue`.
    pub unit: Unit,
    /// The highest that is within the limit; for one that is relative to stable, as stable's value has it now.
    #[serde(default)]
    pub max: Option<f64>,
    /// The lowest that is within the limit.
    #[serde(default)]
    pub min: Option<f64>,
    /// How it is relative to stable: `2x`, `+1%`.
    #[serde(default)]
    pub compared_to_stable: Option<String>,
    /// What the window looks back on, as the config writes it.
    pub window: String,
    /// What the window needs before it says anything: requests, or a query's answers.
    pub min_samples: u64,
    /// What it comes to.
    pub verdict: Verdict,
    /// Why; `null` for Healthy.
    pub reason: Option<Reason>,
    /// The canary's value over the window; `null` without a request.
    pub value: Option<f64>,
    /// Stable's value over the same window; `null` without a request.
    pub stable_value: Option<f64>,
    /// The canary's requests, or the query's answers, that the value is from.
    pub samples: u64,
    /// The sequential test's evidence over its alarm level: 1 is an alarm. `null` where there is no such test.
    pub evidence: Option<f64>,
    /// Since when something has spoken against the canary.
    pub since: Option<Timestamp>,
}

/// What a limit's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// From 0 to 1.
    Ratio,
    /// Milliseconds.
    Ms,
    /// Whatever a query answers.
    Number,
}

impl Unit {
    /// The unit in which `limit` is shown.
    pub fn of(limit: &Limit) -> Self {
        match limit {
            Limit::Query(_) => Self::Number,
            Limit::Requests(limit) => match limit.metric {
                Metric::ErrorRate { .. } => Self::Ratio,
                Metric::Latency { .. } | Metric::LatencyMean { .. } => Self::Ms,
            },
        }
    }

    /// A [`Finding`]'s number in this unit.
    pub fn show(self, value: f64) -> f64 {
        match self {
            Self::Ratio | Self::Number => value,
            Self::Ms => value / 1_000.0,
        }
    }
}

impl LimitRecord {
    /// What `finding` says of `limit`.
    pub fn new(limit: &Limit, finding: &Finding) -> Self {
        let unit = Unit::of(limit);
        let (min, max) = bounds(limit, finding.stable_value);
        let show = |value: Option<f64>| value.map(|value| unit.show(value));
        Self {
            metric: limit.name().to_string(),
            unit,
            max: show(max),
            min: show(min),
            compared_to_stable: compared(limit),
            window: duration_text(limit.window()),
            min_samples: match limit {
                Limit::Requests(limit) => limit.min_requests,
                Limit::Query(limit) => limit.min_samples,
            },
            verdict: finding.verdict,
            reason: finding.reason.clone(),
            value: show(finding.value),
            stable_value: show(finding.stable_value),
            samples: finding.samples,
            evidence: finding.evidence,
            since: finding.since,
        }
    }
}

/// How `limit` is relative to stable, as the config writes it.
fn compared(limit: &Limit) -> Option<String> {
    let Limit::Requests(limit) = limit else { return None };
    match limit.metric {
        Metric::ErrorRate { max: RateBound::TimesStable(times) }
        | Metric::Latency { max: LatencyBound::TimesStable(times), .. } => Some(format!("{times}x")),
        Metric::ErrorRate { max: RateBound::AboveStable(more) } => Some(format!("+{}%", (more * 1e8).round() / 1e6)),
        Metric::ErrorRate { max: RateBound::Share(_) }
        | Metric::Latency { max: LatencyBound::Time(_), .. }
        | Metric::LatencyMean { .. } => None,
    }
}

impl Kind {
    fn rolled_back() -> Self {
        Self::RolledBack
    }

    /// As it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewRevision => "new-revision",
            Self::CanaryReady => "canary-ready",
            Self::CanaryNotReady => "canary-not-ready",
            Self::Started => "started",
            Self::Step => "step",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::WeightSet => "weight-set",
            Self::Inconclusive => "inconclusive",
            Self::Promoting => "promoting",
            Self::Returning => "returning",
            Self::ReturnStopped => "return-stopped",
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled-back",
            Self::Retried => "retried",
            Self::KeptOut => "kept-out",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RolledBack | Self::ReturnStopped => Severity::Error,
            Self::CanaryNotReady | Self::Inconclusive | Self::KeptOut => Severity::Warn,
            _ => Severity::Info,
        }
    }

    /// Whether alerts tell it. What comes and goes with the canary's pods is for the log and the event stream alone.
    pub const fn is_told(self) -> bool {
        !matches!(self, Self::CanaryReady | Self::CanaryNotReady | Self::KeptOut)
    }

    /// Whether it stays in the rollout's history.
    pub const fn is_kept(self) -> bool {
        self.is_told()
    }
}

impl Grounds {
    /// The value of the label `reason` of `serin_rollbacks_total`.
    pub fn label(&self) -> &str {
        match self {
            Self::Limit(breach) | Self::StableBreach(breach) => &breach.metric,
            Self::StateUnreadable => "state-unreadable",
            Self::ProgressDeadline { .. } => "progress-deadline",
            Self::Inconclusive { .. } => "inconclusive",
            Self::Webhook { .. } => "webhook",
            Self::Operator { .. } => "abort",
            Self::StableNotReady => "stable-not-ready",
            Self::Plan => "plan",
        }
    }
}
