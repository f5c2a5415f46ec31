//! Health and the split: a side that is not well, beside one that is.

use super::{HEALTH, ROUTE, Shop, await_endpoints, backend, codes};
use crate::harness::{Serin, eventually};
use serde_json::Value;

/// Half and half, with `more` after the routes.
fn halves(stable: &[&Shop], canary: &[&Shop], more: &str) -> String {
    let addresses = |shops: &[&Shop]| shops.iter().map(|shop| shop.address()).collect::<Vec<_>>();
    format!(
        "backends:\n  - {}\n  - {}\n{ROUTE}        backendRefs: [{{ name: stable, weight: 1 }}, {{ name: canary, weight: 1 }}]\n      \
         - name: testers\n        matches: [{{ headers: [{{ name: x-canary, value: always }}] }}]\n        \
         backendRefs: [{{ name: canary }}]\n{more}",
        backend("stable", &addresses(stable), HEALTH),
        backend("canary", &addresses(canary), HEALTH),
    )
}

const ROLLOUT: &str = "rollouts:\n  - { name: web, rule: web/everyone, stable: stable, canary: canary, \
    rollback: [{ metric: error-rate, max: 5%, window: 5m }] }\n";

fn fallbacks(serin: &Serin) -> u64 {
    serin.count("serin_fallback_total", &[("backend", "canary"), ("rule", "everyone")])
}

#[test]
fn without_a_rollout_a_side_of_which_nobody_is_healthy_is_stood_in_for() {
    let (stable, canary) = (Shop::open("stable"), Shop::open("canary"));
    let mut serin = Serin::start(&halves(&[&stable], &[&canary], ""));
    canary.health(500);
    await_endpoints(&serin, "canary", "unhealthy", 1);
    let before = canary.requests();
    assert!(codes(&mut serin, 100).iter().all(|code| *code == 200));
    assert_eq!(canary.requests(), before);
    let counted = fallbacks(&serin);
    assert!((20..=80).contains(&counted), "{counted}");
    // The other way round too: there is no stable here.
    canary.health(200);
    await_endpoints(&serin, "canary", "ready", 1);
    stable.health(500);
    await_endpoints(&serin, "stable", "unhealthy", 1);
    let before = stable.requests();
    assert!(codes(&mut serin, 50).iter().all(|code| *code == 200));
    assert_eq!(stable.requests(), before);
}

#[test]
fn a_canary_with_too_few_healthy_endpoints_does_not_panic_while_stable_is_well_and_testers_reach_it() {
    let stable = Shop::open("stable");
    let canaries = [Shop::open("canary-0"), Shop::open("canary-1"), Shop::open("canary-2")];
    let mut serin = Serin::start(&halves(&[&stable], &canaries.each_ref(), ROLLOUT));
    canaries[0].health(500);
    canaries[1].health(500);
    await_endpoints(&serin, "canary", "unhealthy", 2);
    let asked = || canaries.iter().map(Shop::requests).sum::<u64>();
    let before = asked();
    assert!(codes(&mut serin, 100).iter().all(|code| *code == 200));
    assert_eq!(asked(), before, "one of three is too few, and stable is well");
    let mut client = serin.client();
    for _ in 0..60 {
        let response = client.get_with("/", "x-canary: always\r\n");
        assert!(response.status == 200 && response.backend().starts_with("canary"), "{response:?}");
    }
    assert!(canaries.iter().all(|shop| shop.requests() > 5), "where nobody stands in, it panics");

    // Stable panics too now, so each side has its own requests again.
    stable.health(500);
    await_endpoints(&serin, "stable", "unhealthy", 1);
    let before = asked();
    assert!(codes(&mut serin, 100).iter().all(|code| *code == 200));
    assert!(asked() >= before + 20);
}

#[test]
fn an_unhealthy_canary_is_not_ready_for_its_rollout() {
    let (stable, canary) = (Shop::open("stable"), Shop::open("canary"));
    let serin = Serin::start(&halves(&[&stable], &[&canary], ROLLOUT));
    let phase = |serin: &Serin| {
        let all = serin.api("/api/v1/rollouts");
        let list: &Value = if all.is_array() { &all } else { &all["rollouts"] };
        list[0]["phase"].as_str().map(str::to_owned).unwrap_or_default()
    };
    eventually("it is progressing", || phase(&serin) == "Progressing");
    canary.health(500);
    eventually("it is waiting", || phase(&serin) == "Waiting");
    canary.health(200);
    eventually("it goes on", || phase(&serin) == "Progressing");
}

#[test]
fn stable_keeps_its_own_while_some_of_it_is_healthy() {
    let stable = [Shop::open("stable-0"), Shop::open("stable-1"), Shop::open("stable-2")];
    let canary = Shop::open("canary");
    let mut serin = Serin::start(&halves(&stable.each_ref(), &[&canary], ROLLOUT));
    stable[0].health(500);
    stable[1].health(500);
    await_endpoints(&serin, "stable", "unhealthy", 2);
    let before = canary.requests();
    assert!(codes(&mut serin, 200).iter().all(|code| *code == 200));
    let share = canary.requests() - before;
    assert!((60..=140).contains(&share), "what is stable's is not loaded upon a canary: {share}");
    assert!(stable.iter().all(|shop| shop.requests() > 5), "stable panics");
}
