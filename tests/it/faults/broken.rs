//! Endpoints that accept a request, or seem to, and break it in one of the ways that there are.

use super::backend;
use super::clients::{Clients, Tally};
use super::endpoint::{Endpoint, answer};
use super::figures::{Memory, record};
use crate::harness::{Backend, Conn, Serin, eventually};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const CLIENTS: usize = 8;
/// Failed requests in a row that eject an endpoint.
const STRIKE: u64 = 5;

/// Those, and the ones that are begun while the ejection is decided and published, on a machine that is busy.
const UNTIL_EJECTED: usize = 800;

/// Every failure that leaves the client without a byte of a response.
type Breaks = fn(&mut Conn);

const BEFORE_THE_RESPONSE: [(&str, Breaks); 6] = [
    ("reset at accept", Conn::reset),
    ("close at the request", |conn| drop(conn.head())),
    ("half-close at the request", |conn| {
        conn.head();
        conn.wire.finish();
        conn.await_close();
    }),
    ("reset within the head", |conn| {
        conn.head();
        conn.send("HTTP/1.1 200 OK\r\nContent-Len");
        conn.reset();
    }),
    ("stall before the head", |conn| {
        conn.head();
        conn.await_close();
    }),
    ("garbage for a head", |conn| {
        conn.head();
        conn.send(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n");
        conn.await_close();
    }),
];

/// What cannot be made good any more: the client has the head.
const WITHIN_THE_RESPONSE: [(&str, Breaks); 3] = [
    ("close within the body", |conn| {
        conn.head();
        conn.send(half_an_answer());
    }),
    ("reset within the body", |conn| {
        conn.head();
        conn.send(half_an_answer());
        conn.reset();
    }),
    ("stall within the body", |conn| {
        conn.head();
        conn.send(half_an_answer());
        conn.await_close();
    }),
];

fn half_an_answer() -> Vec<u8> {
    let mut whole = answer("/half/1000", "broken");
    whole.truncate(whole.len() - 500);
    whole
}

#[test]
fn what_breaks_before_the_response_costs_no_idempotent_request() {
    for (name, breaks) in BEFORE_THE_RESPONSE {
        let bad = Backend::start(breaks);
        let tally = beside_a_good_one(name, bad.address());
        assert!(bad.connections() as u64 >= STRIKE, "{name}: it was asked");
        let ways = ["502 reset", "502 bad-response", "504 response-head-timeout"];
        tally.assert_none_lost();
        tally.assert_posts_lost_at_most(UNTIL_EJECTED, &ways);
    }
    // Nobody is there at all: an address that is ours, and a port that nobody has.
    let mut gone = Endpoint::start("gone");
    gone.kill();
    let tally = beside_a_good_one("refuse", gone.address());
    tally.assert_none_lost();
    assert_eq!(tally.posts_lost, BTreeMap::new(), "what was not sent can be sent elsewhere, whatever it is");
}

#[test]
fn what_breaks_within_the_response_is_cut_off_and_costs_no_more_than_it_takes_to_eject_the_endpoint() {
    for (name, breaks) in WITHIN_THE_RESPONSE {
        let bad = Backend::start(breaks);
        let tally = beside_a_good_one(name, bad.address());
        let lost = |lost: &BTreeMap<String, u64>| {
            assert!(lost.keys().all(|why| why == "cut off"), "{name}: nobody takes half for the whole: {lost:?}");
            lost.values().sum::<u64>()
        };
        let lost = lost(&tally.lost) + lost(&tally.posts_lost);
        assert!((STRIKE..=UNTIL_EJECTED as u64).contains(&lost), "{name}: {lost} lost");
    }
}

/// What clients see while half of a backend is this endpoint.
fn beside_a_good_one(name: &str, bad: SocketAddr) -> Tally {
    let good = Endpoint::start("good");
    let settings = format!("outlierDetection: {{ consecutiveFailures: {STRIKE}, baseEjectionTime: 10m }}");
    let config = backend([good.address(), bad], &settings);
    let mut serin = Serin::start(&format!("{config}timeouts: {{ responseHead: 1s, request: 2s }}\n"));
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(serin.address(), CLIENTS);
    let ready = || serin.count("serin_endpoints", &[("state", "ready")]);
    eventually("the broken endpoint is out", || ready() == 1);
    let answered = clients.answered();
    eventually("the good one serves on", || clients.answered() > answered + 500);
    let tally = clients.stop();
    memory.look(&serin);
    record(name, &tally, &serin, &memory, "");
    tally.assert_posted_once(good.arrived());
    memory.assert_grew_at_most(16);
    tally
}
