//! A plan at one moment: with the endpoints that discovery found and the weights that the rollouts decided.

use super::{Available, BackendId, Plan, RuleId, Split};
use crate::stats::{MirrorKey, MirrorShard, Registry, SeriesKey, Shard};
use std::sync::Arc;

/// What a worker obeys from one request to the next.
#[derive(Debug)]
pub struct Snapshot {
    /// What the file says.
    pub plan: Arc<Plan>,
    /// The endpoints of each backend. Indexed by [`BackendId`].
    pub endpoints: Vec<Available>,
    /// The weights in force of each rule. Indexed by [`RuleId`].
    pub splits: Vec<Split>,
    /// The counters of each rule's backends. Indexed by [`RuleId`], then as the rule's `backend_refs`.
    pub shards: Vec<Vec<RefShards>>,
    /// The counters of the copies of each rule's requests. Indexed by [`RuleId`], then as the rule's
    /// [`mirrored`](super::RuleFilters::mirrored).
    pub mirrors: Vec<Vec<MirrorShards>>,
}

/// The counters of one backend of one rule, a shard for each worker.
pub type RefShards = Arc<[Arc<Shard>]>;
/// The counters of the copies that one rule sends to one backend, a shard for each worker.
pub type MirrorShards = Arc<[Arc<MirrorShard>]>;

impl Snapshot {
    /// `plan` with these endpoints, and for each rollout the canary's share that it decided (`None`: the file's).
    ///
    /// # Panics
    /// When `endpoints` or `canary_shares` are not as many as the plan's backends and rollouts.
    pub fn new(plan: Arc<Plan>, endpoints: Vec<Available>, canary_shares: &[Option<f64>], registry: &Registry) -> Self {
        assert_eq!(endpoints.len(), plan.backends.len(), "one list of endpoints for each backend");
        assert_eq!(canary_shares.len(), plan.rollouts.len(), "one share for each rollout");
        let splits = plan.rules.iter().map(|rule| match rule.rollout {
            None => Split::new(&rule.backend_refs),
            Some(id) => {
                let rollout = &plan.rollouts[id.index()];
                Split::guarded(&rule.backend_refs, rollout.stable, rollout.canary, canary_shares[id.index()])
            }
        });
        let shards = (0..plan.rules.len()).map(|rule| {
            let refs = plan.rules[rule].backend_refs.iter();
            refs.map(|r| registry.shards(&plan.series_key(RuleId::new(rule), r.backend))).collect()
        });
        let mirrors = (0..plan.rules.len()).map(|rule| {
            let mirrored = plan.rules[rule].filters.mirrored().iter();
            mirrored.map(|&backend| registry.mirror_shards(&plan.mirror_key(RuleId::new(rule), backend))).collect()
        });
        Self { splits: splits.collect(), shards: shards.collect(), mirrors: mirrors.collect(), endpoints, plan }
    }
}

impl Plan {
    /// The labels under which the copies of `rule`'s requests for `backend` are counted.
    pub fn mirror_key(&self, rule: RuleId, backend: BackendId) -> MirrorKey {
        let SeriesKey { route, rule, backend, .. } = self.series_key(rule, backend);
        MirrorKey { route, rule, backend }
    }

    /// The labels under which `rule`'s requests to `backend` are counted.
    pub fn series_key(&self, rule: RuleId, backend: BackendId) -> SeriesKey {
        let (rule, backend) = (&self.rules[rule.index()], &self.backends[backend.index()]);
        SeriesKey {
            route: self.routes[rule.route.index()].name.clone(),
            rule: rule.name.clone(),
            backend: backend.name.clone(),
            version: backend.version.clone(),
        }
    }
}
