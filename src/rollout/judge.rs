//! One rollout at work: its state, the limits that watch it, and how far its counters have been read.
//!
//! Still pure: counters come in as totals, readiness as a flag, time as a value; actions go out.

use super::counters::{Delta, Reader};
use super::limits::{Guard, Role};
use super::machine::{Action, Event, Observation, step};
use super::state::State;
use super::time::Now;
use super::window::Window;
use crate::plan::{BackendId, Limit, Plan, Rollout, Split};
use crate::stats::{SeriesKey, Totals};
use std::time::Duration;

/// What the status looks back on when there is no limit that says.
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

/// One rollout at work.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) state: State,
    /// In the order of the spec's limits.
    pub(super) guards: Vec<Guard>,
    pub(super) stable: Side,
    pub(super) canary: Side,
    /// Requests that the canary was judged by since its trial began.
    requests: u64,
    /// Those of them that failed.
    failed: u64,
}

/// What one side of the split did.
#[derive(Debug)]
pub(super) struct Side {
    key: SeriesKey,
    reader: Reader,
    /// Over the longest window of the limits, for people to look at.
    pub(super) window: Window,
    /// As of the last tick.
    pub(super) ready: bool,
}

impl Judge {
    /// Takes up `state` where it was left. What `read` has counted so far is the past.
    pub(super) fn new(plan: &Plan, spec: &Rollout, state: State, read: impl Fn(&SeriesKey) -> Totals) -> Self {
        let length = status_window(spec);
        let side = |backend| Side::new(plan.series_key(spec.rule, backend), length, &read);
        let (stable, canary) = (side(spec.stable), side(spec.canary));
        Self { state, guards: new_guards(spec), stable, canary, requests: 0, failed: 0 }
    }

    /// Another plan is in force. The same revision keeps its evidence, limit by limit where the limit is the same.
    pub(super) fn planned(
        &mut self,
        plan: &Plan,
        spec: &Rollout,
        read: impl Fn(&SeriesKey) -> Totals,
        now: Now,
    ) -> Vec<Action> {
        let mut old = std::mem::take(&mut self.guards);
        self.guards = new_guards(spec);
        for guard in &mut self.guards {
            if let Some(at) = old.iter().position(|old| old.limit() == guard.limit()) {
                *guard = old.swap_remove(at);
            }
        }
        let length = status_window(spec);
        self.canary.follow(plan.series_key(spec.rule, spec.canary), length, &read);
        if self.stable.follow(plan.series_key(spec.rule, spec.stable), length, &read) {
            self.guards.iter_mut().for_each(Guard::forget_stable);
        }
        self.take(spec, Event::Planned, read, now)
    }

    /// The operator said retry.
    pub(super) fn retried(&mut self, spec: &Rollout, read: impl Fn(&SeriesKey) -> Totals, now: Now) -> Vec<Action> {
        self.take(spec, Event::Retried, read, now)
    }

    /// Reads the counters, feeds the limits, and judges.
    pub(super) fn tick(
        &mut self,
        plan: &Plan,
        spec: &Rollout,
        read: impl Fn(&SeriesKey) -> Totals,
        ready: impl Fn(BackendId) -> bool,
        now: Now,
    ) -> Vec<Action> {
        let (stable, canary) = (self.stable.observe(&read, now), self.canary.observe(&read, now));
        (self.stable.ready, self.canary.ready) = (ready(spec.stable), ready(spec.canary));
        // A canary that is out is judged no more: what it was taken out for stays to be seen.
        if self.state.phase.canary_gets_traffic() {
            self.guards.iter_mut().for_each(|guard| guard.observe(&canary, &stable, now));
            self.requests += canary.judged;
            self.failed += canary.failed;
        }
        let observation = Observation {
            findings: self.guards.iter().map(Guard::finding).collect(),
            canary_ready: self.canary.ready,
            weight: self.weight(plan, spec, spec.canary),
            requests: self.requests,
            failed: self.failed,
        };
        self.take(spec, Event::Observed(&observation), read, now)
    }

    /// The weight of `backend` in force, in percent of the rule's traffic.
    pub(super) fn weight(&self, plan: &Plan, spec: &Rollout, backend: BackendId) -> f64 {
        let refs = &plan.rules[spec.rule.index()].backend_refs;
        let split = Split::guarded(refs, spec.stable, spec.canary, self.state.canary_share());
        refs.iter().position(|r| r.backend == backend).map_or(0.0, |index| split.fraction(index) * 100.0)
    }

    fn take(&mut self, spec: &Rollout, event: Event<'_>, read: impl Fn(&SeriesKey) -> Totals, now: Now) -> Vec<Action> {
        let (state, actions) = step(spec, &self.state, event, now);
        self.state = state;
        if actions.contains(&Action::ForgetEvidence) {
            self.guards = new_guards(spec);
            self.canary = Side::new(self.canary.key.clone(), status_window(spec), read);
            (self.requests, self.failed) = (0, 0);
        }
        actions
    }
}

impl Side {
    fn new(key: SeriesKey, length: Duration, read: impl Fn(&SeriesKey) -> Totals) -> Self {
        let reader = Reader::new(&read(&key));
        Self { key, reader, window: Window::new(length), ready: false }
    }

    /// Goes on with the series `key`; from its present totals if it is another one. Says whether it is.
    fn follow(&mut self, key: SeriesKey, length: Duration, read: impl Fn(&SeriesKey) -> Totals) -> bool {
        let another = key != self.key;
        if another {
            *self = Self { ready: self.ready, ..Self::new(key, length, read) };
        } else if length != self.window.length() {
            self.window = Window::new(length);
        }
        another
    }

    fn observe(&mut self, read: impl Fn(&SeriesKey) -> Totals, now: Now) -> Delta {
        let delta = self.reader.read(&read(&self.key));
        self.window.push(&delta, now.monotonic);
        delta
    }
}

/// The evidence of a new trial.
fn new_guards(spec: &Rollout) -> Vec<Guard> {
    spec.rollback.iter().map(|limit| Guard::new(limit.clone(), Role::Rollback)).collect()
}

/// What the status of the two sides looks back on.
fn status_window(spec: &Rollout) -> Duration {
    spec.rollback.iter().map(Limit::window).max().unwrap_or(DEFAULT_WINDOW)
}
