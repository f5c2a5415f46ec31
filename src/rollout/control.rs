//! The control loop's only impure room: observe -> step -> act.
//!
//! One value owns every judge. Its calls are made by one thread, the control thread, and none of them waits: saving,
//! asking and telling have threads of their own, and what they have to say is taken at the next tick. What a call decided comes back as [`Effects`], and the types say in which order
//! it happens: effects can only be [published](Effects::publish) to the workers, and only what has been published can
//! be [finished](Controller::finish). The traffic first, then the state, then everyone who is told.
//!
//! ```text
//! let effects = controller.tick(&registry, ready, clock.now());
//! let published = effects.publish(|shares| publish a snapshot with these shares);
//! controller.finish(published);
//! ```

mod asking;
mod effects;

pub use effects::{Effects, Published};

use super::alert::{Alerter, Patience};
use super::ask::Asker;
use super::hook::begins_promotion;
use super::judge::Judge;
use super::machine::Action;
use super::record::Decision;
use super::state::{Phase, Standing, State};
use super::status::RolloutStatus;
use super::time::Now;
use super::verb::{Verb, VerbError};
use crate::plan::{BackendId, Plan, Rollout, Severity};
use crate::stats::{Registry, SeriesKey};
use crate::store::{Documents, Saved, Store, Writer};
use effects::{After, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All rollouts at work.
#[derive(Debug)]
pub struct Controller {
    plan: Arc<Plan>,
    /// Indexed by [`RolloutId`](crate::plan::RolloutId).
    judges: Vec<Judge>,
    /// States of rollouts that the plan does not have now: taken out of the file and put in again, a failed revision
    /// is still one that failed.
    parked: Documents,
    /// The past cannot be read: rollouts that have no state are not new, but unknown.
    past_unreadable: bool,
    writer: Writer,
    /// What the writer was given last: a reload that changes nothing here writes nothing.
    handed_over: Option<Documents>,
    asker: Asker,
    alerter: Alerter,
    rollbacks: BTreeMap<(Arc<str>, String), u64>,
}

/// How many canaries of a rollout were taken out since the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollbacks {
    /// The rollout's name.
    pub rollout: Arc<str>,
    /// The metric of the limit (`error-rate`, `latency-p99`, `latency-mean`), or what else it was: `abort`,
    /// `progress-deadline`, `inconclusive`, `webhook`.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl Controller {
    /// Takes up every rollout of `plan` where `store` says it was left. Blocks for the store's first reading.
    ///
    /// A past that cannot be read is no reason to serve nobody, and none to trust a canary that may have failed: all
    /// of them are kept out, with an error in the log, until their revision changes or an operator says retry.
    ///
    /// # Errors
    /// When the thread that saves cannot be started.
    pub fn new(
        plan: &Arc<Plan>,
        mut store: Box<dyn Store>,
        registry: &Registry,
        now: Now,
    ) -> io::Result<(Self, Effects)> {
        let loaded = store.load();
        if let Err(error) = &loaded {
            tracing::error!(%error, "every canary is kept out until its revision changes or you say `serin retry`");
        }
        let mut controller = Self {
            plan: Arc::clone(plan),
            judges: Vec::new(),
            past_unreadable: loaded.is_err(),
            handed_over: loaded.as_ref().ok().cloned(),
            parked: loaded.unwrap_or_default(),
            writer: Writer::start(store)?,
            asker: Asker::default(),
            alerter: Alerter::new(Patience::default()),
            rollbacks: BTreeMap::new(),
        };
        let mut effects = controller.apply_plan(plan, registry, now);
        effects.after.promotions = controller.promotions();
        Ok((controller, effects))
    }

    /// Another plan is in force: rollouts that stay keep what is known, new ones begin, others are parked.
    pub fn apply_plan(&mut self, plan: &Arc<Plan>, registry: &Registry, now: Now) -> Effects {
        let read = |key: &SeriesKey| registry.totals(key);
        let old_plan = std::mem::replace(&mut self.plan, Arc::clone(plan));
        let old_judges = std::mem::take(&mut self.judges);
        let named = old_plan.rollouts.iter().map(|spec| Arc::clone(&spec.name));
        let mut old: BTreeMap<_, _> = named.zip(old_plan.rollouts.iter().zip(old_judges)).collect();
        let mut after = After { save: true, ..After::default() };
        for (index, spec) in plan.rollouts.iter().enumerate() {
            let (before, mut judge) = old.remove(&spec.name).unwrap_or_else(|| {
                let state = self.unpark(spec, now);
                if state.phase() == Phase::RolledBack && state.revision == spec.revision {
                    tracing::warn!(
                        rollout = %spec.name, revision = %spec.revision,
                        "this revision failed before and gets no traffic; `serin retry {}` tries it again", spec.name
                    );
                }
                (spec, Judge::new(plan, spec, state, read))
            });
            let actions = judge.planned(plan, spec, before, read, now);
            actions.into_iter().for_each(|action| after.add(plan, index, &judge, action));
            self.judges.push(judge);
        }
        for (name, (_, judge)) in old {
            self.parked.insert(name.to_string(), document(&judge.trial.state));
        }
        Effects { shares: self.canary_shares(), publish: true, after }
    }

    /// Takes the answers that have come, reads the counters, judges every rollout, and says what to do. `ready` says whether a backend has an endpoint
    /// that takes connections.
    pub fn tick(&mut self, registry: &Registry, ready: impl Fn(BackendId) -> bool, now: Now) -> Effects {
        self.hear(now);
        let plan = Arc::clone(&self.plan);
        self.each(|judge, spec| judge.tick(&plan, spec, |key| registry.totals(key), &ready, now))
    }

    /// Does what an operator said about rollout `name`.
    ///
    /// # Errors
    /// When there is no such rollout, or it makes no sense where the rollout stands; nothing is changed then.
    pub fn command(&mut self, name: &str, verb: Verb, registry: &Registry, now: Now) -> Result<Effects, VerbError> {
        let names = self.plan.rollouts.iter().map(|spec| &*spec.name);
        let index = names.clone().position(|known| known == name).ok_or_else(|| VerbError::Unknown {
            name: name.to_owned(),
            known: names.clone().map(str::to_owned).collect(),
        })?;
        let (judge, spec) = (&mut self.judges[index], &self.plan.rollouts[index]);
        let phase = judge.trial.state.phase();
        let said = judge.said(spec, verb, |key| registry.totals(key), now);
        let mut said = Some(said.map_err(|why| VerbError::NotNow { name: name.to_owned(), phase, why })?);
        Ok(self.each(|_, spec| if *spec.name == *name { said.take().unwrap_or_default() } else { Vec::new() }))
    }

    /// Does what comes after the traffic: saves, then alerts, calls webhooks, counts and logs, and has asked what is to
    /// be asked from now on. Waits for none of it. Returns what was decided, for the event stream.
    pub fn finish(&mut self, Published(after): Published) -> Vec<Decision> {
        let saved = if after.save { self.save() } else { None };
        for count in after.counts {
            *self.rollbacks.entry(count).or_default() += 1;
        }
        let mut decisions = Vec::with_capacity(after.decisions.len());
        for told in after.decisions {
            self.alerter.tell(told.spec(), told.phase, &told.decision, saved.as_ref());
            log(&told.decision);
            decisions.push(told.decision);
        }
        for begun in after.promotions {
            self.alerter.tell_promotion_again(begun.spec(), &begun.decision);
        }
        self.ask();
        decisions
    }

    /// The canaries' shares, in the order of the plan's rollouts, as [`Snapshot::new`](crate::plan::Snapshot::new)
    /// takes them: for snapshots that are published for another reason, such as new endpoints.
    pub fn canary_shares(&self) -> Vec<Option<f64>> {
        self.judges.iter().zip(&self.plan.rollouts).map(|(judge, spec)| judge.trial.share(spec)).collect()
    }

    /// Every rollout as of the last tick, in the file's order.
    pub fn status(&self, now: Now) -> Vec<RolloutStatus> {
        let both = self.judges.iter().zip(&self.plan.rollouts);
        both.map(|(judge, spec)| judge.status(&self.plan, spec, now)).collect()
    }

    /// What the rollouts remember from before `effects`.
    pub fn past(&self, effects: &Effects) -> Vec<Decision> {
        let now = effects.after.decisions.iter().map(|told| &told.decision);
        let remembered = self.judges.iter().flat_map(|judge| &judge.trial.state.history);
        remembered
            .filter(|decision| !now.clone().any(|new| *new == ***decision))
            .map(|decision| (**decision).clone())
            .collect()
    }

    /// The rollbacks since the process started, in the order of their labels.
    pub fn rollbacks(&self) -> Vec<Rollbacks> {
        let all = self.rollbacks.iter();
        all.map(|((rollout, reason), count)| Rollbacks {
            rollout: rollout.clone(),
            reason: reason.clone(),
            count: *count,
        })
        .collect()
    }

    /// The sides of rollouts on trial that get no requests: only asking tells whether they are ready.
    pub fn unserved(&self) -> BTreeSet<BackendId> {
        let both = self.judges.iter().zip(&self.plan.rollouts);
        both.filter_map(|(judge, spec)| judge.unserved(spec)).collect()
    }

    /// Whether the last try to save failed: a restart now would forget what was decided.
    pub fn store_failing(&self) -> bool {
        self.writer.failing()
    }

    /// Before the process leaves: waits, for `timeout` at most, until the state is saved and the alerts under way are
    /// delivered, and says in the log what is not. Blocks.
    pub fn flush(&self, timeout: Duration) {
        let until = Instant::now() + timeout;
        if !self.writer.flush(timeout) {
            tracing::error!("leaving with a state that is not saved: failed revisions may be forgotten");
        }
        let alerts = self.alerter.flush(until.saturating_duration_since(Instant::now()));
        if alerts > 0 {
            tracing::error!(alerts, "leaving with alerts or webhooks that nobody has received");
        }
    }

    /// Lets `act` have every judge with its spec and collects what is to be done.
    fn each(&mut self, mut act: impl FnMut(&mut Judge, &Rollout) -> Vec<Action>) -> Effects {
        let (mut publish, mut after) = (false, After::default());
        for (index, (judge, spec)) in self.judges.iter_mut().zip(&self.plan.rollouts).enumerate() {
            for action in act(judge, spec) {
                publish |= matches!(action, Action::SetCanaryShare(_));
                after.add(&self.plan, index, judge, action);
            }
        }
        Effects { shares: self.canary_shares(), publish, after }
    }

    /// Those that stable has not been rolled forward for: who is to do that is called once more, since nobody knows
    /// whether the call before the restart was heard.
    fn promotions(&self) -> Vec<Told> {
        let all = self.judges.iter().zip(&self.plan.rollouts).enumerate();
        let begun = all.filter_map(|(index, (judge, spec))| {
            let State { standing, history, .. } = &judge.trial.state;
            let waits = matches!(standing, Standing::Promoting { returning: false, .. }) && !spec.stable_caught_up;
            let decision = history.iter().rev().find(|decision| begins_promotion(decision))?;
            waits.then(|| Told::new(&self.plan, index, judge, (**decision).clone()))
        });
        begun.collect()
    }

    /// The state in which the rollout was left; a new one if there is none.
    fn unpark(&mut self, spec: &Rollout, now: Now) -> State {
        match self.parked.remove(&*spec.name).map(serde_json::from_value) {
            Some(Ok(state)) => state,
            None if !self.past_unreadable => State::new(spec, now),
            None => State::unreadable(spec, now),
            Some(Err(error)) => {
                tracing::error!(
                    rollout = %spec.name, %error,
                    "the saved state cannot be understood: the canary is kept out until its revision changes or you \
                     say `serin retry {}`", spec.name
                );
                State::unreadable(spec, now)
            }
        }
    }

    /// Hands the states over to be saved, if they are not what was handed over last.
    fn save(&mut self) -> Option<Saved> {
        let present = self.plan.rollouts.iter().zip(&self.judges);
        let present = present.map(|(spec, judge)| (spec.name.to_string(), document(&judge.trial.state)));
        let documents: Documents = self.parked.clone().into_iter().chain(present).collect();
        if self.handed_over.as_ref() == Some(&documents) {
            return None;
        }
        self.handed_over = Some(documents.clone());
        Some(self.writer.save(documents))
    }
}

fn document(state: &State) -> serde_json::Value {
    serde_json::to_value(state).expect("a state is strings and numbers")
}

fn log(decision: &Decision) {
    let record = || serde_json::to_string(decision).expect("a decision is strings and numbers");
    let (rollout, revision, event) = (&*decision.rollout, &*decision.revision, decision.event.name());
    match decision.event.severity() {
        Severity::Error => tracing::error!(rollout, revision, event, decision = %record(), "{decision}"),
        Severity::Warn => tracing::warn!(rollout, revision, event, "{decision}"),
        Severity::Info => tracing::info!(rollout, revision, event, "{decision}"),
    }
}

#[cfg(test)]
pub(super) mod tests;
