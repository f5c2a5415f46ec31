//! The `rollback` limits with the roles changed: while the traffic returns, the stable that has just been rolled forward
//! is the one on trial, and the canary, which has passed every step, is its control.

use crate::plan::{Limit, Rollout};
use crate::rollout::counters::Delta;
use crate::rollout::limits::{Guard, Role, Verdict};
use crate::rollout::record::LimitRecord;
use crate::rollout::time::Now;

/// Watches stable while the traffic returns to it.
#[derive(Debug, Default)]
pub(super) struct Returning {
    guards: Vec<Guard>,
    /// Stable's share when the guards last began to compare.
    share: Option<f64>,
}

impl Returning {
    /// Takes in what was counted since the last call: the first limit that stable breaches. `share` is stable's, 0 to 1,
    /// of what the two get; `None` while no traffic returns, so that each return begins with no evidence.
    pub(super) fn observe(
        &mut self,
        spec: &Rollout,
        share: Option<f64>,
        stable: &Delta,
        canary: &Delta,
        now: Now,
    ) -> Option<LimitRecord> {
        let Some(share) = share else {
            *self = Self::default();
            return None;
        };
        if self.share.is_none() {
            let on_requests = spec.rollback.iter().filter(|limit| matches!(limit, Limit::Requests(_)));
            self.guards = on_requests.map(|limit| Guard::new(limit.clone(), Role::Rollback)).collect();
        }
        if self.share != Some(share) {
            self.share = Some(share);
            self.guards.iter_mut().for_each(|guard| guard.resplit(share));
        }
        self.guards.iter_mut().for_each(|guard| guard.observe(stable, canary, now));
        let mut findings = self.guards.iter().map(|guard| (guard, guard.finding()));
        let breach = findings.find(|(_, finding)| finding.verdict == Verdict::Breach);
        breach.map(|(guard, finding)| LimitRecord::new(guard.limit(), &finding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Metric, RateBound, RequestLimit};
    use crate::rollout::control::tests::plan;
    use crate::rollout::time::Timestamp;
    use std::time::Duration;

    fn requests(judged: u64, failed: u64) -> Delta {
        Delta { requests: judged, judged, failed, ..Delta::default() }
    }

    /// A hundred requests a tick, of which stable has these many and fails all or none: whether it breaches within 3 s.
    fn breaches(stable: u64, stable_fails: bool, canary_fails: bool) -> bool {
        let limit = RequestLimit {
            metric: Metric::ErrorRate { max: RateBound::Share(0.05) },
            window: Duration::from_secs(300),
            min_requests: 50,
            alpha: 1e-5,
        };
        let spec = &plan(&[("data-tier", "1.5.0", &[Limit::Requests(limit)])]).rollouts[0];
        let mut returning = Returning::default();
        (0..30).any(|tick| {
            let monotonic = Duration::from_millis(tick * 100);
            let now = Now { monotonic, wall: Timestamp::from_duration(monotonic) };
            let delta = |judged, fails| requests(judged, if fails { judged } else { 0 });
            let share = Some(0.01 * f64::from(u32::try_from(stable).unwrap()));
            let (stable, canary) = (delta(stable, stable_fails), delta(100 - stable, canary_fails));
            returning.observe(spec, share, &stable, &canary, now).is_some()
        })
    }

    #[test]
    fn a_stable_that_fails_beside_a_healthy_canary_breaches_and_one_that_shares_its_fault_does_not() {
        for stable in [3, 50, 90] {
            assert!(breaches(stable, true, false), "{stable} %");
            assert!(!breaches(stable, true, true), "{stable} %");
            assert!(!breaches(stable, false, false), "{stable} %");
        }
    }
}
