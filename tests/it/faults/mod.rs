//! The fault campaign: endpoints that die, freeze, misbehave or are cut off, and clients that are too many or too slow,
//! while other clients ask on and every one of their responses is checked.
//!
//! The promise is that no idempotent request is lost while one endpoint lives, that of the others only what was sent to the
//! endpoint that broke is lost and nothing is done twice, that nobody takes half a response for the whole, and that memory
//! stays bounded. `just faults` runs all of
//! it with larger numbers; either way the figures of each scenario end up in one table, `target/tmp/faults.md`.

mod broken;
mod clients;
mod crowd;
mod deaf_http2;
mod endpoint;
mod figures;
mod frozen;
mod full;
mod idle;
mod idle_http2;
mod kills;
mod network;
mod partition;
mod slow;
mod vanished;

use crate::harness::{Serin, eventually};
use std::net::SocketAddr;

/// Asks often, and changes its mind on the second answer.
const HEALTH: &str =
    "health: { path: /healthz, interval: 100ms, timeout: 200ms, healthyThreshold: 2, unhealthyThreshold: 2 }";

/// How much larger than in CI the numbers are: `SERIN_FAULTS_FACTOR`, at least 1.
fn factor() -> usize {
    let named = std::env::var("SERIN_FAULTS_FACTOR").ok();
    named.map_or(1, |factor| factor.parse().expect("SERIN_FAULTS_FACTOR is a whole number")).max(1)
}

/// One backend with these endpoints and settings (`health: {}, slowStart: 1s`) that gets everything, and what fails again.
fn backend(endpoints: impl IntoIterator<Item = SocketAddr>, settings: &str) -> String {
    let list: Vec<_> = endpoints.into_iter().map(|address| format!("\"{address}\"")).collect();
    let comma = if settings.is_empty() { "" } else { ", " };
    let list = list.join(", ");
    format!(
        r#"
backends: [{{ name: shop, version: "1", endpoints: {{ static: [{list}] }}{comma}{settings} }}]
routes:
  - name: web
    rules: [{{ name: everyone, backendRefs: [{{ name: shop }}], retry: {{ attempts: 5, perTryTimeout: 300ms }} }}]
"#
    )
}

#[track_caller]
fn await_endpoints(serin: &Serin, state: &str, count: u64) {
    let now = || serin.count("serin_endpoints", &[("state", state)]);
    eventually(&format!("{count} endpoints are {state}"), || now() == count);
}
