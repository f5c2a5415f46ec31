//! Active health checks, and the panic when too few endpoints pass them.

use super::{HEALTH, Shop, await_endpoints, codes, endpoints, one_backend};
use crate::harness::{Load, Metronome, Serin, eventually};
use std::time::{Duration, Instant};

fn shops<const N: usize>() -> [Shop; N] {
    std::array::from_fn(|n| Shop::open(&format!("shop-{n}")))
}

#[test]
fn an_endpoint_whose_check_fails_gets_no_requests_and_comes_back() {
    let shops = shops::<2>();
    let mut serin = Serin::start(&one_backend(&shops, HEALTH));
    assert_eq!(endpoints(&serin, "shop", "ready"), 2, "readiness waits for the first answers");
    assert_eq!(serin.api("/api/v1/config")["backends"][0]["health"]["unhealthyThreshold"], 2);
    let load = Load::start(serin.address(), 4, Duration::from_millis(2));
    eventually("both serve", || shops.iter().all(|shop| shop.requests() > 20));
    shops[0].health(503);
    await_endpoints(&serin, "shop", "unhealthy", 1);
    let (asked, others) = (shops[0].requests(), shops[1].requests());
    eventually("the other serves on", || shops[1].requests() > others + 100);
    // What was on its way when it went out may still arrive.
    assert!(shops[0].requests() <= asked + 4, "{} more", shops[0].requests() - asked);
    shops[0].health(302);
    await_endpoints(&serin, "shop", "ready", 2);
    let asked = shops[0].requests();
    eventually("it serves again", || shops[0].requests() > asked + 20);
    load.stop().assert_flawless();
    for part in ["the endpoint is unhealthy", "the answer is 503", "the endpoint is healthy again"] {
        serin.process.log.tells(part);
    }
}

#[test]
fn an_endpoint_that_has_never_passed_its_check_never_gets_a_request() {
    let shops = shops::<2>();
    shops[0].health(500);
    let mut serin = Serin::start(&one_backend(&shops, HEALTH));
    assert!(codes(&mut serin, 60).iter().all(|code| *code == 200));
    assert_eq!((shops[0].requests(), shops[1].requests()), (0, 60));
}

#[test]
fn readiness_does_not_wait_for_ever_for_an_endpoint_that_says_nothing() {
    let shops = shops::<2>();
    shops[0].freeze(true);
    let began = Instant::now();
    let config = one_backend(&shops, "health: { path: /healthz, timeout: 5m }");
    let mut serin = Serin::start(&config);
    assert!(began.elapsed() >= Duration::from_millis(1_500), "it waits for a while");
    assert!(codes(&mut serin, 20).iter().all(|code| *code == 200));
}

#[test]
fn checks_come_at_their_interval_and_not_together() {
    let shops = shops::<1>();
    let _serin = Serin::start(&one_backend(&shops, "health: { path: /healthz, interval: 200ms }"));
    let (began, before) = (Instant::now(), shops[0].checks());
    eventually("ten more checks", || shops[0].checks() >= before + 10);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_600), "{took:?}");
    assert!(took <= Duration::from_secs(5), "{took:?}");
}

#[test]
fn with_too_few_healthy_endpoints_all_are_used() {
    let shops = shops::<3>();
    let mut serin = Serin::start(&one_backend(&shops, HEALTH));
    shops[0].health(500);
    shops[1].health(500);
    await_endpoints(&serin, "shop", "unhealthy", 2);
    assert!(codes(&mut serin, 120).iter().all(|code| *code == 200));
    assert!(shops.iter().all(|shop| shop.requests() > 10), "{:?}", shops.each_ref().map(Shop::requests));
    let log = serin.process.log.event("too few endpoints are well: health is ignored, all are used", |_| true);
    let log = log.expect("the log tells");
    assert_eq!((&log["well"], &log["of"]), (&1.into(), &3.into()), "{log}");

    // Without a threshold the one that is left has it all.
    serin.reload(&one_backend(&shops, &format!("{HEALTH}, panicThreshold: 0")));
    let before = shops.each_ref().map(Shop::requests);
    assert!(codes(&mut serin, 60).iter().all(|code| *code == 200));
    assert_eq!(shops.each_ref().map(Shop::requests), [before[0], before[1], before[2] + 60]);
    shops[2].health(500);
    await_endpoints(&serin, "shop", "unhealthy", 3);
    let mut client = serin.client();
    let response = client.get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (503, Some("no-endpoint")), "{response:?}");
}

/// As a process that was stopped: its port takes connections, and nothing is ever answered.
#[test]
fn a_frozen_endpoint_is_taken_out_within_its_thresholds_and_only_those_on_it_fail() {
    const CLIENTS: usize = 8;
    let shops = shops::<3>();
    let config = format!("{}timeouts: {{ responseHead: 2s }}\n", one_backend(&shops, HEALTH));
    let mut serin = Serin::start(&config);
    let load = Load::start(serin.address(), CLIENTS, Duration::from_millis(3));
    eventually("all serve", || shops.iter().all(|shop| shop.requests() > 20));
    let metronome = Metronome::start();
    shops[1].freeze(true);
    let frozen = Instant::now();
    await_endpoints(&serin, "shop", "unhealthy", 1);
    let out = Instant::now();
    // Two questions, each a tenth late and 200 ms without an answer: half a second, as much again for what is not timed
    // here, and what the machine itself was late.
    let most = Duration::from_millis(1_200) + metronome.lateness(frozen, out);
    assert!(out - frozen < most, "{:?}, not {most:?}", out - frozen);
    let asked = load.begun();
    eventually("the others serve on, and those on it have waited long enough", || {
        load.begun() > asked + 500 && out.elapsed() > Duration::from_millis(2_500)
    });
    let report = load.stop();
    assert!(report.losses.is_empty(), "{:?}", report.losses);
    let failed: u64 = report.refusals.values().sum();
    assert!(failed <= CLIENTS as u64, "{:?}", report.refusals);
    let late = report.sent.iter().filter(|(at, by)| by.is_empty() && *at > out).count();
    assert_eq!(late, 0, "no request that began after it was out has failed");
    shops[1].freeze(false);
    await_endpoints(&serin, "shop", "ready", 3);
}
