//! What is true now and no worker counts: the config in force, the endpoints, the rollouts.

use super::families::{Family, number};
use prometheus::proto::MetricFamily;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Published by the control thread, read at each scrape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// About the config.
    pub config: ConfigFacts,
    /// About each backend's endpoints.
    pub endpoints: Vec<EndpointFacts>,
    /// About each rollout.
    pub rollouts: Vec<RolloutFacts>,
    /// About each certificate of our own.
    pub certificates: Vec<CertificateFacts>,
}

/// About the config in force and the attempts to replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFacts {
    /// The hash of the plan in force.
    pub hash: Arc<str>,
    /// How often the file was read anew and put in force.
    pub reloads: u64,
    /// How often it was read anew and refused.
    pub reloads_refused: u64,
    /// Whether the last attempt went well, and every certificate's file is in force as it is; true before the first.
    pub last_reload_successful: bool,
}

impl Default for ConfigFacts {
    fn default() -> Self {
        Self { hash: Arc::from(""), reloads: 0, reloads_refused: 0, last_reload_successful: true }
    }
}

/// How many endpoints a backend has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFacts {
    /// The backend's name.
    pub backend: Arc<str>,
    /// Those that take connections.
    pub ready: u64,
    /// Those that rest after connect failures.
    pub resting: u64,
    /// Those that do not answer their health check, or have not answered it yet.
    pub unhealthy: u64,
    /// Those that are ejected because their requests failed.
    pub ejected: u64,
}

/// How long a certificate is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The listener that shows it; empty for a backend's.
    pub listener: Arc<str>,
    /// The backend that it is shown to; empty for a listener's.
    pub backend: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
    /// The last second, since 1970, at which it is valid.
    pub not_after: u64,
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutFacts {
    /// The rollout's name.
    pub name: Arc<str>,
    /// The phase that it is in: one of `phases`.
    pub phase: &'static str,
    /// Every phase that there is.
    pub phases: &'static [&'static str],
    /// The step that it is in, from 1, and how many there are; `None` when the file holds the weights. Step 0 is before
    /// the first.
    pub step: Option<(usize, usize)>,
    /// Each backend of the guarded rule with its share in percent.
    pub weights: Vec<(Arc<str>, f64)>,
    /// Each limit, by its metric's name, with its log evidence over the alarm level. Of several limits on one metric
    /// the strongest evidence is exported.
    pub evidence: Vec<(Arc<str>, f64)>,
    /// How often the canary was taken out since the process began, by reason: a limit's metric, or a word of the
    /// judge's.
    pub rollbacks: Vec<(Arc<str>, u64)>,
}

pub(super) fn families(facts: &Facts) -> Vec<MetricFamily> {
    let Facts { config, endpoints, rollouts, certificates } = facts;
    let endpoints = endpoints.iter().flat_map(|e| {
        let states = [("ready", e.ready), ("resting", e.resting), ("unhealthy", e.unhealthy), ("ejected", e.ejected)];
        states.map(|(state, count)| Family::Endpoints.sample(&[&e.backend, state], number(count)))
    });
    let phases = rollouts.iter().flat_map(|r| {
        r.phases
            .iter()
            .map(|phase| Family::RolloutPhase.sample(&[&r.name, phase], if *phase == r.phase { 1.0 } else { 0.0 }))
    });
    let weights = rollouts.iter().flat_map(|r| {
        r.weights.iter().map(|(backend, share)| Family::RolloutWeight.sample(&[&r.name, backend], *share))
    });
    let steps = rollouts.iter().filter_map(|r| Some((r, r.step?)));
    let step = steps.clone().map(|(r, (step, _))| Family::RolloutStep.sample(&[&r.name], number(step as u64)));
    let count = steps.map(|(r, (_, count))| Family::RolloutSteps.sample(&[&r.name], number(count as u64)));
    let evidence = rollouts.iter().flat_map(|r| {
        let by_limit = merged(&r.evidence, f64::max);
        by_limit.into_iter().map(|(limit, level)| Family::RolloutEvidence.sample(&[&r.name, limit], level))
    });
    let rollbacks = rollouts.iter().flat_map(|r| {
        let by_reason = merged(&r.rollbacks, |a, b| a + b);
        by_reason.into_iter().map(|(reason, count)| Family::Rollbacks.sample(&[&r.name, reason], number(count)))
    });
    let certificates = certificates
        .iter()
        .map(|c| Family::CertificateExpiry.sample(&[&c.listener, &c.backend, &c.file], number(c.not_after)));
    let reloads = [("success", config.reloads), ("failure", config.reloads_refused)];
    let successful = f64::from(u8::from(config.last_reload_successful));
    let build = [env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH];
    vec![
        Family::Endpoints.of(endpoints),
        Family::CertificateExpiry.of(certificates),
        Family::RolloutPhase.of(phases),
        Family::RolloutStep.of(step),
        Family::RolloutSteps.of(count),
        Family::RolloutWeight.of(weights),
        Family::RolloutEvidence.of(evidence),
        Family::Rollbacks.of(rollbacks),
        Family::ConfigReloads.of(reloads.map(|(result, n)| Family::ConfigReloads.sample(&[result], number(n)))),
        Family::ConfigLastReloadSuccessful.of([Family::ConfigLastReloadSuccessful.sample(&[], successful)]),
        Family::ConfigInfo.of([Family::ConfigInfo.sample(&[&config.hash], 1.0)]),
        Family::BuildInfo.of([Family::BuildInfo.sample(&build, 1.0)]),
    ]
}

/// One value a name: two limits on one metric are one sample, since a scrape with a sample twice is refused whole.
fn merged<T: Copy>(values: &[(Arc<str>, T)], merge: impl Fn(T, T) -> T) -> BTreeMap<&str, T> {
    let mut by_name = BTreeMap::new();
    for (name, value) in values {
        by_name.entry(&**name).and_modify(|known| *known = merge(*known, *value)).or_insert(*value);
    }
    by_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_limits_on_one_metric_are_one_sample_with_the_stronger_evidence() {
        let values = [("error-rate".into(), 0.5), ("error-rate".into(), 0.75), ("latency-p99".into(), 0.25)];
        assert_eq!(
            merged(&values, f64::max).into_iter().collect::<Vec<_>>(),
            [("error-rate", 0.75), ("latency-p99", 0.25)]
        );
    }
}
