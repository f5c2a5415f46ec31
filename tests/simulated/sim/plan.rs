//! The plan that is rolled out: five steps, between a stable and a canary version.

use serin::plan::Plan;
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
    rules: [{{ name: everyone, backendRefs: [{{ name: stable }}, {{ name: canary }}] }}]
rollouts:
  - name: data-tier
    rule: data-tier/everyone
    stable: stable
    canary: canary
    steps: {{ weights: {WEIGHTS:?}, for: {hold}ms }}
    rollback:
      - {{ metric: error-rate, max: 5%, window: {window}s, minRequests: {min} }}
      - {{ metric: latency-p99, max: 500ms, window: {window}s, minRequests: {min} }}
    promotion:
      return: {back}ms
      limits:
        - {{ metric: error-rate, max: 1%, window: {long}s, minRequests: {min} }}
        - {{ metric: latency-mean, max: 500ms, window: {long}s, minRequests: {min} }}
"#,
            stable = self.stable_version,
            hold = self.hold.as_millis(),
            back = self.return_over.as_millis(),
            long = self.promotion_window.as_secs(),
        );
        Arc::new(serin::config::check(&text, Path::new("simulated.yaml")).expect("the config is right"))
    }
}
