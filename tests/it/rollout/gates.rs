//! Webhooks: gates, smoke tests, and the pipeline that rolls stable forward.

use super::*;
use crate::harness::{Backend, free_address};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A receiver that says yes to paths for which `open` is set, and to `/always`.
fn receiver(open: &Arc<AtomicBool>) -> Backend {
    let open = Arc::clone(open);
    Backend::start(move |conn| {
        while let Some(request) = conn.request() {
            let yes = request.target() == "/always" || open.load(SeqCst);
            let code = if yes { "200 OK" } else { "403 Forbidden" };
            conn.send(format!("HTTP/1.1 {code}\r\nContent-Length: 3\r\n\r\nno\n"));
        }
    })
}

#[test]
fn a_gate_that_never_opens_holds_and_a_breach_reverts_all_the_same() {
    let open = Arc::new(AtomicBool::new(true));
    let receiver = receiver(&open);
    let mut scene = Scene::new();
    scene.hold = "2s";
    scene.more = format!(
        "    webhooks: [{{ name: load-test, type: confirm-traffic-increase, url: \"http://{}/gate\", interval: 100ms }}]",
        receiver.address()
    );
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until_step(&serin, 1);
    open.store(false, SeqCst);
    eventually("it waits for the gate", || rollout(&serin)["message"].as_str().unwrap().contains("load-test"));
    more_requests(&load, 800);
    let status = rollout(&serin);
    assert_eq!((&status["step"], &status["webhooks"][0]["asked"]), (&1.into(), &true.into()), "{status}");
    let body: Value = serde_json::from_slice(&receiver.requests()[0].body).expect("JSON");
    assert_eq!((&body["name"], &body["checksum"]), (&ROLLOUT.into(), &"1.5.0".into()), "as Flagger's: {body}");
    scene.canary.fail(100);
    until(&serin, "RolledBack");
    load.stop();
}

#[test]
fn a_gate_that_opens_lets_it_on() {
    let open = Arc::new(AtomicBool::new(false));
    let receiver = receiver(&open);
    let mut scene = Scene::new();
    scene.more = format!(
        "    webhooks:\n      - {{ name: ask, type: confirm-rollout, url: \"http://{0}/gate\", interval: 100ms }}\n      \
         - {{ name: smoke, type: pre-rollout, url: \"http://{0}/always\" }}",
        receiver.address()
    );
    let serin = Serin::start(&scene.config());
    receiver.await_requests(3);
    assert!(
        is_in(&serin, "Waiting") && receiver.requests().iter().all(|r| r.target() == "/gate"),
        "one after the other"
    );
    open.store(true, SeqCst);
    until_step(&serin, 1);
    assert_eq!(receiver.requests().last().expect("it was asked").target(), "/always");
}

#[test]
fn the_promotion_and_the_end_are_told_to_who_rolls_stable_forward() {
    let receiver = receiver(&Arc::new(AtomicBool::new(true)));
    let mut scene = Scene::new();
    (scene.weights, scene.hold) = ("[50]", "200ms");
    scene.more = format!(
        "    promotion: {{ return: 100ms }}\n    webhooks:\n      \
         - {{ name: pipeline, type: promotion, url: \"http://{0}/promote\" }}\n      \
         - {{ name: tidy, type: post-rollout, url: \"http://{0}/post\" }}",
        receiver.address()
    );
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until(&serin, "Promoting");
    receiver.await_requests(1);
    assert_eq!(receiver.requests()[0].target(), "/promote");
    // The pipeline does its work.
    scene.stable_version = "1.5.0";
    serin.reload(&scene.config());
    until(&serin, "Succeeded");
    receiver.await_requests(2);
    assert_eq!(receiver.requests()[1].target(), "/post");
    load.stop().assert_flawless();
}

#[test]
fn a_check_that_fails_takes_the_canary_out_and_one_that_nobody_answers_does_not() {
    let open = Arc::new(AtomicBool::new(true));
    let receiver = receiver(&open);
    let nobody = free_address();
    let mut scene = Scene::new();
    scene.hold = "10m";
    scene.more = format!(
        "    webhooks:\n      - {{ name: silent, type: rollout, url: \"http://{nobody}/\", interval: 100ms, retries: 0 }}\n      \
         - {{ name: check, type: rollout, url: \"http://{}/check\", interval: 100ms }}",
        receiver.address()
    );
    let serin = Serin::start(&scene.config());
    receiver.await_requests(5);
    assert!(is_in(&serin, "Progressing"), "{}", rollout(&serin));
    open.store(false, SeqCst);
    until(&serin, "RolledBack");
    assert_eq!(rollout(&serin)["lastDecision"]["grounds"]["webhook"]["name"], "check");
}
