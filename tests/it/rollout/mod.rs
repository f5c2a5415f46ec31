//! A whole rollout over real HTTP, with seconds for minutes: by itself, by hand, through gates, crashes and breaches.

mod by_hand;
mod crashes;
mod gates;
mod hangs;
mod queries;
mod steps;

use crate::harness::{Load, Serin, Service, eventually};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

const ROLLOUT: &str = "data-tier";

/// Stable, a canary, and a rollout of five steps between them.
struct Scene {
    stable: Service,
    canary: Service,
    stable_version: &'static str,
    canary_version: &'static str,
    canary_address: SocketAddr,
    /// How long each step is held.
    hold: &'static str,
    weights: &'static str,
    /// More keys of the rollout, each line indented by four.
    more: String,
}

impl Scene {
    fn new() -> Self {
        let (stable, canary) = (Service::start("stable"), Service::start("canary"));
        let canary_address = canary.address();
        Self {
            stable,
            canary,
            stable_version: "1.4.1",
            canary_version: "1.5.0",
            canary_address,
            hold: "500ms",
            weights: "[10, 30, 50, 75, 100]",
            more: String::new(),
        }
    }

    fn config(&self) -> String {
        format!(
            r#"
backends:
  - {{ name: stable, version: "{}", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "{}", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: data-tier
    rules:
      - name: everyone
        backendRefs: [{{ name: stable }}, {{ name: canary }}]
rollouts:
  - name: {ROLLOUT}
    rule: data-tier/everyone
    stable: stable
    canary: canary
    steps: {{ weights: {}, for: {} }}
    rollback: [{{ metric: error-rate, max: 5%, window: 5m, minRequests: 5 }}]
{}
"#,
            self.stable_version,
            self.stable.address(),
            self.canary_version,
            self.canary_address,
            self.weights,
            self.hold,
            self.more
        )
    }
}

/// Some 500 requests a second over eight connections.
fn load(serin: &mut Serin) -> Load {
    Load::start(serin.address(), 8, Duration::from_millis(15))
}

fn rollout(serin: &Serin) -> Value {
    serin.api(&format!("/api/v1/rollouts/{ROLLOUT}"))
}

fn is_in(serin: &Serin, phase: &str) -> bool {
    rollout(serin)["phase"] == phase
}

#[track_caller]
fn until(serin: &Serin, phase: &str) {
    eventually(&format!("{phase}; last: {}", rollout(serin)["message"]), || is_in(serin, phase));
}

#[track_caller]
fn until_step(serin: &Serin, step: u64) {
    // A step may be over between two looks.
    eventually(&format!("step {step}"), || rollout(serin)["step"].as_u64() >= Some(step));
}

/// The canary's weight in force, in percent.
fn weight(serin: &Serin) -> f64 {
    serin.metric("serin_rollout_weight", &[("rollout", ROLLOUT), ("backend", "canary")])
}

/// Waits until so many more requests were begun: time that shows that nothing happens.
#[track_caller]
fn more_requests(load: &Load, count: u64) {
    let before = load.begun();
    eventually("the load goes on", || load.begun() >= before + count);
}

/// Each event of the history with the step that it is about.
fn history(serin: &Serin) -> Vec<(String, Option<u64>)> {
    let status = rollout(serin);
    let history = status["history"].as_array().expect("a list");
    history.iter().map(|d| (d["event"].as_str().expect("a text").to_owned(), d["step"].as_u64())).collect()
}

fn say(serin: &Serin, verb: &str) -> u16 {
    serin.admin("POST", &format!("/api/v1/rollouts/{ROLLOUT}/{verb}")).status
}

#[track_caller]
fn said(serin: &Serin, verb: &str) {
    let answer = serin.admin("POST", &format!("/api/v1/rollouts/{ROLLOUT}/{verb}"));
    assert_eq!(answer.status, 200, "{verb}: {}", answer.text());
}
