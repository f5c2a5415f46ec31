//! Limits: which metric, over which window; those on requests here, those on a query's answers in `queries`.

use super::names::Names;
use super::{Check, all, items, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::{self, format_duration};
use crate::plan::{LatencyBound, Limit, Metric, Quantile, RateBound, RequestLimit, Rollout, Rule, Timeouts};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What people ask for by name; any other quantile works as well.
const METRICS: [&str; 7] =
    ["error-rate", "latency-mean", "latency-p50", "latency-p90", "latency-p95", "latency-p99", "latency-p99.9"];
/// The window moves in ticks of 100 ms: one below a second would be mostly rounding. A day of ticks is
/// what a window may cost in memory.
pub(super) const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);
const MIN_REQUESTS: u64 = 50;
const FALSE_ALARM_RATE: f64 = 1e-5;
const HIGHEST_FALSE_ALARM_RATE: f64 = 0.1;

/// A metric's name, before its bound is known.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    ErrorRate,
    Latency(Quantile),
    LatencyMean,
}

/// Which list of a rollout a limit stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ListOf {
    Rollback,
    Promotion,
}

impl Kind {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "error-rate" => Some(Self::ErrorRate),
            "latency-mean" => Some(Self::LatencyMean),
            _ => name.strip_prefix("latency-p").and_then(quantile).map(Self::Latency),
        }
    }
}

impl Check<'_> {
    /// One list of limits. `queries` are the names that the rollout's queries have so far, `unsaid` the placeholders
    /// that nothing could be filled in for.
    pub(super) fn limit_list(
        self,
        list_of: ListOf,
        list: Option<&At<Vec<At<raw::Limit>>>>,
        queries: &mut Names,
        unsaid: &[&str],
    ) -> Option<Vec<Limit>> {
        let mut seen: Vec<(String, Place)> = Vec::new();
        all(value(list).into_iter().flatten().enumerate().map(|(index, at)| {
            let raw = at.get()?;
            match (&raw.metric, &raw.prometheus) {
                (Some(metric), Some(prometheus)) => {
                    let problem = Problem::new(prometheus.place, "both `metric` and `prometheus`");
                    self.report(problem.label("only one of them").also(metric.place, "already said here"));
                    None
                }
                (Some(metric), None) => {
                    let limit = self.request_limit(list_of, raw, metric, at.place)?;
                    self.once(&limit, at.place, &mut seen);
                    Some(Limit::Requests(limit))
                }
                (None, Some(prometheus)) => {
                    let limit = self.query_limit(raw, prometheus, at.place, unsaid)?;
                    let name = raw.name.as_ref()?;
                    queries.declare(&limit.name, name.place, index, self);
                    Some(Limit::Query(limit))
                }
                (None, None) => {
                    let missing = if raw.name.is_some() { "prometheus" } else { "metric" };
                    let problem = Problem::new(at.place, format!("`{missing}` is missing"));
                    self.report(problem.label("needs `metric`, or `name` and `prometheus`"));
                    None
                }
            }
        }))
    }

    /// Of two limits that differ in their bound alone, one does nothing.
    fn once(self, limit: &RequestLimit, place: Place, seen: &mut Vec<(String, Place)>) {
        let relative = match limit.metric {
            Metric::ErrorRate { max: RateBound::Share(_) }
            | Metric::Latency { max: LatencyBound::Time(_), .. }
            | Metric::LatencyMean { .. } => "",
            Metric::ErrorRate { max: RateBound::TimesStable(_) }
            | Metric::Latency { max: LatencyBound::TimesStable(_), .. } => " in multiples of stable's",
            Metric::ErrorRate { max: RateBound::AboveStable(_) } => " above stable's",
        };
        let what = format!("`{}`{relative} over {}", limit.metric, format_duration(limit.window));
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == what) {
            let problem = Problem::new(place, format!("two limits for {what}"));
            let problem = problem.label("the second one").also(*first, "the first one");
            self.report(problem.help("the higher of the two has no effect: keep the lower"));
        }
        seen.push((what, place));
    }

    fn request_limit(
        self,
        list_of: ListOf,
        raw: &raw::Limit,
        metric: &At<String>,
        owner: Place,
    ) -> Option<RequestLimit> {
        let kind = metric.get().and_then(|name| self.metric(name, metric.place));
        let of_queries = [
            ("name", raw.name.as_ref().map(|at| at.place)),
            ("min", raw.min.as_ref().map(|at| at.place)),
            ("interval", raw.interval.as_ref().map(|at| at.place)),
            ("minSamples", raw.min_samples.as_ref().map(|at| at.place)),
        ];
        self.without_effect(of_queries, "a `metric`", "for `prometheus` limits only");
        let metric = self.bound(kind, raw, owner);
        let window = self.window(raw, owner);
        let min_requests = self.at_least_one(
            ("minRequests", "a window without requests has no value to judge"),
            raw.min_requests.as_ref(),
            MIN_REQUESTS,
        );
        let alpha =
            raw.false_alarm_rate.as_ref().map_or(Some(FALSE_ALARM_RATE), |at| self.false_alarm_rate(at, kind, list_of));
        Some(RequestLimit { metric: metric?, window: window?, min_requests: min_requests?, alpha: alpha? })
    }

    fn metric(self, name: &str, place: Place) -> Option<Kind> {
        let kind = Kind::of(name);
        if kind.is_none() {
            let problem = Problem::new(place, format!("no metric is called `{}`", name.escape_debug()));
            let problem = problem.label("`error-rate`, `latency-mean`, or a quantile as in `latency-p99`");
            // Of quantiles every one is known: another one near would be a wrong guess.
            let known: &[&str] = if name.starts_with("latency-p") { &[] } else { &METRICS };
            self.report(problem.near(name, known));
        }
        kind
    }

    /// Reports the keys that are there and mean nothing beside `what`.
    pub(super) fn without_effect<const N: usize>(self, keys: [(&str, Option<Place>); N], what: &str, why: &str) {
        for (key, place) in keys {
            let Some(place) = place else { continue };
            let problem = Problem::new(place, format!("`{key}` has no effect on {what}"));
            self.report(problem.label(why).help("leave it out"));
        }
    }

    pub(super) fn window(self, raw: &raw::Limit, owner: Place) -> Option<Duration> {
        let text = raw.window.need("window", owner, self.problems)?;
        self.duration("window", &raw.window, &text.0, WINDOW)
    }

    /// A number of requests or answers that may be left out. `key` comes with the reason why it cannot be 0.
    pub(super) fn at_least_one(self, key: (&str, &str), at: Option<&At<u64>>, default: u64) -> Option<u64> {
        let Some(at) = at else { return Some(default) };
        let count = *at.get()?;
        if count == 0 {
            let problem = Problem::new(at.place, format!("`{}` cannot be 0", key.0)).label("at least 1");
            self.report(problem.help(key.1));
        }
        (count > 0).then_some(count)
    }

    fn false_alarm_rate(self, at: &At<raw::RateText>, kind: Option<Kind>, list_of: ListOf) -> Option<f64> {
        if list_of == ListOf::Promotion {
            let why = "it takes nothing out, so it raises no alarm";
            self.without_effect([("falseAlarmRate", Some(at.place))], "a limit of `promotion`", why);
            return None;
        }
        if let Some(Kind::LatencyMean) = kind {
            self.without_effect([("falseAlarmRate", Some(at.place))], "`latency-mean`", "a mean has only the window");
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

    /// A limit at or above a timeout has no effect: what would breach it has been cut off before. `rollouts` and `rules`
    /// are those that were checked; where they are not right, the file's own `timeouts` are all that is known.
    pub(super) fn limits_against_timeouts(
        self,
        list: Option<&Vec<At<raw::Rollout>>>,
        timeouts: Option<&Timeouts>,
        checked: Option<(&[Rollout], &[Rule])>,
    ) {
        for (index, (_, rollout)) in items(list).enumerate() {
            let rule = checked.map(|(rollouts, rules)| &rules[rollouts[index].rule.index()]);
            let request = rule.map(|rule| &rule.timeouts).or(timeouts).and_then(|timeouts| timeouts.request);
            let one = rule.and_then(|rule| rule.backend_request);
            let bounds = [("timeouts.backendRequest", one), ("timeouts.request", request)];
            let Some((key, most)) = bounds.iter().find_map(|(key, most)| Some((*key, (*most)?))) else { continue };
            let promotion = value(rollout.promotion.as_ref()).and_then(|promotion| value(promotion.limits.as_ref()));
            for (_, limit) in items(value(rollout.rollback.as_ref())).chain(items(promotion)) {
                let latency = value(limit.metric.as_ref()).is_some_and(|metric| metric.starts_with("latency-"));
                let Some(at) = limit.max.as_ref().filter(|_| latency) else { continue };
                let max = at.get().and_then(|max| units::parse_duration(&max.0).ok());
                if max.is_some_and(|max| max >= most) {
                    let problem = Problem::new(at.place, "no request can be slower than this limit");
                    let label = format!("`{key}` cuts every request off at {}", format_duration(most));
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
