//! `kill -9` in every phase: the same phase and step afterwards, and never a failed revision served.

use super::*;
use crate::harness::free_address;

/// Kills it where it stands, starts it again, and compares.
#[track_caller]
fn survives(serin: Serin, phase: &str) -> Serin {
    assert!(is_in(&serin, phase), "{}", rollout(&serin));
    let mut before = Value::Null;
    eventually("what is shown is on the disk", || {
        before = rollout(&serin);
        let saved = serin.saved(ROLLOUT);
        saved["phase"] == before["phase"] && saved["step"] == before["step"] && saved["history"] == before["history"]
    });
    let serin = serin.restart();
    until(&serin, phase);
    let after = rollout(&serin);
    for key in ["phase", "step", "revision", "history"] {
        assert_eq!(after[key], before[key], "{key} in {phase}");
    }
    assert_eq!(after["canary"]["weight"], before["canary"]["weight"], "in {phase}");
    serin
}

#[test]
fn killed_in_any_phase_it_goes_on_where_it_was() {
    let free = free_address();
    let mut scene = Scene::new();
    scene.canary_address = free;
    scene.hold = "10m";
    scene.more = "    promotion: { return: 30s }".into();
    let serin = Serin::start(&scene.config());
    until(&serin, "Waiting");
    let serin = survives(serin, "Waiting");
    let canary = Service::start_at(free, "canary");
    until_step(&serin, 1);
    said(&serin, "promote");
    until_step(&serin, 2);
    let serin = survives(serin, "Progressing");
    said(&serin, "pause");
    let serin = survives(serin, "Paused");
    said(&serin, "set-weight?weight=42.5");
    let serin = survives(serin, "Paused");
    assert!((weight(&serin) - 42.5).abs() < 1e-9);
    said(&serin, "promote?full=true");
    let serin = survives(serin, "Promoting");

    // Killed while the traffic returns: it returns from the beginning, and is never the failed one's.
    let mut serin = serin;
    scene.stable_version = "1.5.0";
    serin.reload(&scene.config());
    eventually("the traffic returns", || weight(&serin) < 99.0);
    let serin = serin.restart();
    assert!(is_in(&serin, "Promoting"));
    said(&serin, "abort");
    let mut serin = survives(serin, "RolledBack");
    let mut client = serin.client();
    assert!((0..200).all(|_| client.get("/").backend() == "stable"), "out, and out from the first request on");
    drop(canary);
}

#[test]
fn killed_after_its_success_it_is_still_done() {
    let mut scene = Scene::new();
    (scene.weights, scene.hold) = ("[50]", "100ms");
    scene.more = "    promotion: { return: 100ms }".into();
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until(&serin, "Promoting");
    scene.stable_version = "1.5.0";
    serin.reload(&scene.config());
    until(&serin, "Succeeded");
    load.stop().assert_flawless();
    survives(serin, "Succeeded");
}

#[test]
fn killed_again_and_again_under_load_a_failed_revision_is_never_served() {
    let scene = Scene::new();
    let mut serin = Serin::start(&scene.config());
    let first = load(&mut serin);
    until_step(&serin, 1);
    scene.canary.fail(100);
    until(&serin, "RolledBack");
    first.stop();
    scene.canary.fail(0);
    eventually("its failure is on the disk", || serin.saved(ROLLOUT)["phase"] == "RolledBack");
    let served = scene.canary.requests();
    for _ in 0..5 {
        serin = serin.restart();
        let mut client = serin.client();
        (0..50).for_each(|_| drop(client.get("/")));
    }
    assert_eq!(scene.canary.requests(), served);
}
