//! How much of a metric is too much: a value of its own, or one relative to stable's.

use super::Check;
use super::limits::Kind;
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::{self, Comparison, format_duration};
use crate::plan::{LatencyBound, Metric, Quantile, RateBound};
use crate::stats::{bucket_of, is_boundary, upper_bound_us};
use std::time::Duration;

impl Check<'_> {
    /// The metric with its bound: `max` or `comparedToStable`.
    pub(super) fn bound(self, kind: Option<Kind>, raw: &raw::Limit, owner: Place) -> Option<Metric> {
        match (&raw.max, &raw.compared_to_stable) {
            (Some(max), Some(compared)) => {
                let problem = Problem::new(compared.place, "both `max` and `comparedToStable`");
                let problem = problem.label("only one of them").also(max.place, "already said here");
                self.report(problem.help("write two limits, one with each"));
                None
            }
            (Some(max), None) => self.ceiling(kind?, &max.get()?.0, max),
            (None, Some(compared)) => self.compared(kind?, compared),
            (None, None) => {
                let problem = Problem::new(owner, "`max` is missing");
                self.report(problem.label("needs `max` or `comparedToStable`"));
                None
            }
        }
    }

    fn ceiling(self, kind: Kind, text: &str, at: &At<raw::BoundText>) -> Option<Metric> {
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

    fn latency(self, text: &str, at: &At<raw::BoundText>) -> Option<Duration> {
        let max = self.unit(units::parse_duration(text), at)?;
        if max.is_zero() {
            let problem = Problem::new(at.place, "a latency of at most 0 is no limit").label("above 0");
            self.report(problem.help("every request would breach it"));
        }
        (!max.is_zero()).then_some(max)
    }

    fn compared(self, kind: Kind, at: &At<raw::ComparisonText>) -> Option<Metric> {
        let quantile = match kind {
            Kind::ErrorRate => None,
            Kind::Latency(quantile) => Some(quantile),
            Kind::LatencyMean => {
                let problem = Problem::new(at.place, "`latency-mean` cannot be compared to stable");
                let label = "two means are no evidence without the spread around them";
                self.report(problem.label(label).help("compare a quantile, such as `latency-p50` or `latency-p99`"));
                return None;
            }
        };
        match self.unit(units::parse_comparison(&at.get()?.0), at)? {
            Comparison::Times(times) => self.times(quantile, times, at.place),
            Comparison::Above(more) => self.above(quantile, more, at.place),
        }
    }

    fn times(self, quantile: Option<Quantile>, times: f64, place: Place) -> Option<Metric> {
        if times < 1.0 {
            let problem = Problem::new(place, format!("{times}x asks the canary to be better than stable"));
            self.report(problem.label("at least 1x").help("the same version would breach it"));
            return None;
        }
        Some(match quantile {
            None => Metric::ErrorRate { max: RateBound::TimesStable(times) },
            Some(quantile) => Metric::Latency { quantile, max: LatencyBound::TimesStable(times) },
        })
    }

    fn above(self, quantile: Option<Quantile>, more: f64, place: Place) -> Option<Metric> {
        if let Some(quantile) = quantile {
            let problem = Problem::new(place, format!("`latency-{quantile}` has no percentage points"));
            self.report(problem.label("a multiple of stable's").help("as in `1.5x`"));
            return None;
        }
        if more <= 0.0 || more >= 1.0 {
            let problem = Problem::new(place, format!("`+{}` beside stable's is no limit", units::format_ratio(more)));
            let help = if more <= 0.0 { "`1x` is as many as stable's" } else { "nothing could breach it" };
            self.report(problem.label("above 0 and below 100%").help(help));
            return None;
        }
        Some(Metric::ErrorRate { max: RateBound::AboveStable(more) })
    }
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
