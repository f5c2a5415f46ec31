//! The steps, up to the promotion or back.

use super::*;
use crate::harness::{Backend, Report, free_address};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

#[test]
fn a_healthy_canary_takes_every_step_and_is_promoted_and_no_request_is_lost() {
    let mut scene = Scene::new();
    scene.more =
        "    promotion: { return: 1s, limits: [{ metric: error-rate, max: 1%, window: 5m, minRequests: 5 }] }".into();
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    let seen = steps_seen(&serin);
    let mut expected: Vec<(String, Option<u64>)> = vec![("started".into(), Some(1))];
    expected.extend((2..=5).map(|step| ("step".into(), Some(step))));
    expected.push(("promoting".into(), Some(5)));
    let told: Vec<_> = history(&serin).into_iter().filter(|(event, _)| event != "new-revision").collect();
    assert_eq!(told, expected);
    assert!((weight(&serin) - 100.0).abs() < 1e-9, "the canary keeps its traffic");
    load.turnover();
    let stable = scene.stable.requests();
    more_requests(&load, 200);
    assert_eq!(scene.stable.requests(), stable, "all of it");

    scene.stable_version = "1.5.0";
    serin.reload(&scene.config());
    until(&serin, "Succeeded");
    assert!(weight(&serin).abs() < 1e-9);
    load.turnover();
    let canary = scene.canary.requests();
    more_requests(&load, 200);
    assert_eq!(scene.canary.requests(), canary, "the traffic is stable's again");
    let told = history(&serin);
    let last: Vec<&str> = told.iter().rev().take(2).map(|(event, _)| event.as_str()).collect();
    assert_eq!(last, ["promoted", "returning"]);
    let report = load.stop();
    report.assert_flawless();
    // Each step had its share: on the way up the canary got more and more.
    let counted: u64 = [0.1, 0.3, 0.5, 0.75, 1.0]
        .into_iter()
        .zip(1..)
        .map(|(share, step)| {
            let (canary, all) = seen.get(&step).map_or((0, 0), |during| sent(&report, during));
            assert_share(step, canary, all, share);
            all
        })
        .sum();
    assert!(counted > 200, "{counted} requests are no proof");
}

/// Waits until it is promoting; between which moments it was certainly in each step.
fn steps_seen(serin: &Serin) -> BTreeMap<u64, Range<Instant>> {
    let mut seen = BTreeMap::<u64, Range<Instant>>::new();
    eventually("Promoting", || {
        let asked = Instant::now();
        let status = rollout(serin);
        if let Some(step) = status["step"].as_u64().filter(|_| status["phase"] == "Progressing") {
            seen.entry(step).or_insert(Instant::now()..asked).end = asked;
        }
        status["phase"] == "Promoting"
    });
    seen
}

/// How many of the requests that were sent during this time the canary answered, and how many there were.
fn sent(report: &Report, during: &Range<Instant>) -> (u64, u64) {
    let within = || report.sent.iter().filter(|(at, _)| during.contains(at));
    (within().filter(|(_, backend)| backend == "canary").count() as u64, within().count() as u64)
}

/// Within five standard errors, and one request.
#[track_caller]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn assert_share(step: u64, canary: u64, all: u64, share: f64) {
    let (canary, all) = (canary as f64, all as f64);
    let error = 5.0 * (all * share * (1.0 - share)).sqrt() + 1.0;
    assert!((canary - all * share).abs() <= error, "step {step}: {canary} of {all} is not {share} within {error:.0}");
}

#[test]
fn a_canary_that_breaks_at_50_percent_is_out_and_the_alert_arrives() {
    let receiver = Backend::start(|conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut scene = Scene::new();
    scene.more =
        format!("    alerts: [{{ webhook: {{ url: \"http://{}/hook\", severity: error }} }}]", receiver.address());
    // In the third step for as long as it takes.
    let steps = "steps: [{ weight: 10, for: 500ms }, { weight: 30, for: 500ms }, { weight: 50, for: 10m }]";
    let config = scene.config().replace("steps: { weights: [10, 30, 50, 75, 100], for: 500ms }", steps);
    assert!(config.contains(steps), "{config}");
    let mut serin = Serin::start(&config);
    let load = load(&mut serin);
    until_step(&serin, 3);
    scene.canary.fail(50);
    until(&serin, "RolledBack");
    more_requests(&load, 200);
    let report = load.stop();
    assert!(report.losses.is_empty(), "{:?}", report.losses);
    let failed: u64 = report.refusals.values().sum();
    assert!((5..=80).contains(&failed), "{failed} requests failed");
    receiver.await_requests(1);
    let alert: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("JSON");
    assert_eq!((&alert["event"], &alert["decision"]["step"]), (&"rolled-back".into(), &3.into()), "{alert}");
    let limit = &alert["decision"]["grounds"]["limit"];
    assert_eq!((&limit["metric"], &limit["max"]), (&"error-rate".into(), &0.05.into()), "{alert}");
    assert!(limit["stableValue"] == 0.0 && limit["since"].is_string(), "{alert}");
    assert!(weight(&serin).abs() < 1e-9);
    assert_eq!(receiver.requests().len(), 1, "what is less severe was not asked for");
    said(&serin, "retry");
    scene.canary.fail(0);
    until_step(&serin, 1);
}

#[test]
fn beside_stable_the_last_step_can_be_passed_although_stable_gets_nothing_in_it() {
    let mut scene = Scene::new();
    scene.weights = "[50, 100]";
    let compared = "rollback: [{ metric: error-rate, comparedToStable: 2x, window: 5m, minRequests: 5 }, \
                    { metric: latency-p50, comparedToStable: 10x, window: 5m, minRequests: 5 }, ";
    let config = scene.config().replace("rollback: [", compared);
    let mut serin = Serin::start(&config);
    let load = load(&mut serin);
    until(&serin, "Promoting");
    load.stop().assert_flawless();
}

#[test]
fn no_traffic_holds_the_step() {
    let scene = Scene::new();
    let serin = Serin::start(&scene.config());
    until_step(&serin, 1);
    let began = Instant::now();
    eventually("three times the step's time is over", || began.elapsed() > Duration::from_millis(1_500));
    let status = rollout(&serin);
    assert_eq!(status["step"], 1, "{status}");
    assert!(status["message"].as_str().unwrap().contains("not enough requests"), "{status}");
}

#[test]
fn a_canary_that_does_not_listen_yet_is_waited_for_and_gets_no_request() {
    let free = free_address();
    let mut scene = Scene::new();
    scene.canary_address = free;
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    more_requests(&load, 500);
    assert!(is_in(&serin, "Waiting") && weight(&serin) == 0.0, "{}", rollout(&serin));
    let _canary = Service::start_at(free, "canary");
    until_step(&serin, 2);
    load.stop().assert_flawless();
}

#[test]
fn a_canary_that_never_comes_is_given_up_after_the_progress_deadline() {
    let mut scene = Scene::new();
    scene.canary_address = free_address();
    scene.more = "    progressDeadline: 1s".into();
    let serin = Serin::start(&scene.config());
    until(&serin, "RolledBack");
    assert!(rollout(&serin)["message"].as_str().unwrap().contains("not ready within 1s"), "{}", rollout(&serin));
    assert_eq!(serin.count("serin_rollbacks_total", &[("reason", "progress-deadline")]), 1);
}

#[test]
fn what_both_versions_show_is_not_blamed_on_the_canary() {
    let mut scene = Scene::new();
    (scene.hold, scene.weights) = ("10m", "[50, 100]");
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until_step(&serin, 1);
    more_requests(&load, 300);
    scene.stable.fail(100);
    scene.canary.fail(100);
    more_requests(&load, 1_500);
    let status = rollout(&serin);
    assert_eq!(
        (&status["phase"], &status["limits"][0]["reason"]),
        (&"Progressing".into(), &"stable-also-failing".into())
    );
    // Stable gets well, the canary does not: now it is the canary's.
    scene.stable.fail(0);
    until(&serin, "RolledBack");
    load.stop();
}
