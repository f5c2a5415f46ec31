//! What a call to the controller decided, in the types that fix the order in which it happens.

use crate::plan::{Plan, Rollout};
use crate::rollout::judge::Judge;
use crate::rollout::machine::Action;
use crate::rollout::record::Decision;
use crate::rollout::state::Phase;
use std::sync::Arc;

/// What a call to the [`Controller`](super::Controller) decided; nothing of it has happened yet.
#[derive(Debug)]
#[must_use = "the traffic stays as it is until effects are published"]
pub struct Effects {
    pub(super) shares: Vec<Option<f64>>,
    pub(super) publish: bool,
    pub(super) after: After,
}

/// Effects whose traffic part has happened.
#[derive(Debug)]
#[must_use = "a decision is neither saved nor told until it is finished"]
pub struct Published(pub(super) After);

/// What comes after the traffic.
#[derive(Debug, Default)]
pub(super) struct After {
    pub(super) save: bool,
    /// The rollouts and the reasons of rollbacks.
    pub(super) counts: Vec<(Arc<str>, String)>,
    pub(super) decisions: Vec<Told>,
    /// Promotions that had begun before the process did.
    pub(super) promotions: Vec<Told>,
}

/// A decision, with where to look up who is told.
#[derive(Debug)]
pub(super) struct Told {
    plan: Arc<Plan>,
    /// Its place among the plan's rollouts.
    rollout: usize,
    /// What the decision led to.
    pub(super) phase: Phase,
    pub(super) decision: Decision,
}

impl Effects {
    /// Calls `publish` with the canaries' shares, in the order of the plan's rollouts, if workers have to see another
    /// snapshot: always when a plan was taken up, otherwise when a share changed.
    pub fn publish(self, publish: impl FnOnce(&[Option<f64>])) -> Published {
        if self.publish {
            publish(&self.shares);
        }
        Published(self.after)
    }
}

impl After {
    /// Sorts `action` in, which `judge` of the rollout at place `rollout` of `plan` wants: whichever rollout it is from,
    /// saving comes before telling.
    pub(super) fn add(&mut self, plan: &Arc<Plan>, rollout: usize, judge: &Judge, action: Action) {
        match action {
            // The judge's state already says so; whoever publishes asks for the shares of all rollouts.
            Action::SetCanaryShare(_) | Action::ForgetEvidence => {}
            Action::Save => self.save = true,
            Action::Tell(decision) => self.decisions.push(Told::new(plan, rollout, judge, *decision)),
            Action::Count(reason) => self.counts.push((Arc::clone(&plan.rollouts[rollout].name), reason)),
        }
    }
}

impl Told {
    pub(super) fn new(plan: &Arc<Plan>, rollout: usize, judge: &Judge, decision: Decision) -> Self {
        Self { plan: Arc::clone(plan), rollout, phase: judge.trial.state.phase(), decision }
    }

    pub(super) fn spec(&self) -> &Rollout {
        &self.plan.rollouts[self.rollout]
    }
}
