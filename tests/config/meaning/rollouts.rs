//! What a rollout with steps means, key by key, and what holds when a key is left out.

use crate::{STEPPED, check_text, edited, stepped};
use serin::plan::{
    Alert, AlertFormat, Inconclusive, LatencyBound, Limit, Metric, Plan, Progression, Prometheus, QueryLimit, Range,
    RateBound, RequestLimit, Rollout, Severity, Step, Then, Webhook, WebhookKind,
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn plan(text: &str) -> Plan {
    check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)))
}

fn rollout(text: &str) -> Rollout {
    plan(text).rollouts.remove(0)
}

fn progression(text: &str) -> Progression {
    rollout(text).progression.expect("it has steps")
}

#[test]
fn every_key_of_a_rollout_with_steps() {
    let rollout = rollout(STEPPED);
    let progression = rollout.progression.unwrap();
    assert_eq!(progression.steps, [Step { weight: 10.0, hold: 15 * MINUTE }, Step { weight: 30.0, hold: 60 * MINUTE }]);
    assert_eq!(progression.progress_deadline, 20 * MINUTE);
    assert_eq!(progression.inconclusive, Inconclusive { after: 120 * MINUTE, then: Then::Rollback });
    assert_eq!((progression.promotion.auto, progression.promotion.return_over), (false, MINUTE));
    let calm = RequestLimit {
        metric: Metric::ErrorRate { max: RateBound::Share(0.01) },
        window: 30 * MINUTE,
        min_requests: 50,
        alpha: 1e-5,
    };
    assert_eq!(progression.promotion.limits, [Limit::Requests(calm)]);
    let health = QueryLimit {
        name: "health".into(),
        prometheus: Prometheus {
            url: "https://prometheus:9090".into(),
            query: "h{v='{{canary}}'}".into(),
            timeout: Duration::from_secs(2),
            token_file: Some("/etc/serin/t".into()),
            ca_file: Some("/etc/serin/ca.pem".into()),
        },
        range: Range { min: Some(0.99), max: Some(1.5) },
        window: 5 * MINUTE,
        interval: Duration::from_secs(20),
        min_samples: 5,
    };
    assert_eq!(rollout.rollback[1], Limit::Query(health));
    let load = Webhook {
        name: "load".into(),
        kind: WebhookKind::Rollout,
        url: "http://gate/x".into(),
        timeout: Duration::from_secs(5),
        interval: Duration::from_secs(1),
        retries: 0,
        threshold: 3,
        metadata: vec![("team".into(), "data".into()), ("tier".into(), "1".into())],
    };
    assert_eq!(rollout.webhooks, [load]);
    let alert =
        Alert { format: AlertFormat::Slack, url: "https://hooks.example.com/x".into(), severity: Severity::Error };
    assert_eq!(rollout.alerts, [alert]);
}

#[test]
fn every_default_of_a_rollout_with_steps() {
    let from = STEPPED.find("    progressDeadline").unwrap();
    let text = STEPPED[..from].to_owned()
        + "    rollback: [{ name: q, prometheus: { url: \"http://p/\", query: up }, max: 1, window: 1m }]\n"
        + "    webhooks: [{ name: a, type: event, url: \"http://a\" }]\n"
        + "    alerts: [{ teams: { url: \"http://a\" } }]\n";
    let rollout = rollout(&text);
    let progression = rollout.progression.unwrap();
    assert_eq!(progression.progress_deadline, 10 * MINUTE);
    assert_eq!(progression.inconclusive, Inconclusive { after: 60 * MINUTE, then: Then::Hold });
    let promotion = progression.promotion;
    assert_eq!((promotion.auto, promotion.return_over, promotion.limits.len()), (true, MINUTE / 2, 0));
    let Limit::Query(query) = &rollout.rollback[0] else { panic!("asked of Prometheus") };
    assert_eq!((query.interval, query.min_samples), (Duration::from_secs(6), 3));
    assert_eq!(query.range, Range { min: None, max: Some(1.0) });
    let Prometheus { url, timeout, token_file, ca_file, .. } = &query.prometheus;
    assert_eq!((&**url, *timeout, token_file, ca_file), ("http://p", Duration::from_secs(5), &None, &None));
    let hook = &rollout.webhooks[0];
    assert_eq!((hook.timeout, hook.interval), (Duration::from_secs(10), Duration::from_secs(10)));
    assert_eq!((hook.retries, hook.threshold, hook.metadata.len()), (2, 1, 0));
    assert_eq!((rollout.alerts[0].format, rollout.alerts[0].severity), (AlertFormat::Teams, Severity::Info));
}

#[test]
fn steps_in_short_are_steps_that_are_held_alike() {
    let text = |steps| stepped("[{ weight: 10, for: 15m }, { weight: 30%, for: 1h }]", steps);
    let short = progression(&text("{ weights: [0.1, 10%, \"100\"], for: 15m }")).steps;
    let long = "[{ weight: 0.1%, for: 15m }, { weight: 10, for: 15m }, { weight: 100.000, for: 15m }]";
    assert_eq!(short, progression(&text(long)).steps);
    assert_eq!(short.iter().map(|step| step.weight).collect::<Vec<_>>(), [0.1, 10.0, 100.0]);
}

#[test]
fn the_traffic_may_return_at_once_and_a_step_be_as_short_as_a_tenth_of_a_second() {
    assert_eq!(progression(&stepped("return: 1m", "return: 0s")).promotion.return_over, Duration::ZERO);
    assert_eq!(progression(&stepped("for: 15m", "for: 100ms")).steps[0].hold, Duration::from_millis(100));
}

#[test]
fn stable_has_caught_up_when_its_version_is_the_canarys_and_there_are_steps() {
    assert!(!rollout(STEPPED).stable_caught_up);
    assert!(rollout(&stepped("1.4.1", "1.5.0")).stable_caught_up);
    assert!(!rollout(&edited("1.4.1", "1.5.0")).stable_caught_up, "the file holds the weights");
}

#[test]
fn a_limit_may_be_relative_to_stable() {
    let metric = |text: &str| {
        let text = stepped("metric: error-rate, comparedToStable: 2x", text);
        let Limit::Requests(limit) = &rollout(&text).rollback[0] else { panic!("measured on requests") };
        limit.metric
    };
    let times = Metric::ErrorRate { max: RateBound::TimesStable(2.0) };
    assert_eq!(metric("metric: error-rate, comparedToStable: 2x"), times);
    let above = Metric::ErrorRate { max: RateBound::AboveStable(0.01) };
    assert_eq!(metric("metric: error-rate, comparedToStable: +1%"), above);
    let Metric::Latency { quantile, max } = metric("metric: latency-p99, comparedToStable: 1.5x") else { panic!() };
    assert_eq!((quantile.milli_percent(), max), (99_000, LatencyBound::TimesStable(1.5)));
}

#[test]
fn limits_of_one_metric_and_window_may_differ_in_kind() {
    let three = "{ metric: error-rate, max: 1%, window: 30m }\n        - { metric: error-rate, comparedToStable: 2x, window: 30m }\n        - { metric: error-rate, comparedToStable: +1%, window: 30m }";
    let text = stepped("{ metric: error-rate, max: 1%, window: 30m }", three);
    assert_eq!(progression(&text).promotion.limits.len(), 3);
}

#[test]
fn the_interval_of_a_query_is_a_tenth_of_its_window_within_bounds() {
    for (window, interval) in [("3s", 1), ("10s", 1), ("2m", 12), ("5m", 30), ("1d", 30)] {
        let text = stepped(
            "        window: 5m\n        interval: 20s\n        minSamples: 5\n",
            &format!("        window: {window}\n"),
        );
        let Limit::Query(limit) = &rollout(&text).rollback[1] else { panic!("asked of Prometheus") };
        assert_eq!(limit.interval, Duration::from_secs(interval), "{window}");
    }
}

#[test]
fn placeholders_may_have_spaces_inside_which_the_plan_has_not() {
    let written = "\"a{v='{{ canary }}'} / b{v='{{stable}}',r=~'{{ revision}}'}[{{window }}]\"";
    let text = stepped("\"h{v='{{canary}}'}\"", written);
    let Limit::Query(limit) = &rollout(&text).rollback[1] else { panic!("asked of Prometheus") };
    assert_eq!(&*limit.prometheus.query, "a{v='{{canary}}'} / b{v='{{stable}}',r=~'{{revision}}'}[{{window}}]");
}

#[test]
fn every_type_of_webhook_is_known() {
    for kind in WebhookKind::ALL {
        let text = stepped("type: rollout, ", &format!("type: {}, ", kind.name())).replace("threshold: 3, ", "");
        assert_eq!(rollout(&text).webhooks[0].kind, kind);
    }
}

#[test]
fn a_third_backend_of_the_rule_keeps_its_weight() {
    let text = stepped("{ name: canary }]", "{ name: canary }, { name: third, weight: 2 }]")
        .replace("routes:\n", "  - { name: third, endpoints: { dns: \"third:1\" } }\nroutes:\n");
    let weights = plan(&text).rules[0].backend_refs.iter().map(|r| r.weight).collect::<Vec<_>>();
    assert_eq!(weights, [1, 1, 2]);
}
