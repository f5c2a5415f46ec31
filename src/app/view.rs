//! What operators see: the admin room's view, made of what the other rooms say.

use crate::admin::{ConfigView, RolloutView, View};
use crate::plan::Plan;
use crate::rollout::{Controller, Now, Phase, RolloutStatus};
use crate::stats::export::{CertificateFacts, ConfigFacts, EndpointFacts, Facts, RolloutFacts};
use crate::upstream::Conditions;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that a view is made of.
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) not_ready: Vec<String>,
    pub(super) config: Arc<ConfigView>,
    pub(super) facts: ConfigFacts,
    pub(super) certificates: Vec<CertificateFacts>,
    /// How each backend's endpoints stand.
    pub(super) conditions: Vec<Conditions>,
    pub(super) controller: &'a Controller,
    pub(super) now: Now,
}

impl Shown<'_> {
    /// The view of this moment.
    pub(super) fn view(self) -> View {
        let statuses = self.controller.status(self.now);
        let rollbacks = self.controller.rollbacks();
        let rollouts = statuses.iter().map(|status| {
            let counted = rollbacks.iter().filter(|counted| counted.rollout == status.name);
            let counted = counted.map(|counted| (Arc::from(counted.reason.as_str()), counted.count));
            rollout_facts(status, counted.collect())
        });
        let endpoints = self.plan.backends.iter().zip(&self.conditions).map(|(backend, conditions)| {
            let &Conditions { ready, resting, unhealthy, ejected } = conditions;
            EndpointFacts { backend: Arc::clone(&backend.name), ready, resting, unhealthy, ejected }
        });
        let facts = Facts {
            config: self.facts,
            endpoints: endpoints.collect(),
            rollouts: rollouts.collect(),
            certificates: self.certificates,
        };
        let shown = statuses.into_iter().map(|status| RolloutView { name: Arc::clone(&status.name), status });
        View { not_ready: self.not_ready, config: Some(self.config), rollouts: shown.collect(), facts: Arc::new(facts) }
    }
}

fn rollout_facts(status: &RolloutStatus, rollbacks: Vec<(Arc<str>, u64)>) -> RolloutFacts {
    let mut evidence: BTreeMap<&str, f64> = BTreeMap::new();
    for limit in &status.limits {
        if let Some(value) = limit.evidence {
            evidence.entry(&limit.metric).and_modify(|most| *most = most.max(value)).or_insert(value);
        }
    }
    let sides = [&status.stable, &status.canary];
    RolloutFacts {
        step: Some((status.step.unwrap_or(0), status.steps.len())).filter(|(_, count)| *count > 0),
        name: Arc::clone(&status.name),
        phase: status.phase.name(),
        phases: Phase::NAMES,
        weights: sides.map(|side| (Arc::clone(&side.backend), side.weight)).into(),
        evidence: evidence.into_iter().map(|(metric, value)| (Arc::from(metric), value)).collect(),
        rollbacks,
    }
}
