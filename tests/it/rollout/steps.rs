//! The steps, up to the promotion or back.

use super::*;
use crate::harness::Backend;
use std::net::TcpListener;
use std::time::Instant;

#[test]
fn a_healthy_canary_takes_every_step_and_is_promoted_and_no_request_is_lost() {
    let mut scene = Scene::new();
    scene.more =
        "    promotion: { return: 1s, limits: [{ metric: error-rate, max: 1%, window: 5m, minRequests: 5 }] }".into();
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until(&serin, "Promoting");
    let mut expected: Vec<(String, Option<u64>)> = vec![("started".into(), Some(1))];
    expected.extend((2..=5).map(|step| ("step".into(), Some(step))));
    expected.push(("promoting".into(), Some(5)));
    let told: Vec<_> = history(&serin).into_iter().filter(|(event, _)| event != "new-revision").collect();
    assert_eq!(told, expected);
    assert!((weight(&serin) - 100.0).abs() < 1e-9, "the canary keeps its traffic");
    let stable = scene.stable.requests();
    more_requests(&load, 200);
    assert_eq!(scene.stable.requests(), stable, "all of it");

    scene.stable_version = "1.5.0";
    serin.reload(&scene.config());
    until(&serin, "Succeeded");
    assert!(weight(&serin).abs() < 1e-9);
    let canary = scene.canary.requests();
    more_requests(&load, 200);
    assert_eq!(scene.canary.requests(), canary, "the traffic is stable's again");
    let told = history(&serin);
    let last: Vec<&str> = told.iter().rev().take(2).map(|(event, _)| event.as_str()).collect();
    assert_eq!(last, ["promoted", "returning"]);
    let report = load.stop();
    report.assert_flawless();
    // Each step had its share: on the way up the canary got more and more.
    let shares: Vec<u64> = share_by_time(&report);
    assert!(shares.iter().any(|share| (5..=20).contains(share)), "{shares:?}");
    assert!(shares.iter().any(|share| (40..=60).contains(share)), "{shares:?}");
    assert!(shares.contains(&100), "{shares:?}");
}

/// The canary's share in percent, a quarter of a second at a time.
fn share_by_time(report: &crate::harness::Report) -> Vec<u64> {
    let begin = report.sent.iter().map(|(at, _)| *at).min().expect("there were some");
    let slot = |at: Instant| usize::try_from((at - begin).as_millis() / 250).expect("a short time");
    let mut counts: Vec<(u64, u64)> = Vec::new();
    for (at, backend) in &report.sent {
        let slot = slot(*at);
        counts.resize(counts.len().max(slot + 1), (0, 0));
        counts[slot].0 += u64::from(backend == "canary");
        counts[slot].1 += 1;
    }
    counts.iter().filter(|(_, all)| *all > 20).map(|(canary, all)| canary * 100 / all).collect()
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
    let mut serin = Serin::start(&scene.config());
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
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
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
    scene.canary_address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one");
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
