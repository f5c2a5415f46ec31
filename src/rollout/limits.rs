//! One limit and all that speaks for and against the canary keeping it.
//!
//! Two witnesses are heard. The plain window says what people see on a dashboard: the value over the last minutes, once
//! enough requests are in it. The detector (see [`super::detector`]) says that luck no longer explains it, often long
//! before the window is full. Either one alone is enough for a breach; the finding says which it was. A mean has no
//! probability to test, so `latency-mean` has the window alone.
//!
//! A limit's evidence belongs to one revision and one wording of the limit: change either and it starts from nothing.

use super::counters::Delta;
use super::detector::Detector;
use super::time::{Now, Timestamp};
use super::window::Window;
use crate::plan::{LatencyBound, Limit, Metric, Quantile, RateBound, RequestLimit};
use crate::stats::bucket_of;
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
    /// Breach: the window's value is over the limit.
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
    /// Stable's value over the same window; `None` without a request.
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
    requests: Option<RequestGuard>,
}

impl Guard {
    /// Has seen nothing yet.
    pub fn new(limit: Limit, role: Role) -> Self {
        let _ = role;
        let requests = match &limit {
            Limit::Requests(limit) => Some(RequestGuard::new(limit.clone())),
            Limit::Query(_) => None,
        };
        Self { limit, requests }
    }

    /// The limit.
    pub fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Forgets what stable did: another version stands there now.
    pub fn forget_stable(&mut self) {
        if let Some(guard) = &mut self.requests {
            guard.forget_stable();
        }
    }

    /// Takes in what was counted since the last call. A query's limit has no use for it.
    pub fn observe(&mut self, canary: &Delta, stable: &Delta, now: Now) {
        if let Some(guard) = &mut self.requests {
            guard.observe(canary, stable, now);
        }
    }

    /// Takes in what was answered. A limit on requests has no use for it.
    pub fn answered(&mut self, answer: &Answer, now: Now) {
        let _ = (answer, now);
    }

    /// What it comes to now.
    pub fn finding(&self) -> Finding {
        match &self.requests {
            Some(guard) => guard.finding(),
            None => Finding {
                verdict: Verdict::Inconclusive,
                reason: Some(Reason::NotEnoughAnswers),
                value: None,
                stable_value: None,
                samples: 0,
                evidence: None,
                since: None,
            },
        }
    }
}

/// A limit on requests at work.
#[derive(Debug, Clone)]
struct RequestGuard {
    limit: RequestLimit,
    canary: Window,
    stable: Window,
    detector: Option<Detector>,
    against_since: Option<Timestamp>,
}

impl RequestGuard {
    /// Has seen nothing yet.
    fn new(limit: RequestLimit) -> Self {
        let p0 = match limit.metric {
            Metric::ErrorRate { max: RateBound::Share(max) } => Some(max),
            Metric::Latency { quantile, .. } => Some(1.0 - quantile.share()),
            _ => None,
        };
        let detector = p0.map(|p0| Detector::new(p0, limit.alpha));
        let (canary, stable) = (Window::new(limit.window), Window::new(limit.window));
        Self { limit, canary, stable, detector, against_since: None }
    }

    /// Forgets what stable did: another version stands there now.
    fn forget_stable(&mut self) {
        self.stable = Window::new(self.limit.window);
    }

    /// Takes in what was counted since the last call.
    fn observe(&mut self, canary: &Delta, stable: &Delta, now: Now) {
        self.canary.push(canary, now.monotonic);
        self.stable.push(stable, now.monotonic);
        let (wrong, of) = match self.limit.metric {
            Metric::ErrorRate { .. } => (canary.failed, canary.judged),
            Metric::Latency { max: LatencyBound::Time(max), .. } => {
                (canary.slower_than(bucket_of(whole_us(max))), canary.timed)
            }
            _ => (0, 0),
        };
        // A tick without requests must not look like one more place to start from.
        if let Some(detector) = self.detector.as_mut().filter(|_| of > 0) {
            detector.observe(wrong, of - wrong);
        }
        if self.over() || self.detector.as_ref().is_some_and(|detector| detector.evidence() > 0.0) {
            self.against_since.get_or_insert(now.wall);
        } else {
            self.against_since = None;
        }
    }

    /// What it comes to now.
    fn finding(&self) -> Finding {
        let enough = self.samples() >= self.limit.min_requests.max(1);
        let (verdict, reason) = match &self.detector {
            Some(detector) if detector.alarmed() => (Verdict::Breach, Some(Reason::Detector)),
            _ if enough && self.over() => (Verdict::Breach, Some(Reason::Window)),
            _ if enough => (Verdict::Healthy, None),
            _ => (Verdict::Inconclusive, Some(Reason::NotEnoughRequests)),
        };
        Finding {
            verdict,
            reason,
            value: self.value(&self.canary),
            stable_value: self.value(&self.stable),
            samples: self.samples(),
            evidence: self.detector.as_ref().map(Detector::evidence),
            since: self.against_since,
        }
    }

    /// Whether the window's value is over the limit, however few requests it is from.
    fn over(&self) -> bool {
        match self.limit.metric {
            // Correctly rounded division: 5 of 100 is the same number as a limit of 0.05.
            Metric::ErrorRate { max: RateBound::Share(max) } => self.canary.error_rate().is_some_and(|rate| rate > max),
            // By bucket: the limit is a bucket's upper bound, so this counts exactly who was slower.
            Metric::Latency { quantile, max: LatencyBound::Time(max) } => self.slower(quantile, max),
            Metric::LatencyMean { max } => self.canary.mean_us().is_some_and(|mean| mean > us(max)),
            _ => false,
        }
    }

    fn slower(&self, quantile: Quantile, max: Duration) -> bool {
        self.canary.quantile_bucket(quantile).is_some_and(|bucket| bucket > bucket_of(whole_us(max)))
    }

    fn samples(&self) -> u64 {
        match self.limit.metric {
            Metric::ErrorRate { .. } => self.canary.counts().judged,
            Metric::Latency { .. } | Metric::LatencyMean { .. } => self.canary.counts().timed,
        }
    }

    fn value(&self, window: &Window) -> Option<f64> {
        match self.limit.metric {
            Metric::ErrorRate { .. } => window.error_rate(),
            #[expect(clippy::cast_precision_loss, reason = "1,000 s at most")]
            Metric::Latency { quantile, .. } => window.quantile_us(quantile).map(|us| us as f64),
            Metric::LatencyMean { .. } => window.mean_us(),
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
                Metric::ErrorRate { max: RateBound::TimesStable(times) }
                | Metric::Latency { max: LatencyBound::TimesStable(times), .. } => stable_value.map(|v| v * times),
                Metric::ErrorRate { max: RateBound::AboveStable(more) } => stable_value.map(|v| v + more),
                Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => Some(us(max)),
            };
            (None, max)
        }
    }
}

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(metric: Metric) -> RequestLimit {
        RequestLimit { metric, window: Duration::from_secs(300), min_requests: 50, alpha: 1e-5 }
    }

    fn errors() -> RequestGuard {
        RequestGuard::new(limit(Metric::ErrorRate { max: RateBound::Share(0.05) }))
    }

    fn p99(ms: u64) -> RequestGuard {
        let quantile = Quantile::from_milli_percent(99_000).unwrap();
        RequestGuard::new(limit(Metric::Latency { quantile, max: LatencyBound::Time(Duration::from_millis(ms)) }))
    }

    /// `judged` requests of `ms` each, of which `failed` failed.
    fn requests(judged: u64, failed: u64, ms: u64) -> Delta {
        Delta {
            requests: judged,
            judged,
            failed,
            timed: judged,
            duration_sum_us: judged * ms * 1_000,
            durations: vec![(u16::try_from(bucket_of(ms * 1_000)).unwrap(), judged)],
            ..Delta::default()
        }
    }

    fn at(seconds: u64) -> Now {
        Now {
            monotonic: Duration::from_secs(seconds),
            wall: Timestamp::from_duration(Duration::from_secs(1_700_000_000 + seconds)),
        }
    }

    fn verdict(guard: &RequestGuard) -> (Verdict, Option<Reason>) {
        (guard.finding().verdict, guard.finding().reason)
    }

    #[test]
    fn too_few_requests_are_neither_healthy_nor_a_breach() {
        let mut guard = errors();
        assert_eq!(verdict(&guard), (Verdict::Inconclusive, Some(Reason::NotEnoughRequests)));
        guard.observe(&requests(49, 3, 1), &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Inconclusive, Some(Reason::NotEnoughRequests)));
        guard.observe(&requests(11, 0, 1), &Delta::default(), at(1));
        assert_eq!(verdict(&guard), (Verdict::Healthy, None), "3 of 60 is 5 %, and that is within 5 %");
    }

    #[test]
    fn the_detector_does_not_wait_for_the_window() {
        let mut guard = errors();
        guard.observe(&requests(5, 5, 1), &requests(10, 1, 1), at(7));
        let finding = guard.finding();
        assert_eq!((finding.verdict, finding.reason), (Verdict::Breach, Some(Reason::Detector)));
        assert_eq!((finding.value, finding.stable_value, finding.samples), (Some(1.0), Some(0.1), 5));
        assert!(finding.evidence.unwrap() >= 1.0);
        assert_eq!(finding.since, Some(at(7).wall));
    }

    #[test]
    fn the_window_finds_what_is_too_slight_for_the_detector() {
        let mut guard = errors();
        guard.observe(&requests(1_000, 51, 1), &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Breach, Some(Reason::Window)));
    }

    #[test]
    fn exactly_the_limit_is_within_it_and_just_above_is_not() {
        let mut guard = p99(500);
        let mut mixed = requests(990, 0, 100);
        mixed.merge(&requests(10, 0, 510));
        guard.observe(&mixed, &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Healthy, None), "1 % may be slower than the p99's limit");
        guard.observe(&requests(1, 0, 510), &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Breach, Some(Reason::Window)));
        let mut on_time = p99(500);
        on_time.observe(&requests(1_000, 0, 500), &Delta::default(), at(0));
        assert_eq!(verdict(&on_time), (Verdict::Healthy, None), "as slow as the limit is not slower than it");
    }

    #[test]
    fn a_canary_that_is_always_too_slow_is_found_in_a_few_requests() {
        let mut guard = p99(500);
        guard.observe(&requests(6, 0, 700), &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Breach, Some(Reason::Detector)));
    }

    #[test]
    fn a_mean_has_the_window_alone() {
        let mut guard = RequestGuard::new(limit(Metric::LatencyMean { max: Duration::from_millis(500) }));
        guard.observe(&requests(50, 50, 500), &Delta::default(), at(0));
        assert_eq!((verdict(&guard), guard.finding().evidence), ((Verdict::Healthy, None), None));
        guard.observe(&requests(1, 0, 501), &Delta::default(), at(0));
        assert_eq!(verdict(&guard), (Verdict::Breach, Some(Reason::Window)));
    }

    #[test]
    fn what_speaks_against_it_is_dated_from_when_it_began_and_forgotten_when_it_ends() {
        let mut guard = errors();
        guard.observe(&requests(100, 0, 1), &Delta::default(), at(0));
        assert_eq!(guard.finding().since, None);
        guard.observe(&requests(2, 2, 1), &Delta::default(), at(1));
        guard.observe(&Delta::default(), &Delta::default(), at(2));
        assert_eq!(guard.finding().since, Some(at(1).wall));
        guard.observe(&requests(100, 0, 1), &Delta::default(), at(3));
        assert_eq!(guard.finding().since, None);
    }
}
