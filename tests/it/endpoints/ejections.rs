//! Endpoints whose requests fail are ejected, and come back when their time is over.

use super::{Shop, await_endpoints, backend, codes, endpoints, one_backend};
use crate::harness::{Backend, Load, Serin, eventually};
use std::time::{Duration, Instant};

fn outliers(keys: &str) -> String {
    format!("outlierDetection: {{ {keys} }}")
}

#[test]
fn failures_in_a_row_eject_an_endpoint_which_returns_after_its_time() {
    let shops = [Shop::open("a"), Shop::open("b")];
    let mut serin = Serin::start(&one_backend(&shops, &outliers("consecutiveFailures: 5, baseEjectionTime: 4s")));
    shops[0].answer(500);
    let load = Load::start(serin.address(), 2, Duration::from_millis(2));
    await_endpoints(&serin, "shop", "ejected", 1);
    let (out, asked) = (Instant::now(), shops[0].requests());
    assert!((5..=60).contains(&asked), "{asked} requests were enough");
    shops[0].answer(200);
    let others = shops[1].requests();
    eventually("the other serves on", || shops[1].requests() > others + 100);
    assert!(shops[0].requests() <= asked + 2, "{} more", shops[0].requests() - asked);
    await_endpoints(&serin, "shop", "ready", 2);
    let took = out.elapsed();
    assert!(took >= Duration::from_secs(2), "{took:?}");
    eventually("it serves again", || shops[0].requests() > asked + 20);
    let report = load.stop();
    assert!(report.losses.is_empty(), "{:?}", report.losses);
    let failed: u64 = report.refusals.values().sum();
    assert_eq!(serin.count("serin_failures_total", &[("backend", "shop"), ("cause", "status")]), failed);
    let event = serin.process.log.event("the endpoint is ejected", |_| true).expect("the log tells");
    assert_eq!((&event["why"], &event["lasts"]), (&"5 requests in a row failed".into(), &"4s".into()), "{event}");
}

#[test]
fn resets_and_refused_connections_are_failures_too() {
    let good = Shop::open("good");
    let resets = Backend::start(|conn| {
        conn.request();
        conn.reset();
    });
    let addresses = [good.address(), resets.address()];
    let config = format!(
        "backends:\n  - {}\n{}        backendRefs: [{{ name: shop }}]\n",
        backend("shop", &addresses, &outliers("consecutiveFailures: 5, baseEjectionTime: 10m")),
        super::ROUTE
    );
    let mut serin = Serin::start(&config);
    let failed = eventually_ejected(&mut serin);
    assert!(failed >= 5);
    assert!(codes(&mut serin, 50).iter().all(|code| *code == 200));
}

#[test]
fn each_ejection_lasts_longer_than_the_one_before() {
    let shops = [Shop::open("a"), Shop::open("b")];
    // So long an interval that nothing is forgiven meanwhile.
    let keys = "consecutiveFailures: 3, interval: 10m, baseEjectionTime: 1s";
    let mut serin = Serin::start(&one_backend(&shops, &outliers(keys)));
    shops[0].answer(500);
    let load = Load::start(serin.address(), 2, Duration::from_millis(2));
    for lasts in ["1s", "2s", "3s"] {
        let event = serin.process.log.event("the endpoint is ejected", |fields| fields["lasts"] == lasts);
        assert!(event.is_some(), "{}", serin.process.log.text());
    }
    await_endpoints(&serin, "shop", "ejected", 1);
    let asked = shops[0].requests();
    let others = shops[1].requests();
    eventually("the other serves on", || shops[1].requests() > others + 100);
    assert!(shops[0].requests() <= asked + 2, "{} more", shops[0].requests() - asked);
    load.stop();
}

/// Asks until an endpoint is ejected; how many requests failed.
fn eventually_ejected(serin: &mut Serin) -> usize {
    let mut failed = 0;
    eventually("an endpoint is ejected", || {
        failed += codes(serin, 4).iter().filter(|code| **code != 200).count();
        endpoints(serin, "shop", "ejected") == 1
    });
    failed
}

#[test]
fn no_more_are_ejected_than_may_be() {
    let shops = [Shop::open("a"), Shop::open("b"), Shop::open("c"), Shop::open("d"), Shop::open("e")];
    let mut serin = Serin::start(&one_backend(&shops, &outliers("consecutiveFailures: 3, baseEjectionTime: 10m")));
    shops.iter().for_each(|shop| shop.answer(503));
    let mut most = 0;
    for _ in 0..60 {
        codes(&mut serin, 10);
        most = most.max(endpoints(&serin, "shop", "ejected"));
    }
    assert_eq!(most, 2, "half of five, rounded down");
}

#[test]
fn an_endpoint_that_succeeds_less_often_than_the_others_is_ejected_when_the_interval_is_over() {
    let shops: [Shop; 5] = std::array::from_fn(|n| Shop::open(&format!("shop-{n}")));
    let rate = "successRate: { minimumHosts: 5, minimumRequests: 20 }";
    let keys = format!("consecutiveFailures: 10000, interval: 500ms, baseEjectionTime: 10m, {rate}");
    let mut serin = Serin::start(&one_backend(&shops, &outliers(&keys)));
    shops[3].answer(500);
    let load = Load::start(serin.address(), 4, Duration::from_millis(1));
    await_endpoints(&serin, "shop", "ejected", 1);
    let asked = load.begun();
    eventually("the load goes on", || load.begun() > asked + 200);
    load.stop();
    let event = serin.process.log.event("the endpoint is ejected", |_| true).expect("the log tells");
    assert_eq!(event["endpoint"], shops[3].address().to_string(), "{event}");
    assert!(event["why"].as_str().is_some_and(|why| why.contains("% of its requests went well")), "{event}");
    assert!(codes(&mut serin, 50).iter().all(|code| *code == 200));
}
