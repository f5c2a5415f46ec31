//! What a backend's settings mean, what of them is refused, and how they are shown.

use super::{check_text, edited};
use serin::cli::check;
use serin::plan::{CircuitBreaker, HealthCheck, HealthQuestion, OutlierDetection, Protocol, SuccessRate, Upstream};
use std::time::Duration;

const CANARY: &str = "endpoints: { static: [\"10.0.0.1:8004\"] }";

/// The good file with these keys on its canary.
fn with(keys: &str) -> String {
    edited(CANARY, &format!("{CANARY}, {keys}"))
}

fn upstream(keys: &str) -> Upstream {
    let plan = check_text(&with(keys)).unwrap_or_else(|problems| panic!("{}", problems.report(false)));
    assert_eq!(plan.backends[0].upstream, Upstream::default(), "the other backend is as it was");
    plan.backends[1].upstream.clone()
}

#[test]
fn everything_is_off_and_half_is_enough_unless_something_else_is_said() {
    let expected = Upstream {
        health: None,
        outliers: None,
        panic_threshold: 0.5,
        breaker: CircuitBreaker { max_connections: None, max_pending_requests: None, max_requests: None },
        slow_start: None,
        max_connection_age: None,
        max_requests_per_connection: None,
    };
    let plan = check_text(super::GOOD).unwrap();
    assert!(plan.backends.iter().all(|backend| backend.upstream == expected));
}

#[test]
fn a_health_check_needs_its_question_alone() {
    let seconds = Duration::from_secs;
    let default = HealthCheck {
        question: HealthQuestion::Get("/healthz?deep=1".into()),
        interval: seconds(5),
        timeout: seconds(1),
        healthy_threshold: 2,
        unhealthy_threshold: 3,
    };
    assert_eq!(upstream("health: { path: \"/healthz?deep=1\" }").health, Some(default.clone()));
    let all = "path: /h, interval: 250ms, timeout: 2s, healthyThreshold: 1, unhealthyThreshold: 7";
    let expected = HealthCheck {
        question: HealthQuestion::Get("/h".into()),
        interval: Duration::from_millis(250),
        timeout: seconds(2),
        healthy_threshold: 1,
        unhealthy_threshold: 7,
    };
    assert_eq!(upstream(&format!("health: {{ {all} }}")).health, Some(expected));
    for (keys, service) in [("{}", ""), ("{ service: \"\" }", ""), ("{ service: shop.v1.Orders }", "shop.v1.Orders")] {
        let question = upstream(&format!("health: {{ grpc: {keys} }}")).health.unwrap().question;
        assert_eq!(question, HealthQuestion::Grpc(service.into()));
    }
}

#[test]
fn outlier_detection_has_envoys_defaults_and_compares_rates_only_where_that_is_said() {
    let expected = OutlierDetection {
        consecutive_failures: 5,
        interval: Duration::from_secs(10),
        base_ejection_time: Duration::from_secs(30),
        max_ejection_percent: 50,
        success_rate: None,
    };
    assert_eq!(upstream("outlierDetection: {}").outliers, Some(expected));
    let rate =
        |keys: &str| upstream(&format!("outlierDetection: {{ successRate: {keys} }}")).outliers.unwrap().success_rate;
    assert_eq!(rate("{}"), Some(SuccessRate { minimum_hosts: 5, minimum_requests: 100, stdev_factor: 1.9 }));
    assert_eq!(
        rate("{ minimumHosts: 3, minimumRequests: 20, stdevFactor: 1.2 }"),
        Some(SuccessRate { minimum_hosts: 3, minimum_requests: 20, stdev_factor: 1.2 })
    );
}

#[test]
fn ceilings_ages_and_thresholds_are_read() {
    let keys = "panicThreshold: 0, circuitBreaker: { maxRequests: 7 }, slowStart: 30s, maxConnectionAge: 10m, maxRequestsPerConnection: 100";
    let upstream = upstream(keys);
    assert_eq!(upstream.panic_threshold.to_bits(), 0.0_f64.to_bits());
    let breaker = CircuitBreaker { max_connections: None, max_pending_requests: None, max_requests: Some(7) };
    assert_eq!(upstream.breaker, breaker);
    assert_eq!(upstream.slow_start, Some(Duration::from_secs(30)));
    assert_eq!(upstream.max_connection_age, Some(Duration::from_secs(600)));
    assert_eq!(upstream.max_requests_per_connection, Some(100));
}

#[test]
fn a_backend_speaks_http_1_unless_it_is_said_to_speak_http_2() {
    let protocol = |keys: &str| check_text(&with(keys)).unwrap().backends[1].protocol;
    assert_eq!(check_text(super::GOOD).unwrap().backends[1].protocol, Protocol::Http1);
    assert_eq!(protocol("protocol: http1"), Protocol::Http1);
    assert_eq!(protocol("protocol: http2, tls: {}, health: { path: / }"), Protocol::Http2);
}

#[test]
fn what_is_wrong_is_refused_alone() {
    for (keys, expected) in [
        ("health: {}", "`path` is missing"),
        ("health: { path: /, grpc: {} }", "both `path` and `grpc`"),
        ("health: { grpc: }", "`path` is missing"),
        ("health: { grpc: orders }", "expected a mapping"),
        ("health: { grpc: { name: orders } }", "unknown key `name`"),
        ("health: { path: healthz }", "`healthz` is no path"),
        ("health: { path: \"/a b\" }", "`/a b` is no path"),
        ("health: { path: \"/a#b\" }", "`/a#b` is no path"),
        ("health: { path: /, interval: 10ms }", "`interval` cannot be 10ms"),
        ("health: { path: /, timeout: 0 }", "`timeout` cannot be 0s"),
        ("health: { path: /, healthyThreshold: 0 }", "`healthyThreshold` cannot be 0"),
        ("health: { path: /, unhealthyThreshold: 101 }", "`unhealthyThreshold` cannot be 101"),
        ("health: { path: /, statuses: [200] }", "unknown key `statuses`"),
        ("health: on", "expected a mapping"),
        ("outlierDetection: { consecutiveFailures: 0 }", "`consecutiveFailures` cannot be 0"),
        ("outlierDetection: { baseEjectionTime: 1ms }", "`baseEjectionTime` cannot be 1ms"),
        ("outlierDetection: { maxEjectionPercent: 101 }", "`maxEjectionPercent` cannot be 101"),
        ("outlierDetection: { maxEjectionPercent: 50% }", "expected a whole number without `%`, found `50%`"),
        ("outlierDetection: { successRate: { minimumHosts: 1 } }", "`minimumHosts` cannot be 1"),
        ("outlierDetection: { successRate: { stdevFactor: much } }", "`stdevFactor` cannot be `much`"),
        ("outlierDetection: { successRate: { stdevFactor: 0 } }", "`stdevFactor` cannot be `0`"),
        ("panicThreshold: 101%", "a ratio is written `5%` or `0.05`"),
        ("circuitBreaker: { maxConnections: 0 }", "`maxConnections` cannot be 0"),
        ("circuitBreaker: { maxPending: 1 }", "unknown key `maxPending`"),
        ("slowStart: 10ms", "`slowStart` cannot be 10ms"),
        ("maxConnectionAge: off", "a duration is a number and a unit"),
        ("protocol: http2, proxyProtocol: v1", "`proxyProtocol` with `protocol: http2`"),
        ("protocol: h2", "unknown value `h2`"),
        ("protocol: [http2]", "expected"),
        ("maxRequestsPerConnection: 0", "`maxRequestsPerConnection` cannot be 0"),
    ] {
        let lines = check_text(&with(keys)).expect_err(expected).lines();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{keys}: {lines:#?}");
    }
}

#[test]
fn the_summary_tells_them_in_words_and_says_nothing_of_a_backend_without() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("serin.yaml");
    let keys = "protocol: http2, health: { path: /healthz }, outlierDetection: { successRate: {} }, panicThreshold: 20%, slowStart: 30s, \
        circuitBreaker: { maxConnections: 10, maxRequests: 20 }, maxConnectionAge: 10m, maxRequestsPerConnection: 1000";
    std::fs::write(&file, with(keys)).unwrap();
    let summary = check::run(&file, false).stdout;
    let expected = "backend canary
  speaks    http2
  asks      GET /healthz every 5s, for 1s at most; out after 3 bad answers, back after 2 good ones
  ejects    after 5 failures in a row, for 30s and longer, 50% of the endpoints at most
            or 1.9 deviations below the mean success rate of 5 with 100 requests or more in 10s
  uses all  below 20% of the endpoints
  refuses   what is above 10 connections, or 20 requests
  warms up  an endpoint that joins over 30s
  renews    connections after 10m, or after 1000 requests
";
    assert!(summary.contains(expected), "{summary}");
    assert!(!summary.contains("backend stable"), "{summary}");
}

#[test]
fn the_summary_says_whom_grpcs_health_service_is_asked_about() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("serin.yaml");
    for (keys, expected) in
        [("{}", "gRPC's health service every 5s"), ("{ service: a.B }", "gRPC's health service about a.B every 5s")]
    {
        std::fs::write(&file, with(&format!("health: {{ grpc: {keys} }}"))).unwrap();
        let summary = check::run(&file, false).stdout;
        assert!(summary.contains(&format!("  asks      {expected}")), "{summary}");
    }
}
