//! One rollout at work: its trial, the limits that watch it, and how far its counters have been read.
//!
//! Still pure: counters come in as totals, readiness as a flag, answers as values, time as a value; actions go out.

use super::counters::{Delta, Reader};
use super::gates::{self, Point};
use super::limits::{Answer, Guard, Role, Verdict};
use super::machine::{Action, Event, Moment, message, obey, step};
use super::record::LimitRecord;
use super::state::{Standing, State};
use super::time::Now;
use super::trial::{Heard, HookAnswer, Observation, Trial};
use super::verb::Verb;
use super::window::Window;
use crate::plan::{BackendId, Limit, Plan, Rollout, Split, WebhookKind};
use crate::stats::{SeriesKey, Totals};
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
    /// While the traffic returns, the `rollback` limits with the roles changed: stable has just been rolled forward, and
    /// is the one on trial.
    returning: Vec<Guard>,
    pub(super) stable: Side,
    pub(super) canary: Side,
    /// What the last tick found out.
    pub(super) seen: Observation,
    /// The point at which the gates' answers were given.
    point: Option<Point>,
    /// Counts the trials, and the webhooks' changes: an answer to a question of another one is no answer.
    trials: u64,
    /// Counts the points too, for what is asked anew at each of them.
    points: u64,
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

/// Something that the world outside is to be asked, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) of: QuestionOf,
    pub(super) occasion: u64,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum QuestionOf {
    /// The webhook at this place of the spec's.
    Webhook(usize),
    /// The query at this place of the spec's `rollback` limits.
    Rollback(usize),
    /// The query at this place of the spec's `promotion` limits.
    Promotion(usize),
}

impl Judge {
    /// Takes up `state` where it was left. What `read` has counted so far is the past.
    pub(super) fn new(plan: &Plan, spec: &Rollout, state: State, read: impl Fn(&SeriesKey) -> Totals) -> Self {
        let length = status_window(spec);
        let side = |backend| Side::new(plan.series_key(spec.rule, backend), length, &read);
        let (stable, canary) = (side(spec.stable), side(spec.canary));
        let mut judge = Self {
            trial: Trial::new(state),
            guards: new_guards(&spec.rollback, Role::Rollback),
            promotion: new_guards(promotion_limits(spec), Role::Promotion),
            returning: Vec::new(),
            stable,
            canary,
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
        keep_same(&mut self.guards, &spec.rollback, Role::Rollback);
        keep_same(&mut self.promotion, promotion_limits(spec), Role::Promotion);
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
            let guards = self.guards.iter_mut().chain(&mut self.promotion);
            guards.for_each(|guard| guard.observe(&canary, &stable, now));
            self.seen.requests += canary.judged;
            self.seen.failed += canary.failed;
        }
        self.judge_return(spec, &stable, &canary, now);
        self.seen.findings = self.guards.iter().map(Guard::finding).collect();
        self.seen.promotion = self.promotion.iter().map(Guard::finding).collect();
        (self.seen.stable_ready, self.seen.canary_ready) = (self.stable.ready, self.canary.ready);
        self.seen.weight = self.weight(plan, spec, spec.canary);
        let moment = Moment { spec, seen: &self.seen, now };
        let (trial, actions) = step(&moment, &self.trial, Event::Observed);
        self.take(spec, trial, actions, read)
    }

    /// Watches the stable that the traffic returns to; each return begins with no evidence.
    fn judge_return(&mut self, spec: &Rollout, stable: &Delta, canary: &Delta, now: Now) {
        if !matches!(self.trial.state.standing, Standing::Promoting { returning: true, .. }) {
            self.returning.clear();
        } else if self.returning.is_empty() {
            let on_requests = spec.rollback.iter().filter(|limit| matches!(limit, Limit::Requests(_)));
            self.returning = on_requests.map(|limit| Guard::new(limit.clone(), Role::Rollback)).collect();
        }
        self.returning.iter_mut().for_each(|guard| guard.observe(stable, canary, now));
        let breached = self.returning.iter().map(|guard| (guard, guard.finding()));
        let mut breached = breached.filter(|(_, finding)| finding.verdict == Verdict::Breach);
        self.seen.stable_breach = breached.next().map(|(guard, finding)| LimitRecord::new(guard.limit(), &finding));
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

    /// What the world outside is to be asked where it stands.
    pub(super) fn questions(&self, spec: &Rollout) -> Vec<Question> {
        let webhooks = gates::asked(spec, &self.trial, &self.seen).into_iter().map(QuestionOf::Webhook);
        let asked = self.trial.state.standing.canary_gets_traffic();
        let queries = |guards: &[Guard], of: fn(usize) -> QuestionOf| -> Vec<QuestionOf> {
            let queries = guards.iter().enumerate().filter(|(_, guard)| matches!(guard.limit(), Limit::Query(_)));
            queries.filter(|_| asked).map(|(index, _)| of(index)).collect()
        };
        let rollback = queries(&self.guards, QuestionOf::Rollback);
        let promotion = queries(&self.promotion, QuestionOf::Promotion);
        let all = webhooks.chain(rollback).chain(promotion);
        all.map(|of| Question { of, occasion: self.occasion_of(spec, of) }).collect()
    }

    /// A webhook's answer to `question`.
    pub(super) fn heard(&mut self, spec: &Rollout, question: Question, answer: HookAnswer) {
        let QuestionOf::Webhook(index) = question.of else { return };
        if question.occasion == self.occasion_of(spec, question.of)
            && let Some(heard) = self.seen.heard.get_mut(index)
        {
            heard.hear(answer);
        }
    }

    /// A query's answer to `question`.
    pub(super) fn answered(&mut self, spec: &Rollout, question: Question, answer: &Answer, now: Now) {
        if question.occasion != self.occasion_of(spec, question.of) {
            return;
        }
        let guard = match question.of {
            QuestionOf::Webhook(_) => None,
            QuestionOf::Rollback(index) => self.guards.get_mut(index),
            QuestionOf::Promotion(index) => self.promotion.get_mut(index),
        };
        if let Some(guard) = guard {
            guard.answered(answer, now);
        }
    }

    /// Gates are asked anew at each point; everything else once a trial.
    fn occasion_of(&self, spec: &Rollout, of: QuestionOf) -> u64 {
        let lasts = match of {
            QuestionOf::Webhook(index) => spec.webhooks.get(index).is_some_and(|hook| is_lasting(hook.kind)),
            QuestionOf::Rollback(_) | QuestionOf::Promotion(_) => true,
        };
        if lasts { self.trials } else { self.points }
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
            self.guards = new_guards(&spec.rollback, Role::Rollback);
            self.promotion = new_guards(promotion_limits(spec), Role::Promotion);
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

/// Whether a webhook's answer counts for as long as the trial lasts, and not for one point of it.
fn is_lasting(kind: WebhookKind) -> bool {
    matches!(kind, WebhookKind::Rollout | WebhookKind::Rollback)
}

/// The evidence of a new trial.
fn new_guards(limits: &[Limit], role: Role) -> Vec<Guard> {
    limits.iter().map(|limit| Guard::new(limit.clone(), role)).collect()
}

/// A guard for each of `limits`: the old one where there is one for the same limit.
fn keep_same(guards: &mut Vec<Guard>, limits: &[Limit], role: Role) {
    let mut old = std::mem::take(guards);
    *guards = limits
        .iter()
        .map(|limit| match old.iter().position(|guard| guard.limit() == limit) {
            Some(index) => old.swap_remove(index),
            None => Guard::new(limit.clone(), role),
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
