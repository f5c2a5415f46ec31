//! What is written down when a canary is taken out: for the state store, the alert and the API alike.

use super::limits::{Finding, Reason, ceiling};
use super::time::{Timestamp, duration_text};
use crate::plan::{Limit, Metric};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a canary was taken out, with the numbers as they were then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The rollout's name.
    pub rollout: Arc<str>,
    /// The revision that was on trial.
    pub revision: Arc<str>,
    /// When it was decided.
    pub at: Timestamp,
    /// The canary's weight until then, in percent of the rule's traffic.
    pub weight: f64,
    /// Requests that the canary was judged by since its trial began (or the process started), aborted ones aside.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// What it came from.
    pub grounds: Grounds,
}

/// What a decision came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grounds {
    /// A limit was breached.
    Limit(Breach),
    /// The state that says which revisions failed could not be read, so none is trusted until someone says retry.
    StateUnreadable,
}

/// A limit and the numbers that breached it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breach {
    /// `error-rate`, `latency-p99`, `latency-mean`.
    pub metric: String,
    /// The unit of `max`, `value` and `stableValue`.
    pub unit: Unit,
    /// The limit.
    pub max: f64,
    /// The canary's value over the window.
    pub value: Option<f64>,
    /// Stable's value over the same window.
    pub stable_value: Option<f64>,
    /// The canary's requests in the window.
    pub samples: u64,
    /// The detector's evidence over its alarm level: 1 is an alarm. `null` where there is no detector.
    pub evidence: Option<f64>,
    /// Which of the two it was: `detector` or `window`.
    pub by: Option<Reason>,
    /// What the window looks back on, as the config writes it.
    pub window: String,
    /// Since when something spoke against the canary.
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
}

impl Unit {
    /// The unit in which `metric` is shown.
    pub fn of(metric: Metric) -> Self {
        match metric {
            Metric::ErrorRate { .. } => Self::Ratio,
            Metric::Latency { .. } | Metric::LatencyMean { .. } => Self::Ms,
        }
    }

    /// A [`Finding`]'s number in this unit.
    pub fn show(self, value: f64) -> f64 {
        match self {
            Self::Ratio => value,
            Self::Ms => value / 1_000.0,
        }
    }

    /// `value`, which is in this unit, for people.
    fn text(self, value: f64) -> String {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        match self {
            Self::Ratio => format!("{} %", rounded(value * 100.0)),
            Self::Ms => format!("{} ms", rounded(value)),
        }
    }
}

impl Breach {
    /// What `finding`, a breach of `limit`, found.
    pub fn new(limit: &Limit, finding: &Finding) -> Self {
        let unit = Unit::of(limit.metric);
        Self {
            metric: limit.metric.to_string(),
            unit,
            max: unit.show(ceiling(limit.metric)),
            value: finding.value.map(|value| unit.show(value)),
            stable_value: finding.stable_value.map(|value| unit.show(value)),
            samples: finding.samples,
            evidence: finding.evidence,
            by: finding.reason,
            window: duration_text(limit.window),
            since: finding.since,
        }
    }
}

impl Grounds {
    /// The value of the label `reason` of `serin_rollbacks_total`.
    pub fn label(&self) -> &str {
        match self {
            Self::Limit(breach) => &breach.metric,
            Self::StateUnreadable => "state-unreadable",
        }
    }
}

impl fmt::Display for Decision {
    /// One sentence, for a log line or a chat message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rollout {}: canary {} taken out: ", self.rollout, self.revision)?;
        match &self.grounds {
            Grounds::Limit(breach) => {
                let value = |value: Option<f64>| value.map_or("-".to_owned(), |value| breach.unit.text(value));
                write!(
                    f,
                    "{} {} over {} (limit {}, stable {}), {} of {} requests failed at weight {} %",
                    breach.metric,
                    value(breach.value),
                    breach.window,
                    breach.unit.text(breach.max),
                    value(breach.stable_value),
                    self.failed,
                    self.requests,
                    (self.weight * 1_000.0).round() / 1_000.0,
                )
            }
            Grounds::StateUnreadable => f.write_str("the saved state that says which revisions failed cannot be read"),
        }
    }
}
