//! Peers that are gone without a word, while they are waited for.

use super::endpoint::Endpoint;
use super::network::Network;
use super::{backend, factor};
use crate::harness::{Client, Serin, eventually, front};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What the kernel lists of a connection: its two ends, and the timer that runs for it.
struct Listed {
    local: String,
    remote: String,
    timer: String,
}

/// The connections of this network namespace that are established.
fn established() -> Vec<Listed> {
    let list = std::fs::read_to_string("/proc/net/tcp").expect("the kernel lists them");
    let listed = list.lines().skip(1).filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [local, remote, timer] = [words[1], words[2], words[5]].map(str::to_owned);
        (words[3] == "01").then_some(Listed { local, remote, timer })
    });
    listed.collect()
}

/// An address as the kernel lists it.
fn as_listed(address: SocketAddr) -> String {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address} is not listed there") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port())
}

#[test]
fn a_silent_peer_is_probed_on_both_sides() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let mut client = serin.client();
    client.get("/");
    let (front, back) = (as_listed(serin.address()), as_listed(backend.address()));
    // Timer 02 of a connection on which nothing is under way is that of the probes.
    let probed =
        |ours: &dyn Fn(&Listed) -> bool| established().iter().any(|one| ours(one) && one.timer.starts_with("02:"));
    eventually("the client is probed", || probed(&|one| one.local == front));
    eventually("the endpoint is probed", || probed(&|one| one.remote == back));
}

/// A minute and more, and so in the campaign's long form only.
#[test]
fn an_endpoint_that_vanishes_within_a_response_is_noticed() {
    if factor() == 1 {
        return;
    }
    let Some(network) = Network::join() else { return };
    let far = Endpoint::start_at("far", SocketAddr::from((network.theirs(), 0)), network.launcher());
    let mut serin = Serin::start(&backend([far.address()], ""));
    let mut client = Client::connect(serin.address());
    client.set_patience(Duration::from_secs(120));
    client.send("GET /half/1000 HTTP/1.1\r\nHost: t\r\n\r\n");
    let (status, head) = client.head();
    assert_eq!(status, 200);
    network.cut();
    let began = Instant::now();
    client.rest_of(head, "GET").expect_err("it is never whole");
    let took = began.elapsed();
    assert!((Duration::from_secs(30)..Duration::from_secs(100)).contains(&took), "{took:?}");
    serin.await_count("serin_failures_total", &[("cause", "truncated")], 1);
}
