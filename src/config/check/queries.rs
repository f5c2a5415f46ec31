//! Limits on what a Prometheus server answers.

use super::Check;
use super::limits::Kind;
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::{self, format_duration};
use crate::plan::{Prometheus, QueryLimit, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);
const MIN_SAMPLES: u64 = 3;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// An answer that takes longer is of no use to anybody who watches a canary.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);
/// What a query may leave to be filled in.
const PLACEHOLDERS: [&str; 4] = ["stable", "canary", "revision", "window"];

impl Check<'_> {
    pub(super) fn query_limit(
        self,
        raw: &raw::Limit,
        prometheus: &At<raw::Prometheus>,
        owner: Place,
        unsaid: &[&str],
    ) -> Option<QueryLimit> {
        let of_metrics = [
            ("comparedToStable", raw.compared_to_stable.as_ref().map(|at| at.place)),
            ("minRequests", raw.min_requests.as_ref().map(|at| at.place)),
            ("falseAlarmRate", raw.false_alarm_rate.as_ref().map(|at| at.place)),
        ];
        self.without_effect(of_metrics, "a query", "for limits on a `metric` only");
        let name = self.query_name(raw, owner);
        let prometheus = self.prometheus(prometheus, unsaid);
        let range = self.range(raw, owner);
        let window = self.window(raw, owner);
        let interval = match (&raw.interval, window) {
            (Some(at), window) => self.interval(at, window),
            (None, window) => window.map(|window| (window / 10).clamp(Duration::from_secs(1), Duration::from_secs(30))),
        };
        let min_samples = self.at_least_one(
            ("minSamples", "a window without answers has no value to judge"),
            raw.min_samples.as_ref(),
            MIN_SAMPLES,
        );
        let limit = QueryLimit {
            name: name?,
            prometheus: prometheus?,
            range: range?,
            window: window?,
            interval: interval?,
            min_samples: min_samples?,
        };
        self.enough_answers(raw, &limit).then_some(limit)
    }

    /// A name that can stand where a metric's stands, and is none.
    fn query_name(self, raw: &raw::Limit, owner: Place) -> Option<Arc<str>> {
        let Some(at) = &raw.name else {
            self.report(Problem::new(owner, "`name` is missing").label("a limit with `prometheus` needs a `name`"));
            return None;
        };
        let name = self.name(at, owner)?;
        if Kind::of(&name).is_some() {
            let problem = Problem::new(at.place, format!("`{name}` is the name of a metric"));
            self.report(problem.label("another name").help("or leave `prometheus` out and write `metric`"));
            return None;
        }
        Some(name)
    }

    fn range(self, raw: &raw::Limit, owner: Place) -> Option<Range> {
        let number = |at: &At<raw::BoundText>| self.unit(units::parse_number(&at.get()?.0), at);
        let end = |at: Option<&At<raw::BoundText>>| at.map_or(Some(None), |at| number(at).map(Some));
        let (min, max) = (end(raw.min.as_ref()), end(raw.max.as_ref()));
        let range = Range { min: min?, max: max? };
        match (range.min, range.max) {
            (None, None) => {
                let problem = Problem::new(owner, "`min` and `max` are missing");
                self.report(problem.label("needs one of them at least").help("as in `min: 99%`"));
                None
            }
            (Some(min), Some(max)) if min > max => {
                let place = raw.min.as_ref().map_or(owner, |at| at.place);
                let highest = raw.max.as_ref().map_or(owner, |at| at.place);
                let problem = Problem::new(place, "`min` is above `max`").label("no value is within both");
                self.report(problem.also(highest, "the highest"));
                None
            }
            _ => Some(range),
        }
    }

    fn interval(self, at: &At<raw::DurationText>, window: Option<Duration>) -> Option<Duration> {
        let longest = window.unwrap_or(Duration::MAX);
        let interval = self.unit(units::parse_duration(&at.get()?.0), at)?;
        if interval < SHORTEST_INTERVAL {
            let problem = Problem::new(at.place, format!("`interval` cannot be {}", format_duration(interval)));
            self.report(problem.label(format!("at least {}", format_duration(SHORTEST_INTERVAL))));
        } else if interval > longest {
            let problem = Problem::new(at.place, "`interval` is longer than the window");
            self.report(problem.label(format!("at most {}", format_duration(longest))));
        }
        (SHORTEST_INTERVAL..=longest).contains(&interval).then_some(interval)
    }

    /// Whether the window can ever hold the answers that it needs; reports when not.
    fn enough_answers(self, raw: &raw::Limit, limit: &QueryLimit) -> bool {
        let samples = u32::try_from(limit.min_samples).unwrap_or(u32::MAX);
        let fits = limit.interval.checked_mul(samples).is_some_and(|needed| needed <= limit.window);
        if !fits {
            let place = raw.min_samples.as_ref().map(|at| at.place).or(raw.interval.as_ref().map(|at| at.place));
            let (interval, window) = (format_duration(limit.interval), format_duration(limit.window));
            let title = format!("a window of {window} never has {} answers, one every {interval}", limit.min_samples);
            let problem = Problem::new(place.unwrap_or(raw.window.place), title).label("nothing would ever be judged");
            self.report(problem.help("give it a longer `window`, a shorter `interval` or fewer `minSamples`"));
        }
        fits
    }

    fn prometheus(self, at: &At<raw::Prometheus>, unsaid: &[&str]) -> Option<Prometheus> {
        let raw = at.get()?;
        let url = self.base(&raw.url, at.place);
        let query =
            raw.query.need("query", at.place, self.problems).and_then(|q| self.query(q, raw.query.place, unsaid));
        let timeout = self.duration_or("timeout", raw.timeout.as_ref(), TIMEOUT, SHORTEST_TIMEOUT..=LONGEST_TIMEOUT);
        let file = |key, at: Option<&At<String>>| at.map_or(Some(None), |at| self.path(at, key).map(Some));
        let token_file: Option<Option<PathBuf>> = file("tokenFile", raw.token_file.as_ref());
        let ca_file = file("caFile", raw.ca_file.as_ref());
        if let (Some(url), Some(ca)) = (&url, &raw.ca_file)
            && !url.starts_with("https:")
        {
            let problem = Problem::new(ca.place, "`caFile` has no effect without `https`");
            let problem = problem.label("for the certificate that the server shows");
            self.report(
                problem.also(raw.url.place, "nothing is encrypted here").help("write `https://`, or leave it out"),
            );
            return None;
        }
        Some(Prometheus { url: url?, query: query?, timeout: timeout?, token_file: token_file?, ca_file: ca_file? })
    }

    /// The address that `/api/v1/query` is added to.
    fn base(self, at: &At<String>, owner: Place) -> Option<Arc<str>> {
        let url = self.web_address(at, owner, "a Prometheus server")?;
        if url.contains(['?', '#']) {
            let problem = Problem::new(at.place, "`url` has a query of its own").label("up to its path");
            self.report(problem.help("`/api/v1/query` and what is asked are added to it"));
            return None;
        }
        Some(url.trim_end_matches('/').into())
    }

    /// `PromQL` whose placeholders are known, written without spaces inside.
    fn query(self, text: &str, place: Place, unsaid: &[&str]) -> Option<Arc<str>> {
        let refuse = |title: String, label: &str| Problem::new(place, title).label(label.to_owned());
        if text.trim().is_empty() {
            self.report(refuse("`query` is empty".into(), "a query in PromQL"));
            return None;
        }
        let (mut query, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((inside, beyond)) = after.split_once("}}") else {
                self.report(refuse("`{{` is never closed".into(), "a name and `}}` after it"));
                return None;
            };
            let name = inside.trim();
            if !PLACEHOLDERS.contains(&name) {
                let problem =
                    refuse(format!("nothing is filled in for `{{{{{}}}}}`", name.escape_debug()), "not known here");
                self.report(problem.known(name, PLACEHOLDERS));
                return None;
            }
            if unsaid.contains(&name) {
                let problem =
                    refuse(format!("`{{{{{name}}}}}` would be filled in with nothing"), "the version is not said");
                self.report(problem.help(format!("give the rollout's {name} a `version`")));
                return None;
            }
            query.push_str(before);
            query.extend(["{{", name, "}}"]);
            rest = beyond;
        }
        query.push_str(rest);
        Some(query.into())
    }
}
