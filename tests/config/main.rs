//! The config as operators meet it: the examples, the schema, the refusals and how they read.

mod backends;
mod examples;
mod grpc;
mod meaning;
mod proxy_protocol;
mod refusals;
mod reports;
mod robust;
mod tls;

use serin::config::{Problems, check};
use serin::plan::Plan;
use std::path::Path;

/// Every kind of thing once, and nothing wrong with it. Tests change one line of it at a time.
const GOOD: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:8080" }
backends:
  - { name: stable, version: "1.4.1", endpoints: { dns: "stable:8004" } }
  - { name: canary, version: "1.5.0", endpoints: { static: ["10.0.0.1:8004"] } }
routes:
  - name: shop
    hostnames: [shop.example.com]
    rules:
      - name: testers
        matches: [{ headers: [{ name: X-Canary, value: always }] }]
        backendRefs: [{ name: canary }]
      - name: everyone
        backendRefs: [{ name: stable, weight: 90 }, { name: canary, weight: 10 }]
rollouts:
  - name: shop
    rule: shop/everyone
    stable: stable
    canary: canary
    stickiness: { header: X-User-Id }
    rollback:
      - { metric: error-rate, max: 5%, window: 5m }
    alerts: [{ webhook: { url: "https://hooks.example.com/x" } }]
"#;

/// Every key of a rollout with steps, and nothing wrong with it.
const STEPPED: &str = r#"
listeners:
  - { name: web, address: "127.0.0.1:8080" }
backends:
  - { name: stable, version: "1.4.1", endpoints: { dns: "stable:8004" } }
  - { name: canary, version: "1.5.0", endpoints: { static: ["10.0.0.1:8004"] } }
routes:
  - name: shop
    rules:
      - name: everyone
        backendRefs: [{ name: stable }, { name: canary }]
rollouts:
  - name: shop
    rule: shop/everyone
    stable: stable
    canary: canary
    steps: [{ weight: 10, for: 15m }, { weight: 30%, for: 1h }]
    progressDeadline: 20m
    inconclusive: { after: 2h, then: rollback }
    rollback:
      - { metric: error-rate, comparedToStable: 2x, window: 5m }
      - name: health
        prometheus: { url: "https://prometheus:9090", query: "h{v='{{canary}}'}", timeout: 2s, tokenFile: t, caFile: ca.pem }
        min: 99%
        max: 1.5
        window: 5m
        interval: 20s
        minSamples: 5
    promotion:
      auto: false
      return: 1m
      limits:
        - { metric: error-rate, max: 1%, window: 30m }
    webhooks:
      - { name: load, type: rollout, url: "http://gate/x", timeout: 5s, interval: 1s, retries: 0, threshold: 3, metadata: { team: data, tier: 1 } }
    alerts:
      - slack: { url: "https://hooks.example.com/x", severity: error }
"#;

fn check_text(text: &str) -> Result<Plan, Problems> {
    check(text, Path::new("/etc/serin/serin.yaml"))
}

/// [`GOOD`] with `from`, which must be there, replaced.
fn edited(from: &str, to: &str) -> String {
    replaced(GOOD, from, to)
}

/// [`STEPPED`] with `from`, which must be there, replaced.
fn stepped(from: &str, to: &str) -> String {
    replaced(STEPPED, from, to)
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} is there once");
    text.replace(from, to)
}

/// [`GOOD`] with more keys at the end.
fn with(more: &str) -> String {
    format!("{GOOD}{more}\n")
}
