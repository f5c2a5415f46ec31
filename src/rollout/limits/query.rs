//! A limit on what a Prometheus server answers: the mean of the window's answers, and a range that it has to be in.
//!
//! Whoever does not answer has said nothing: no data, an error and silence are neither a pass nor a failure. So the
//! last answer has to be a value, and there have to be enough values that are young enough.

use super::{Answer, Finding, Reason, Role, Verdict};
use crate::plan::QueryLimit;
use crate::rollout::tally::float;
use crate::rollout::time::{Now, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// A limit on a query at work.
#[derive(Debug, Clone)]
pub(super) struct QueryGuard {
    limit: QueryLimit,
    role: Role,
    /// The values of the window with the time at which they came, oldest first.
    values: VecDeque<(Duration, f64)>,
    /// Why the last answer was none.
    unanswered: Option<String>,
    against_since: Option<Timestamp>,
}

impl QueryGuard {
    /// Has heard nothing yet.
    pub(super) fn new(limit: QueryLimit, role: Role) -> Self {
        Self { limit, role, values: VecDeque::new(), unanswered: None, against_since: None }
    }

    /// Takes in an answer. What is no number, or an infinite one, is no data.
    pub(super) fn answered(&mut self, answer: &Answer, now: Now) {
        self.unanswered = match answer {
            Ok(Some(value)) if value.is_finite() => {
                self.values.push_back((now.monotonic, *value));
                None
            }
            Ok(_) => Some("no data".to_owned()),
            Err(why) => Some(why.clone()),
        };
        self.pass(now);
    }

    /// Lets go of answers that are too old.
    pub(super) fn pass(&mut self, now: Now) {
        let too_old = |came: Duration| came + self.limit.window <= now.monotonic;
        while self.values.front().is_some_and(|(came, _)| too_old(*came)) {
            self.values.pop_front();
        }
        if self.mean().is_some_and(|mean| self.outside(mean)) {
            self.against_since.get_or_insert(now.wall);
        } else {
            self.against_since = None;
        }
    }

    /// What it comes to now.
    pub(super) fn finding(&self) -> Finding {
        let (value, samples) = (self.mean(), self.values.len() as u64);
        let (verdict, reason) = match (&self.unanswered, value) {
            (Some(why), _) => (Verdict::Inconclusive, Some(Reason::NoAnswer(why.clone()))),
            (None, Some(value)) if samples >= self.limit.min_samples => match (self.outside(value), self.role) {
                (false, _) => (Verdict::Healthy, None),
                (true, Role::Rollback) => (Verdict::Breach, Some(Reason::Window)),
                (true, Role::Promotion) => (Verdict::Inconclusive, Some(Reason::Window)),
            },
            (None, _) => (Verdict::Inconclusive, Some(Reason::NotEnoughAnswers)),
        };
        let since = self.against_since;
        Finding { verdict, reason, value, stable_value: None, samples, evidence: None, since }
    }

    /// Divided before it is added up: the largest numbers there are have a mean too.
    fn mean(&self) -> Option<f64> {
        let of = float(self.values.len() as u64);
        (of > 0.0).then(|| self.values.iter().map(|(_, value)| value / of).sum())
    }

    fn outside(&self, value: f64) -> bool {
        let range = self.limit.range;
        range.min.is_some_and(|min| value < min) || range.max.is_some_and(|max| value > max)
    }
}
