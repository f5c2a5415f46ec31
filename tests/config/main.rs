//! The config as operators meet it: the examples, the schema, the refusals and how they read.

mod examples;
mod meaning;
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

fn check_text(text: &str) -> Result<Plan, Problems> {
    check(text, Path::new("/etc/serin/serin.yaml"))
}

/// [`GOOD`] with `from`, which must be there, replaced.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?} is there once");
    GOOD.replace(from, to)
}

/// [`GOOD`] with more keys at the end.
fn with(more: &str) -> String {
    format!("{GOOD}{more}\n")
}
