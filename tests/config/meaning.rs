//! What right files mean.

mod rollouts;

use super::{GOOD, check_text, edited, with};
use serin::plan::{Endpoints, LatencyBound, Limit, Metric, RateBound, RequestRate, Stickiness, Store};
use std::path::Path;
use std::time::Duration;

#[test]
fn names_become_ids_and_defaults_are_filled_in() {
    let plan = check_text(GOOD).unwrap();
    assert_eq!(plan.rules.iter().map(|rule| &*rule.name).collect::<Vec<_>>(), ["testers", "everyone"]);
    assert_eq!(plan.rules[0].backend_refs[0].weight, 1);
    assert!(plan.rules[0].rollout.is_none());
    assert_eq!(plan.rules[1].rollout.unwrap().index(), 0);
    let rollout = &plan.rollouts[0];
    assert_eq!((rollout.stable.index(), rollout.canary.index(), &*rollout.revision), (0, 1, "1.5.0"));
    assert_eq!(rollout.stickiness, Some(Stickiness::Header("x-user-id".into())));
    let Limit::Requests(limit) = &rollout.rollback[0] else { panic!("measured on requests") };
    assert_eq!((limit.min_requests, limit.alpha), (50, 1e-5));
    assert_eq!(limit.metric, Metric::ErrorRate { max: RateBound::Share(0.05) });
    assert_eq!(plan.admin.address.to_string(), "127.0.0.1:9900");
    assert_eq!(plan.timeouts.idle, Some(Duration::from_secs(75)));
    assert_eq!(plan.store, Store::BesideConfig);
}

#[test]
fn the_same_text_has_the_same_hash_and_another_text_another() {
    let hash = |text: &str| check_text(text).unwrap().hash;
    assert_eq!(hash(GOOD), hash(GOOD));
    assert_ne!(hash(GOOD), hash(&with("# a comment")));
}

#[test]
fn paths_are_relative_to_the_file() {
    let plan = check_text(&with("store: { file: state }\nadmin: { tokenFile: /run/token }")).unwrap();
    assert_eq!(plan.store, Store::Dir("/etc/serin/state".into()));
    assert_eq!(plan.admin.token_file.as_deref(), Some(Path::new("/run/token")));
}

#[test]
fn a_version_needs_no_quotes_and_keeps_its_spelling() {
    let plan = check_text(&edited("version: \"1.4.1\"", "version: 1.10")).unwrap();
    assert_eq!(&*plan.backends[0].version, "1.10");
}

#[test]
fn rules_are_numbered_by_their_position_and_all_weights_may_be_0() {
    let plan = check_text(
        "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\n\
         backends: [{ name: a, endpoints: { static: [\"[::1]:80\"] } }]\n\
         routes:\n\
         - { name: r, rules: [{ matches: [{ path: { value: /a/ } }], backendRefs: [{ name: a, weight: 0 }] }, { backendRefs: [{ name: a }] }] }\n",
    )
    .unwrap();
    assert_eq!(plan.rules.iter().map(|rule| &*rule.name).collect::<Vec<_>>(), ["rule-0", "rule-1"]);
    let first = plan.matcher.entries().next().unwrap();
    assert_eq!(first.1.to_string(), "PathPrefix /a");
}

#[test]
fn a_dns_name_keeps_its_final_dot() {
    let plan = check_text(&edited("stable:8004", "Stable.ns.svc.:8004")).unwrap();
    let expected = Endpoints::Dns { host: "stable.ns.svc.".into(), port: 8004 };
    assert_eq!(plan.backends[0].endpoints, expected);
}

#[test]
fn clients_are_not_limited_unless_that_is_said() {
    let limits = |more: &str| check_text(&with(more)).unwrap().limits;
    let none = limits("limits: { headerCount: 50 }");
    assert_eq!((none.connections_per_client, none.requests_per_client, none.request_body_bytes), (None, None, None));
    let all =
        limits("limits: { connectionsPerClient: 20, requestsPerClient: { perSecond: 5 }, requestBodyBytes: 10MiB }");
    assert_eq!((all.connections_per_client, all.request_body_bytes), (Some(20), Some(10 << 20)));
    assert_eq!(all.requests_per_client, Some(RequestRate { per_second: 5, burst: 5 }), "a second's worth at once");
    let burst = limits("limits: { requestsPerClient: { perSecond: 5, burst: 7 } }").requests_per_client;
    assert_eq!(burst, Some(RequestRate { per_second: 5, burst: 7 }));
}

#[test]
fn off_is_for_ever() {
    let plan = check_text(&with("timeouts: { idle: off, request: \"off\", connect: 250ms }")).unwrap();
    assert_eq!((plan.timeouts.idle, plan.timeouts.request), (None, None));
    assert_eq!(plan.timeouts.connect, Some(Duration::from_millis(250)));
}

#[test]
fn every_quantile_is_a_metric() {
    for (name, share) in
        [("latency-p50", 0.5), ("latency-p99.9", 0.999), ("latency-p1", 0.01), ("latency-p99.999", 0.99999)]
    {
        let plan = check_text(&edited("error-rate, max: 5%", &format!("{name}, max: 500ms"))).unwrap();
        let Limit::Requests(limit) = &plan.rollouts[0].rollback[0] else { panic!("{name}") };
        let Metric::Latency { quantile, max } = limit.metric else { panic!("{name}") };
        assert_eq!((quantile.share(), max), (share, LatencyBound::Time(Duration::from_millis(500))));
        assert_eq!(limit.metric.to_string(), name);
    }
}

#[test]
fn anchors_and_merges_are_yaml_and_work() {
    let text = edited(
        "      - { metric: error-rate, max: 5%, window: 5m }",
        "      - &limit { metric: error-rate, max: 5%, window: 5m }\n      - { <<: *limit, window: 30m }",
    );
    let plan = check_text(&text).unwrap();
    assert_eq!(plan.rollouts[0].rollback[1].window(), Duration::from_secs(1_800));
}

#[test]
fn stickiness_is_by_header_cookie_or_address() {
    for (written, expected) in
        [("{ cookie: Session }", Stickiness::Cookie("Session".into())), ("{ clientIP: true }", Stickiness::ClientIp)]
    {
        let plan = check_text(&edited("{ header: X-User-Id }", written)).unwrap();
        assert_eq!(plan.rollouts[0].stickiness, Some(expected));
    }
}
