//! The plan that is rolled out: five steps, between a stable and a canary version.

use serin::plan::{Inconclusive, Limit, Metric, Plan, Progression, Promotion, RateBound, RequestLimit, Step, Then};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The canary's weight in each step, in percent.
pub(crate) const WEIGHTS: [f64; 5] = [10.0, 30.0, 50.0, 75.0, 100.0];

/// How long each step is held.
pub(crate) const HOLD: Duration = Duration::from_secs(15 * 60);

/// The canary's version.
pub(crate) const CANARY: &str = "1.5.0";

/// What differs from one rollout to another. The default is the design's example.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// Stable's version; the canary's once stable has been rolled forward.
    pub(crate) stable_version: &'static str,
    /// How long each step is held.
    pub(crate) hold: Duration,
    /// The window of the limits in `rollback`.
    pub(crate) rollback_window: Duration,
    /// The window of the limits in `promotion`.
    pub(crate) promotion_window: Duration,
    /// The requests that each window needs.
    pub(crate) min_requests: u64,
    /// How long the traffic takes back to stable.
    pub(crate) return_over: Duration,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            stable_version: "1.4.1",
            hold: HOLD,
            rollback_window: Duration::from_secs(5 * 60),
            promotion_window: Duration::from_secs(30 * 60),
            min_requests: 50,
            return_over: Duration::from_secs(30),
        }
    }
}

impl Spec {
    /// The plan that this comes to: rule 0 and rollout 0, stable the first of the rule's backends.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        let (window, min) = (self.rollback_window.as_secs(), self.min_requests);
        let text = format!(
            r#"
listeners: [{{ name: web, address: "127.0.0.1:0" }}]
backends:
  - {{ name: stable, version: "{stable}", endpoints: {{ static: ["127.0.0.1:1"] }} }}
  - {{ name: canary, version: "{CANARY}", endpoints: {{ static: ["127.0.0.1:2"] }} }}
routes:
  - name: data-tier
    rules: [{{ name: everyone, backendRefs: [{{ name: stable, weight: 1 }}, {{ name: canary, weight: 1 }}] }}]
rollouts:
  - name: data-tier
    rule: data-tier/everyone
    stable: stable
    canary: canary
    rollback:
      - {{ metric: error-rate, max: 5%, window: {window}s, minRequests: {min} }}
      - {{ metric: latency-p99, max: 500ms, window: {window}s, minRequests: {min} }}
"#,
            stable = self.stable_version,
        );
        let mut plan = serin::config::check(&text, Path::new("simulated.yaml")).expect("the config is right");
        let rollout = &mut plan.rollouts[0];
        (rollout.progression, rollout.stable_caught_up) = (Some(self.progression()), self.stable_version == CANARY);
        Arc::new(plan)
    }

    fn progression(&self) -> Progression {
        let limit = |metric| {
            let (window, min_requests) = (self.promotion_window, self.min_requests);
            Limit::Requests(RequestLimit { metric, window, min_requests, alpha: 1e-5 })
        };
        Progression {
            steps: WEIGHTS.map(|weight| Step { weight, hold: self.hold }).to_vec(),
            progress_deadline: Duration::from_secs(600),
            inconclusive: Inconclusive { after: Duration::from_secs(3_600), then: Then::Hold },
            promotion: Promotion {
                auto: true,
                limits: vec![
                    limit(Metric::ErrorRate { max: RateBound::Share(0.01) }),
                    limit(Metric::LatencyMean { max: Duration::from_millis(500) }),
                ],
                return_over: self.return_over,
            },
        }
    }
}
