//! What a rollout is told: which rule it guards, between which backends, and within which limits.

use super::{BackendId, RuleId};
use std::sync::Arc;
use std::time::Duration;

/// Guards one rule: takes `canary` out of it when a limit is breached.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Unique among the rollouts.
    pub name: Arc<str>,
    /// The rule whose weights it guards.
    pub rule: RuleId,
    /// The backend that takes over.
    pub stable: BackendId,
    /// The backend on trial; never the same as `stable`.
    pub canary: BackendId,
    /// What identifies the canary being tried; the canary's version unless the file says otherwise.
    pub revision: Arc<str>,
    /// What keeps a user on one side.
    pub stickiness: Option<Stickiness>,
    /// Any one of them breached takes the canary out.
    pub rollback: Vec<Limit>,
    /// Who is told.
    pub alerts: Vec<Alert>,
}

/// What identifies a user, so that `hash(key, rollout's name) < weight` always gives the same answer.
///
/// A request without the key is split at random.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stickiness {
    /// The value of this request header (lower case).
    Header(Arc<str>),
    /// The value of this cookie.
    Cookie(Arc<str>),
    /// The address that the connection came from.
    ClientIp,
}

/// A ceiling on one metric of the canary.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// What is measured, and how much of it is too much.
    pub metric: Metric,
    /// What the plain window looks back on.
    pub window: Duration,
    /// How many requests the plain window needs before it says anything. Default 50.
    pub min_requests: u64,
    /// The detector's false alarm rate: its average run length to a false alarm is at least `1 / alpha` requests.
    /// Default 1e-5; above 0 and at most 0.1.
    pub alpha: f64,
}

/// A metric and its ceiling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// The share of requests that failed; above 0, below 1.
    ErrorRate {
        /// The highest share that is within the limit.
        max: f64,
    },
    /// A quantile of the response time.
    Latency {
        /// Which quantile.
        quantile: Quantile,
        /// The highest that is within the limit: whole microseconds, two significant digits (see [`crate::stats`]).
        max: Duration,
    },
    /// The mean response time.
    LatencyMean {
        /// The highest that is within the limit.
        max: Duration,
    },
}

/// A quantile in thousandths of a percent, so that `p99.9` prints as it was written and compares exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantile(u32);

impl Quantile {
    const ONE: u32 = 100_000;

    /// From thousandths of a percent: 99,000 is p99. `None` unless above 0 and below 100,000.
    pub fn from_milli_percent(value: u32) -> Option<Self> {
        (value > 0 && value < Self::ONE).then_some(Self(value))
    }

    /// The quantile in thousandths of a percent: p99 is 99,000.
    pub fn milli_percent(self) -> u32 {
        self.0
    }

    /// The quantile as a share, above 0 and below 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE)
    }
}

impl std::fmt::Display for Quantile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}", f64::from(self.0) / 1_000.0)
    }
}

impl std::fmt::Display for Metric {
    /// The metric's name as the config writes it: `error-rate`, `latency-p99`, `latency-mean`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ErrorRate { .. } => f.write_str("error-rate"),
            Self::Latency { quantile, .. } => write!(f, "latency-{quantile}"),
            Self::LatencyMean { .. } => f.write_str("latency-mean"),
        }
    }
}

/// Someone to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// A JSON `POST` to this address.
    Webhook {
        /// `http` or `https`.
        url: Arc<str>,
    },
}
