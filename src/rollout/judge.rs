//! One rollout at work: its trial, the limits that watch it, and how far its counters have been read.
//!
//! Still pure: counters come in as totals, readiness as a flag, answers as values, time as a value; actions go out.

mod questions;
mod returning;
mod side;

pub(super) use questions::{Question, QuestionOf};
pub(super) use side::Side;

use super::gates::{self, Point};
use super::limits::{Guard, Role};
use super::machine::{Action, Event, Moment, message, obey, step};
use super::state::State;
use super::time::Now;
use super::trial::{Heard, Observation, Trial};
use super::verb::Verb;
use crate::plan::{BackendId, Limit, Plan, Rollout, Split};
use crate::stats::{SeriesKey, Totals};
use questions::is_lasting;
use returning::Returning;
use std::time::Duration;

/// What the status looks back on when there is no limit that says.
const DEFAULT_WINDOW: Duration = Duration::from_secs(300);

/// One rollout at work.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) trial: Trial,
    /// In the order of the spec's `rollback` limits.
    pub(super) guards: Vec<Guard>,
    /// In the order of the spec's `promotion` limits.
    pub(super) promotion: Vec<Guard>,
    /// Watches stable while the traffic returns to it.
    returning: Returning,
    pub(super) stable: Side,
    pub(super) canary: Side,
    /// The canary's weight and stable's as they were when the guards last began to compare.
    split: Option<(f64, f64)>,
    /// What the last tick found out.
    pub(super) seen: Observation,
    /// The point at which the gates' answers were given.
    point: Option<Point>,
    /// Counts the trials, and the webhooks' changes: an answer to a question of another one is no answer.
    trials: u64,
    /// Counts the points too, for what is asked anew at each of them.
    points: u64,
}

impl Judge {
    /// Takes up `state` where it was left. What `read` has counted so far is the past.
    pub(super) fn new(plan: &Plan, spec: &Rollout, state: State, read: impl Fn(&SeriesKey) -> Totals) -> Self {
        let length = status_window(spec);
        let side = |backend| Side::new(plan.series_key(spec.rule, backend), length, &read);
        let (stable, canary) = (side(spec.stable), side(spec.canary));
        let mut judge = Self {
            trial: Trial::new(state),
            guards: new_guards(&spec.rollback, Role::Rollback, None),
            promotion: new_guards(promotion_limits(spec), Role::Promotion, None),
            returning: Returning::default(),
            stable,
            canary,
            split: None,
            seen: Observation { heard: vec![Heard::default(); spec.webhooks.len()], ..Observation::default() },
            point: None,
            trials: 0,
            points: 0,
        };
        judge.seen.weight = judge.weight(plan, spec, spec.canary);
        judge
    }

    /// Another plan is in force. The same revision keeps its evidence, limit by limit where the limit is the same.
    pub(super) fn planned(
        &mut self,
        plan: &Plan,
        spec: &Rollout,
        old: &Rollout,
        read: impl Fn(&SeriesKey) -> Totals,
        now: Now,
    ) -> Vec<Action> {
        let share = self.split.map(share_of);
        keep_same(&mut self.guards, &spec.rollback, Role::Rollback, share);
        keep_same(&mut self.promotion, promotion_limits(spec), Role::Promotion, share);
        if spec.webhooks != old.webhooks {
            self.seen.heard = vec![Heard::default(); spec.webhooks.len()];
            self.trials += 1;
            self.points += 1;
        }
        let length = status_window(spec);
        self.canary.follow(plan.series_key(spec.rule, spec.canary), length, &read);
        if self.stable.follow(plan.series_key(spec.rule, spec.stable), length, &read) {
            self.guards.iter_mut().chain(&mut self.promotion).for_each(Guard::forget_stable);
        }
        let moment = Moment { spec, seen: &self.seen, now };
        let (trial, actions) = step(&moment, &self.trial, Event::Planned);
        self.take(spec, trial, actions, read)
    }

    /// An operator said something.
    pub(super) fn said(
        &mut self,
        spec: &Rollout,
        verb: Verb,
        read: impl Fn(&SeriesKey) -> Totals,
        now: Now,
    ) -> Result<Vec<Action>, String> {
        let moment = Moment { spec, seen: &self.seen, now };
        let (trial, actions) = obey(&moment, &self.trial, verb)?;
        Ok(self.take(spec, trial, actions, read))
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
        if self.trial.state.standing.canary_gets_traffic() {
            let split = (self.weight(plan, spec, spec.canary), self.weight(plan, spec, spec.stable));
            if self.split.is_none_or(|before| moved(before, split)) {
                self.split = Some(split);
                let guards = self.guards.iter_mut().chain(&mut self.promotion);
                guards.for_each(|guard| guard.resplit(share_of(split)));
            }
            let guards = self.guards.iter_mut().chain(&mut self.promotion);
            guards.for_each(|guard| guard.observe(&canary, &stable, now));
            self.seen.requests += canary.judged;
            self.seen.failed += canary.failed;
        }
        let split = self.split.filter(|_| self.trial.state.standing.is_returning());
        self.seen.stable_breach =
            self.returning.observe(spec, split.map(|split| 1.0 - share_of(split)), &stable, &canary, now);
        self.seen.findings = self.guards.iter().map(Guard::finding).collect();
        self.seen.promotion = self.promotion.iter().map(Guard::finding).collect();
        (self.seen.stable_ready, self.seen.canary_ready) = (self.stable.ready, self.canary.ready);
        self.seen.weight = self.weight(plan, spec, spec.canary);
        let moment = Moment { spec, seen: &self.seen, now };
        let (trial, actions) = step(&moment, &self.trial, Event::Observed);
        self.take(spec, trial, actions, read)
    }

    /// The weight of `backend` in force, in percent of the rule's traffic.
    pub(super) fn weight(&self, plan: &Plan, spec: &Rollout, backend: BackendId) -> f64 {
        let refs = &plan.rules[spec.rule.index()].backend_refs;
        let split = Split::guarded(refs, spec.stable, spec.canary, self.trial.share(spec));
        refs.iter().position(|r| r.backend == backend).map_or(0.0, |index| split.fraction(index) * 100.0)
    }

    /// The side that gets no requests, while there is a trial.
    pub(super) fn unserved(&self, spec: &Rollout) -> Option<BackendId> {
        let share = self.trial.share(spec).filter(|_| self.trial.state.standing.canary_gets_traffic())?;
        if share <= 0.0 { Some(spec.canary) } else { (share >= 1.0).then_some(spec.stable) }
    }

    /// Where it stands, in a sentence.
    pub(super) fn message(&self, spec: &Rollout, now: Now) -> String {
        message(&Moment { spec, seen: &self.seen, now }, &self.trial)
    }

    fn take(
        &mut self,
        spec: &Rollout,
        trial: Trial,
        actions: Vec<Action>,
        read: impl Fn(&SeriesKey) -> Totals,
    ) -> Vec<Action> {
        self.trial = trial;
        if actions.contains(&Action::ForgetEvidence) {
            let share = self.split.map(share_of);
            self.guards = new_guards(&spec.rollback, Role::Rollback, share);
            self.promotion = new_guards(promotion_limits(spec), Role::Promotion, share);
            self.canary = Side::new(self.canary.key.clone(), status_window(spec), read);
            let heard = vec![Heard::default(); spec.webhooks.len()];
            self.seen = Observation {
                heard,
                canary_ready: self.seen.canary_ready,
                stable_ready: self.seen.stable_ready,
                ..Observation::default()
            };
            self.trials += 1;
            self.points += 1;
        }
        let point = gates::point(spec, &self.trial);
        if point != self.point {
            self.point = point;
            self.points += 1;
            let hooks = spec.webhooks.iter().zip(&mut self.seen.heard);
            hooks.filter(|(hook, _)| !is_lasting(hook.kind)).for_each(|(_, heard)| *heard = Heard::default());
        }
        actions
    }
}

/// Whether the canary has more than twice or less than half of what it had for one of stable's requests. What moves
/// less is compared on, or the return of the traffic would begin anew a hundred times.
fn moved((canary, stable): (f64, f64), (now_canary, now_stable): (f64, f64)) -> bool {
    let (before, after) = (canary * now_stable, now_canary * stable);
    before.max(after) > 2.0 * before.min(after)
}

/// The canary's share of what the two get together.
fn share_of((canary, stable): (f64, f64)) -> f64 {
    if stable > 0.0 { canary / (canary + stable) } else { 1.0 }
}

/// The evidence of a new trial at the split in force.
fn new_guards(limits: &[Limit], role: Role, share: Option<f64>) -> Vec<Guard> {
    limits.iter().map(|limit| new_guard(limit, role, share)).collect()
}

fn new_guard(limit: &Limit, role: Role, share: Option<f64>) -> Guard {
    let mut guard = Guard::new(limit.clone(), role);
    share.into_iter().for_each(|share| guard.resplit(share));
    guard
}

/// A guard for each of `limits`: the old one where there is one for the same limit.
fn keep_same(guards: &mut Vec<Guard>, limits: &[Limit], role: Role, share: Option<f64>) {
    let mut old = std::mem::take(guards);
    *guards = limits
        .iter()
        .map(|limit| match old.iter().position(|guard| guard.limit() == limit) {
            Some(index) => old.swap_remove(index),
            None => new_guard(limit, role, share),
        })
        .collect();
}

/// The limits that a step has to keep to advance.
pub(super) fn promotion_limits(spec: &Rollout) -> &[Limit] {
    spec.progression.as_ref().map_or(&[], |progression| &progression.promotion.limits)
}

/// What the status of the two sides looks back on.
fn status_window(spec: &Rollout) -> Duration {
    spec.rollback.iter().map(Limit::window).max().unwrap_or(DEFAULT_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_has_moved_when_what_one_gets_for_the_others_has_doubled_or_halved() {
        let split = |canary: f64| (canary, 100.0 - canary);
        for (before, after, is_moved) in [
            (0.0, 10.0, true),
            (10.0, 10.0, false),
            (10.0, 15.0, false),
            (10.0, 30.0, true),
            (30.0, 10.0, true),
            (75.0, 100.0, true),
            (100.0, 99.0, true),
            (100.0, 100.0, false),
            (0.0, 0.0, false),
        ] {
            assert_eq!(moved(split(before), split(after)), is_moved, "{before} {after}");
        }
    }

    #[test]
    fn a_canary_without_stable_has_all_there_is() {
        for (split, share) in [((10.0, 90.0), 0.1), ((50.0, 0.0), 1.0), ((0.0, 0.0), 1.0)] {
            assert!((share_of(split) - share).abs() < 1e-12, "{split:?}");
        }
    }
}
