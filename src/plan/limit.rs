//! Limits: what is measured of a canary, and how much of it is too much.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A limit on the canary.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    /// Measured on the requests that went through.
    Requests(RequestLimit),
    /// Asked of a Prometheus server.
    Query(QueryLimit),
}

impl Limit {
    /// As people call it: the metric, or the name that the file gives to a query.
    pub fn name(&self) -> Arc<str> {
        match self {
            Self::Requests(limit) => limit.metric.to_string().into(),
            Self::Query(limit) => Arc::clone(&limit.name),
        }
    }

    /// What it looks back on.
    pub fn window(&self) -> Duration {
        match self {
            Self::Requests(limit) => limit.window,
            Self::Query(limit) => limit.window,
        }
    }
}

/// A limit on the requests that went through.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestLimit {
    /// What is measured, and how much of it is too much.
    pub metric: Metric,
    /// What the plain window looks back on.
    pub window: Duration,
    /// How many requests the plain window needs before it says anything. Default 50.
    pub min_requests: u64,
    /// The false alarm rate: the average run length to a false alarm is at least `1 / alpha` requests.
    /// Default 1e-5; above 0 and at most 0.1.
    pub alpha: f64,
}

/// A limit on what a Prometheus server answers.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryLimit {
    /// Unique among the rollout's queries.
    pub name: Arc<str>,
    /// Whom to ask, and what.
    pub prometheus: Prometheus,
    /// What the mean of the window's answers may be.
    pub range: Range,
    /// What it looks back on.
    pub window: Duration,
    /// How often it is asked. Default a tenth of the window, 1 s at least and 30 s at most.
    pub interval: Duration,
    /// How many answers the window needs before it says anything. Default 3.
    pub min_samples: u64,
}

/// What a value may be; at least one end is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lowest that is within the limit.
    pub min: Option<f64>,
    /// The highest that is within the limit.
    pub max: Option<f64>,
}

/// Whom to ask, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// The server's base, `http` or `https`; `/api/v1/query` is added to it.
    pub url: Arc<str>,
    /// `PromQL` for one value. `{{stable}}`, `{{canary}}` (versions), `{{revision}}` and `{{window}}` are filled in.
    pub query: Arc<str>,
    /// For one answer. Default 5 s.
    pub timeout: Duration,
    /// Holds the bearer token; read for each question, so that a rotated one counts.
    pub token_file: Option<PathBuf>,
    /// Holds the certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// A metric and its bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// The share of requests that failed.
    ErrorRate {
        /// The highest that is within the limit: a share above 0 and below 1, or relative to stable's.
        max: RateBound,
    },
    /// A quantile of the response time.
    Latency {
        /// Which quantile.
        quantile: Quantile,
        /// The highest that is within the limit.
        max: LatencyBound,
    },
    /// The mean response time.
    LatencyMean {
        /// The highest that is within the limit.
        max: Duration,
    },
}

/// How many of the requests may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateBound {
    /// This share of them; above 0, below 1.
    Share(f64),
    /// This many times stable's share; at least 1.
    TimesStable(f64),
    /// This much above stable's share; above 0, below 1.
    AboveStable(f64),
}

/// How slow requests may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LatencyBound {
    /// So slow: whole microseconds, two significant digits (see [`crate::stats`]).
    Time(Duration),
    /// This many times as slow as stable's; at least 1.
    TimesStable(f64),
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
