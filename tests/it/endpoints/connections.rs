//! How long connections to endpoints live, and how those that join get their part.

use super::{Shop, codes, one_backend};
use crate::harness::{Serin, eventually};
use std::time::{Duration, Instant};

fn start(config: &str) -> Serin {
    Serin::start_with(config, &["--workers", "1"], &[])
}

#[test]
fn a_connection_carries_so_many_requests_and_no_more() {
    let shops = [Shop::open("a")];
    let mut serin = start(&one_backend(&shops, "maxRequestsPerConnection: 5"));
    assert!(codes(&mut serin, 20).iter().all(|code| *code == 200));
    assert_eq!(shops[0].backend.connections(), 4);
}

#[test]
fn a_connection_that_is_old_enough_is_not_used_again() {
    let shops = [Shop::open("a")];
    let mut serin = start(&one_backend(&shops, "maxConnectionAge: 1s"));
    let began = Instant::now();
    let mut client = serin.client();
    eventually("there is another connection", || {
        assert_eq!(client.get("/").status, 200);
        shops[0].backend.connections() > 1
    });
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(750), "{took:?}: a tenth early at most, and a tick");
}

#[test]
fn an_endpoint_that_joins_gets_little_at_first_and_its_part_in_the_end() {
    let both = [Shop::open("old"), Shop::open("new")];
    let mut serin = start(&one_backend(&both[..1], "slowStart: 4s"));
    await_warm();
    let began = Instant::now();
    serin.reload(&one_backend(&both, "slowStart: 4s"));
    // In the first quarter of its slow start it weighs less than a quarter of what the other does.
    let (mut all, mut client) = (0, serin.client());
    while began.elapsed() < Duration::from_secs(1) {
        assert_eq!(client.get("/").status, 200);
        all += 1;
    }
    let first = both[1].requests();
    assert!(first * 10 <= all * 3, "{first} of {all}");
    await_warm();
    let before = both[1].requests();
    assert!(codes(&mut serin, 400).iter().all(|code| *code == 200));
    let last = both[1].requests() - before;
    assert!((150..=250).contains(&last), "{last} of 400");
}

fn await_warm() {
    let began = Instant::now();
    eventually("the slow start is over", || began.elapsed() > Duration::from_millis(4_400));
}
