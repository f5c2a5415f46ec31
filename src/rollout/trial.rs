//! One revision on trial: what survives a restart, what does not, and what a tick found out about it.

use super::limits::{Finding, Verdict};
use super::record::LimitRecord;
use super::state::{Standing, State};
use super::time::Now;
use crate::plan::{Limit, Rollout};
use std::time::Duration;

/// A rollout at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What survives a restart.
    pub state: State,
    /// What is earned again after one.
    pub progress: Progress,
}

/// How far the present standing has come. Made of differences of the monotonic clock alone, each of them bounded: a
/// machine that slept, or a thread that hung, has held nothing meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// The last tick, on the monotonic clock.
    ticked: Option<Duration>,
    /// Time of the step in which every limit was healthy.
    pub held: Duration,
    /// Time since it was last so.
    pub stalled: Duration,
    /// Whether people were told that it stalls.
    pub told_stalled: bool,
    /// Time without a ready canary.
    pub waited: Duration,
    /// Time since the last part of the traffic returned to stable.
    pub returned: Duration,
    /// As of the last tick.
    pub canary_ready: bool,
}

/// What a tick found out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// For each of the spec's `rollback` limits, in its order.
    pub findings: Vec<Finding>,
    /// For each of the spec's `promotion` limits, in its order.
    pub promotion: Vec<Finding>,
    /// For each of the spec's webhooks, in its order.
    pub heard: Vec<Heard>,
    /// While the traffic returns: the limit that the stable it returns to breaches.
    pub stable_breach: Option<LimitRecord>,
    /// Whether the canary has an endpoint that takes connections.
    pub canary_ready: bool,
    /// Whether stable has one.
    pub stable_ready: bool,
    /// The canary's weight in force, in percent of the rule's traffic.
    pub weight: f64,
    /// Requests that the canary was judged by since its trial began.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests that the canary was judged by since the present step began: a step is not held on another's.
    pub step_requests: u64,
}

/// A webhook's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookAnswer {
    /// 2xx.
    Yes,
    /// Any other status; the text is for people.
    No(String),
    /// Nobody answered; the text says what happened.
    Silent(String),
}

/// What one webhook has said at the present point.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// The last answer; `None` before the first.
    pub answer: Option<HookAnswer>,
    /// How many times in a row it said no.
    pub refusals: u32,
}

impl Trial {
    /// Takes up `state` where it was left.
    pub fn new(state: State) -> Self {
        Self { state, progress: Progress::default() }
    }

    /// The canary's part, 0 to 1, of what it and stable have together; `None` is what the file says.
    pub fn share(&self, spec: &Rollout) -> Option<f64> {
        if spec.progression.is_none() {
            return (!self.state.standing.canary_gets_traffic()).then_some(0.0);
        }
        Some(self.state.standing.share())
    }

    /// Stands in `standing` from now on; what was earned where it stood before is gone.
    pub(super) fn enter(&mut self, standing: Standing, now: Now) {
        self.state.standing = standing;
        self.state.since = now.wall;
        self.progress =
            Progress { ticked: self.progress.ticked, canary_ready: self.progress.canary_ready, ..Progress::default() };
    }
}

impl Progress {
    /// No tick counts for more: what is longer was no time in which anybody looked.
    const LONGEST: Duration = Duration::from_secs(1);

    /// The time since the last tick.
    pub(super) fn tick(&mut self, now: Now) -> Duration {
        let since = self.ticked.map_or(Duration::ZERO, |last| now.monotonic.saturating_sub(last));
        self.ticked = Some(now.monotonic);
        since.min(Self::LONGEST)
    }
}

impl Observation {
    /// Whether every limit is healthy.
    pub(super) fn is_healthy(&self) -> bool {
        self.all().all(|finding| finding.verdict == Verdict::Healthy)
    }

    /// Every limit with what it says, those of `promotion` last.
    pub(super) fn records(&self, spec: &Rollout) -> Vec<LimitRecord> {
        let promotion = spec.progression.iter().flat_map(|progression| &progression.promotion.limits);
        let limits = spec.rollback.iter().zip(&self.findings).chain(promotion.zip(&self.promotion));
        limits.map(|(limit, finding)| LimitRecord::new(limit, finding)).collect()
    }

    /// Whether the step has requests of its own, as many as any of the limits needs.
    pub(super) fn is_enough(&self, spec: &Rollout) -> bool {
        self.step_requests >= Self::needed(spec)
    }

    /// How many requests each step needs.
    pub(super) fn needed(spec: &Rollout) -> u64 {
        let promotion = spec.progression.iter().flat_map(|progression| &progression.promotion.limits);
        let needed = spec.rollback.iter().chain(promotion).filter_map(|limit| match limit {
            Limit::Requests(limit) => Some(limit.min_requests),
            Limit::Query(_) => None,
        });
        needed.max().unwrap_or(0)
    }

    fn all(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(&self.promotion)
    }
}

impl Heard {
    /// Takes in an answer.
    pub fn hear(&mut self, answer: HookAnswer) {
        match answer {
            HookAnswer::No(_) => self.refusals += 1,
            HookAnswer::Yes => self.refusals = 0,
            HookAnswer::Silent(_) => {}
        }
        self.answer = Some(answer);
    }
}
