//! Limits in words: when one takes the canary out, or lets a step advance.

use crate::config::{format_duration, format_ratio, without_user};
use crate::plan::{LatencyBound, Limit, Metric, QueryLimit, RateBound, RequestLimit};

/// What takes the canary out: name, bound, window, and what speaks before the window does.
pub(super) fn out_if(limit: &Limit) -> [String; 4] {
    match limit {
        Limit::Requests(limit) => {
            let evidence = match limit.metric {
                Metric::LatencyMean { .. } => String::new(),
                _ => format!("or at once on evidence (false alarms {:e})", limit.alpha),
            };
            [limit.metric.to_string(), format!("above {}", highest(limit.metric)), over(limit), evidence]
        }
        Limit::Query(limit) => {
            let ends = [("below", limit.range.min), ("above", limit.range.max)];
            let ends = ends.iter().filter_map(|(word, end)| end.map(|end| format!("{word} {end}")));
            asked(limit, &ends.collect::<Vec<_>>().join(" or "))
        }
    }
}

/// What lets a step advance: name, bound, window, and whom it asks.
pub(super) fn advances_if(limit: &Limit) -> [String; 4] {
    match limit {
        Limit::Requests(limit) => {
            [limit.metric.to_string(), format!("at most {}", highest(limit.metric)), over(limit), String::new()]
        }
        Limit::Query(limit) => {
            let ends = [("at least", limit.range.min), ("at most", limit.range.max)];
            let ends = ends.iter().filter_map(|(word, end)| end.map(|end| format!("{word} {end}")));
            asked(limit, &ends.collect::<Vec<_>>().join(", "))
        }
    }
}

fn highest(metric: Metric) -> String {
    match metric {
        Metric::ErrorRate { max: RateBound::Share(max) } => format_ratio(max),
        Metric::ErrorRate { max: RateBound::AboveStable(more) } => format!("stable's +{}", format_ratio(more)),
        Metric::ErrorRate { max: RateBound::TimesStable(times) }
        | Metric::Latency { max: LatencyBound::TimesStable(times), .. } => format!("{times}x stable's"),
        Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => format_duration(max),
    }
}

fn over(limit: &RequestLimit) -> String {
    format!("over {}, from {} requests", format_duration(limit.window), limit.min_requests)
}

fn asked(limit: &QueryLimit, bound: &str) -> [String; 4] {
    let window = format!("over {}, from {} answers", format_duration(limit.window), limit.min_samples);
    let server = without_user(&limit.prometheus.url);
    // A query may be written over several lines.
    let query: Vec<_> = limit.prometheus.query.split_whitespace().collect();
    let asks = format!("asks {server} every {}: {}", format_duration(limit.interval), query.join(" "));
    [limit.name.to_string(), bound.to_owned(), window, asks]
}
