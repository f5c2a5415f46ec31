//! Rollback limits: metrics, ceilings, windows.

use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::{self, format_duration};
use crate::plan::{LatencyBound, Limit, Metric, Quantile, RateBound, RequestLimit, Timeouts};
use crate::stats::{bucket_of, is_boundary, upper_bound_us};
use std::time::Duration;

/// What people ask for by name; any other quantile works as well.
const METRICS: [&str; 7] =
    ["error-rate", "latency-mean", "latency-p50", "latency-p90", "latency-p95", "latency-p99", "latency-p99.9"];
/// The window moves in ticks of a quarter of a second: a shorter one would be mostly rounding.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);
/// A day of ticks is what a window may cost in memory.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3_600);
const MIN_REQUESTS: u64 = 50;
const FALSE_ALARM_RATE: f64 = 1e-5;
const HIGHEST_FALSE_ALARM_RATE: f64 = 0.1;

/// A metric's name, before its ceiling is known.
#[derive(Clone, Copy)]
enum Kind {
    ErrorRate,
    Latency(Quantile),
    LatencyMean,
}

impl Check<'_> {
    pub(super) fn rollback(self, list: Option<&At<Vec<At<raw::RollbackLimit>>>>) -> Option<Vec<Limit>> {
        let mut seen: Vec<(String, Duration, Place)> = Vec::new();
        all(value(list).into_iter().flatten().map(|at| {
            let limit = self.limit(at)?;
            let (name, window) = (limit.metric.to_string(), limit.window);
            if let Some((_, _, first)) = seen.iter().find(|(n, w, _)| *n == name && *w == window) {
                let title = format!("two limits for `{name}` over {}", format_duration(window));
                let problem = Problem::new(at.place, title).label("the second one").also(*first, "the first one");
                self.report(problem.help("the higher of the two has no effect: keep the lower"));
            }
            seen.push((name, window, at.place));
            Some(Limit::Requests(limit))
        }))
    }

    fn limit(self, at: &At<raw::RollbackLimit>) -> Option<RequestLimit> {
        let raw = at.get()?;
        let kind =
            raw.metric.need("metric", at.place, self.problems).and_then(|name| self.metric(name, raw.metric.place));
        let max = raw.max.need("max", at.place, self.problems);
        let metric = kind.zip(max).and_then(|(kind, max)| self.ceiling(kind, &max.0, &raw.max));
        let window = raw
            .window
            .need("window", at.place, self.problems)
            .and_then(|text| self.duration("window", &raw.window, &text.0, SHORTEST_WINDOW..=LONGEST_WINDOW));
        let min_requests = self.min_requests(raw.min_requests.as_ref());
        let alpha = raw.false_alarm_rate.as_ref().map_or(Some(FALSE_ALARM_RATE), |at| self.false_alarm_rate(at, kind));
        Some(RequestLimit { metric: metric?, window: window?, min_requests: min_requests?, alpha: alpha? })
    }

    fn metric(self, name: &str, place: Place) -> Option<Kind> {
        let kind = match name {
            "error-rate" => Some(Kind::ErrorRate),
            "latency-mean" => Some(Kind::LatencyMean),
            _ => name.strip_prefix("latency-p").and_then(quantile).map(Kind::Latency),
        };
        if kind.is_none() {
            let problem = Problem::new(place, format!("no metric is called `{}`", name.escape_debug()));
            let problem = problem.label("`error-rate`, `latency-mean`, or a quantile as in `latency-p99`");
            // Of quantiles every one is known: another one near would be a wrong guess.
            let known: &[&str] = if name.starts_with("latency-p") { &[] } else { &METRICS };
            self.report(problem.near(name, known));
        }
        kind
    }

    fn ceiling(self, kind: Kind, text: &str, at: &At<raw::Ceiling>) -> Option<Metric> {
        match kind {
            Kind::ErrorRate => {
                let max = self.unit(units::parse_ratio(text), at)?;
                if max > 0.0 && max < 1.0 {
                    return Some(Metric::ErrorRate { max: RateBound::Share(max) });
                }
                let problem = Problem::new(at.place, format!("an error rate of at most {text} is no limit"));
                let help = if max <= 0.0 {
                    "one failure would breach it: give the rate that is tolerable, such as `0.1%`"
                } else {
                    "nothing could breach it"
                };
                self.report(problem.label("above 0 and below 100%").help(help));
                None
            }
            Kind::Latency(quantile) => {
                let max = self.latency(text, at)?;
                if is_boundary(max) {
                    return Some(Metric::Latency { quantile, max: LatencyBound::Time(max) });
                }
                let title = format!("latencies cannot be told apart at {}", format_duration(max));
                let problem = Problem::new(at.place, title).label("between two of the histogram's bounds");
                self.report(problem.help(format!("the nearest that can be counted exactly: {}", neighbours(max))));
                None
            }
            Kind::LatencyMean => self.latency(text, at).map(|max| Metric::LatencyMean { max }),
        }
    }

    fn latency(self, text: &str, at: &At<raw::Ceiling>) -> Option<Duration> {
        let max = self.unit(units::parse_duration(text), at)?;
        if max.is_zero() {
            let problem = Problem::new(at.place, "a latency of at most 0 is no limit").label("above 0");
            self.report(problem.help("every request would breach it"));
        }
        (!max.is_zero()).then_some(max)
    }

    fn min_requests(self, at: Option<&At<u64>>) -> Option<u64> {
        let Some(at) = at else { return Some(MIN_REQUESTS) };
        let count = *at.get()?;
        if count == 0 {
            let problem = Problem::new(at.place, "`minRequests` cannot be 0").label("at least 1");
            self.report(problem.help("a window without requests has no value to judge"));
        }
        (count > 0).then_some(count)
    }

    fn false_alarm_rate(self, at: &At<raw::RateText>, kind: Option<Kind>) -> Option<f64> {
        if let Some(Kind::LatencyMean) = kind {
            let problem = Problem::new(at.place, "`falseAlarmRate` has no effect on `latency-mean`");
            self.report(problem.label("a mean has only the window").help("leave it out"));
            return None;
        }
        let rate = self.unit(units::parse_ratio(&at.get()?.0), at)?;
        if rate > 0.0 && rate <= HIGHEST_FALSE_ALARM_RATE {
            return Some(rate);
        }
        let problem = Problem::new(at.place, format!("`falseAlarmRate` cannot be {rate}"));
        self.report(problem.label(format!("above 0 and at most {HIGHEST_FALSE_ALARM_RATE}, as in `1e-5`")));
        None
    }

    /// A limit at or above a timeout has no effect: what would breach it has been cut off before.
    pub(super) fn limits_against_timeouts(self, rollouts: Option<&Vec<At<raw::Rollout>>>, timeouts: Option<&Timeouts>) {
        let Some(request) = timeouts.and_then(|timeouts| timeouts.request) else { return };
        for (_, rollout) in super::items(rollouts) {
            for (_, limit) in super::items(value(rollout.rollback.as_ref())) {
                let latency = limit.metric.get().is_some_and(|metric| metric.starts_with("latency-"));
                let max = limit.max.get().filter(|_| latency).and_then(|max| units::parse_duration(&max.0).ok());
                if max.is_some_and(|max| max >= request) {
                    let problem = Problem::new(limit.max.place, "no request can be slower than this limit");
                    let label = format!("`timeouts.request` cuts every request off at {}", format_duration(request));
                    self.report(problem.label(label).help("lower the limit, or raise the timeout"));
                }
            }
        }
    }
}

/// `99`, `99.9`: a percentage with at most three digits behind the point.
fn quantile(text: &str) -> Option<Quantile> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole, 2) || !digits(fraction, 3) {
        return None;
    }
    let value: u32 = format!("{whole}{fraction:0<3}").parse().ok()?;
    Quantile::from_milli_percent(value)
}

/// The histogram's bounds below and above `duration`, in words.
fn neighbours(duration: Duration) -> String {
    let us = u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
    let bucket = bucket_of(us);
    let bounds = [bucket.checked_sub(1).and_then(upper_bound_us), upper_bound_us(bucket)];
    let texts: Vec<_> =
        bounds.into_iter().flatten().map(|us| format!("`{}`", format_duration(Duration::from_micros(us)))).collect();
    texts.join(" or ")
}
