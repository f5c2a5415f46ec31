//! One limit and all that speaks for and against the canary keeping it.
//!
//! Two witnesses are heard. The plain window says what people see on a dashboard: the value over the last minutes, once
//! enough requests are in it. The sequential test (see [`super::detector`], and [`super::comparison`] for what is
//! relative to stable) says that luck no longer explains it, often long before the window is full. Either one alone is
//! enough for a breach; the finding says which it was. And neither is, while stable shows the same fault
//! (see [`super::controlled`]).
//!
//! **What a verdict is worth.** Of a canary that keeps its limit, the sequential test needs at least `1 / alpha`
//! requests to a false alarm on average. The window's value alone would be worth nothing: of a healthy canary at 4 %
//! with a limit of 5 %, a third of all windows of 50 requests are over it, and somebody looks ten times a second. So a
//! window over its limit is a breach only when chance does not explain it: when so many wrong ones have a probability
//! of at most `alpha`. Until then it is `WithinChance`, which holds a step for as long as it lasts and takes nothing
//! out: a canary at 4.9 % holds its time in those windows that are within the limit, half of them where they are small
//! and nearly all where they are large, and takes twice as long at the worst.
//!
//! A limit's evidence belongs to one revision and one wording of the limit: change either and it starts from nothing.

mod mean;
mod query;
mod requests;
#[cfg(test)]
mod tests;

use super::counters::Delta;
use super::tally::float;
use super::time::{Now, Timestamp};
use super::window::bound_us;
use crate::plan::{LatencyBound, Limit, Metric, RateBound};
use crate::stats::bucket_of;
use query::QueryGuard;
use requests::RequestGuard;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a limit says about the canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Out with it.
    Breach,
    /// Enough requests, and within the limit.
    Healthy,
    /// Not enough to say either.
    Inconclusive,
}

/// Why a verdict is what it is, where its name does not say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Breach: the sequential test raised its alarm.
    Detector,
    /// The window's value is over the limit. In `rollback` a breach; in `promotion`, where nothing is taken out,
    /// Inconclusive.
    Window,
    /// Inconclusive: fewer than `minRequests` in the window.
    NotEnoughRequests,
    /// Inconclusive: stable shows the same fault.
    StableAlsoFailing,
    /// Inconclusive: the window's value is over the limit, and chance explains it.
    WithinChance,
    /// Inconclusive: stable got too few requests to compare with.
    NothingToCompareWith,
    /// Inconclusive: fewer than `minSamples` answers in the window.
    NotEnoughAnswers,
    /// Inconclusive: the query has no data, or nobody answered it. The text says what happened.
    NoAnswer(String),
}

/// A verdict with the numbers it was reached from. Values are ratios for `error-rate` and microseconds for latencies.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it comes to.
    pub verdict: Verdict,
    /// Why; `None` for Healthy, which needs none.
    pub reason: Option<Reason>,
    /// The canary's value over the window; `None` without a request.
    pub value: Option<f64>,
    /// Stable's value over the same window, for a limit relative to stable over the last in which stable had traffic;
    /// `None` without a request.
    pub stable_value: Option<f64>,
    /// The canary's requests that the value is from.
    pub samples: u64,
    /// The detector's evidence over its alarm level; `None` where there is no detector.
    pub evidence: Option<f64>,
    /// Since when there has been something against the canary: a value over the limit, or evidence above 0.
    pub since: Option<Timestamp>,
}

/// What a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Takes the canary out when it is breached.
    Rollback,
    /// Lets a step advance while it is healthy.
    Promotion,
}

/// What came back for a [`QueryLimit`](crate::plan::QueryLimit): a value, nothing, or what went wrong.
pub type Answer = Result<Option<f64>, String>;

/// A limit at work.
#[derive(Debug, Clone)]
pub struct Guard {
    limit: Limit,
    work: Work,
}

#[derive(Debug, Clone)]
enum Work {
    Requests(Box<RequestGuard>),
    Query(Box<QueryGuard>),
}

impl Guard {
    /// Has seen nothing yet.
    pub fn new(limit: Limit, role: Role) -> Self {
        let work = match &limit {
            Limit::Requests(limit) => Work::Requests(Box::new(RequestGuard::new(limit.clone(), role))),
            Limit::Query(limit) => Work::Query(Box::new(QueryGuard::new(limit.clone(), role))),
        };
        Self { limit, work }
    }

    /// The limit.
    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Forgets what stable did: another version stands there now.
    pub fn forget_stable(&mut self) {
        if let Work::Requests(guard) = &mut self.work {
            guard.forget_stable();
        }
    }

    /// The split has moved: what both did until now is no longer comparable with what they do from now on. (Counts over
    /// a fault and a move of the split would blame whoever got its traffic late.) `share` is the canary's, 0 to 1, of
    /// what the two get together.
    pub fn resplit(&mut self, share: f64) {
        if let Work::Requests(guard) = &mut self.work {
            guard.resplit(Some(share));
        }
    }

    /// Takes in what was counted since the last call. For a query's limit only time passes.
    pub fn observe(&mut self, canary: &Delta, stable: &Delta, now: Now) {
        match &mut self.work {
            Work::Requests(guard) => guard.observe(canary, stable, now),
            Work::Query(guard) => guard.pass(now),
        }
    }

    /// Takes in what was answered. A limit on requests has no use for it.
    pub fn answered(&mut self, answer: &Answer, now: Now) {
        if let Work::Query(guard) = &mut self.work {
            guard.answered(answer, now);
        }
    }

    /// What it comes to now.
    pub fn finding(&self) -> Finding {
        match &self.work {
            Work::Requests(guard) => guard.finding(),
            Work::Query(guard) => guard.finding(),
        }
    }
}

/// The lowest and the highest that are within `limit`, in the unit of [`Finding::value`]; what is relative to stable
/// has no end while stable has no value.
pub(super) fn bounds(limit: &Limit, stable_value: Option<f64>) -> (Option<f64>, Option<f64>) {
    match limit {
        Limit::Query(limit) => (limit.range.min, limit.range.max),
        Limit::Requests(limit) => {
            let max = match limit.metric {
                Metric::ErrorRate { max: RateBound::Share(max) } => Some(max),
                Metric::ErrorRate { max: RateBound::TimesStable(times) } => stable_value.map(|v| (v * times).min(1.0)),
                // As the histogram tells it: the values that this is compared with are bounds of buckets too.
                Metric::Latency { max: LatencyBound::TimesStable(times), .. } => {
                    stable_value.and_then(|us| bound_us(times_bucket(us, times))).map(float)
                }
                Metric::ErrorRate { max: RateBound::AboveStable(more) } => stable_value.map(|v| (v + more).min(1.0)),
                Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => Some(us(max)),
            };
            (None, max)
        }
    }
}

/// The bucket of `times` as long as `us`.
fn times_bucket(us: f64, times: f64) -> usize {
    bucket_of(whole_us(Duration::try_from_secs_f64(us * times / 1e6).unwrap_or(Duration::MAX)))
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
