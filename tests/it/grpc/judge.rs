//! The judge looks at how gRPC calls end, not at the HTTP status, which is always 200.

use super::{PEER, Server, grpcio};
use crate::harness::{PATIENCE, Peer, Serin, eventually};

#[test]
fn a_canary_that_is_unavailable_under_200_is_taken_out_and_a_stable_that_finds_nothing_is_not_charged() {
    let Some(python) = grpcio() else { return };
    let (stable, canary) = (Server::with(&python, &["NOT_FOUND"]), Server::with(&python, &["UNAVAILABLE"]));
    let mut serin = Serin::start(&format!(
        r#"
backends:
  - {{ name: stable, version: "1", protocol: http2, endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "2", protocol: http2, endpoints: {{ static: ["{}"] }} }}
routes:
  - name: shop
    rules: [{{ name: everyone, backendRefs: [{{ name: stable, weight: 50 }}, {{ name: canary, weight: 50 }}] }}]
rollouts:
  - {{ name: shop, rule: shop/everyone, stable: stable, canary: canary,
      rollback: [{{ metric: error-rate, max: 5%, window: 1m }}] }}
"#,
        stable.address, canary.address
    ));
    let address = serin.address().to_string();
    let limit = (PATIENCE.as_secs() * 5).to_string();
    let calls = |count: &str| Peer::start(&python, PEER, &["load", &address, count, "4", &limit]).line();
    let is_out = || serin.count("serin_rollout_phase", &[("rollout", "shop"), ("phase", "RolledBack")]) == 1;
    let failed = |backend, cause| serin.count("serin_failures_total", &[("backend", backend), ("cause", cause)]);
    calls("200");
    eventually("the canary is out", is_out);
    assert!(failed("canary", "grpc-status") >= 5);
    assert_eq!(calls("100"), r#"{"NOT_FOUND": 100}"#, "all of them by stable");
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 0);
    let codes = serin.count("serin_requests_total", &[("backend", "canary"), ("code", "200")]);
    assert_eq!(serin.count("serin_requests_total", &[("backend", "canary")]), codes, "under 200, all of them");
}
