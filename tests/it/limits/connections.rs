//! Connections by client address.

use super::{OK, front, limited};
use crate::harness::{Backend, Client, Serin, eventually, everything_to};
use std::net::IpAddr;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn rejected(serin: &Serin) -> u64 {
    serin.count("serin_rejected_connections_total", &[("cause", "connections-per-client")])
}

/// Asserts that this connection is closed without a word, whatever it asks.
#[track_caller]
fn assert_turned_away(mut client: Client) {
    // It may be closed before that.
    let _ = client.wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    client.assert_closed();
}

#[test]
fn a_client_has_so_many_over_all_workers_and_not_one_more() {
    let (mut serin, backend) = front("connectionsPerClient: 3");
    let address = serin.address();
    // Again and again, so that the kernel spreads them over the workers in every way.
    for round in 1..=6 {
        let mut held: Vec<_> = (0..3).map(|_| Client::connect_from(ip("127.0.7.1"), address)).collect();
        for client in &mut held {
            assert_eq!(client.get("/").status, 200, "round {round}");
        }
        assert_turned_away(Client::connect_from(ip("127.0.7.1"), address));
        assert_eq!(Client::connect_from(ip("127.0.7.2"), address).get("/").status, 200, "another client");
        drop(held);
        eventually("they are gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
        assert_eq!(rejected(&serin), round);
    }
    assert_eq!(backend.requests().len(), 6 * 4);
    let warned = serin.process.log.event("closing new connections: limits.connectionsPerClient is reached", |_| true);
    assert_eq!(warned.expect("it is said")["client"], "127.0.7.1");
}

#[test]
fn a_free_place_is_used_again() {
    let (mut serin, _backend) = front("connectionsPerClient: 1");
    let mut first = serin.client();
    assert_eq!(first.get("/").status, 200);
    assert_turned_away(serin.client());
    assert_eq!(first.get("/").status, 200, "what is open stays");
    drop(first);
    eventually("the place is free", || {
        let mut client = serin.client();
        client.wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
            && client.try_response("GET").is_ok_and(|response| response.status == 200)
    });
}

#[test]
fn behind_a_proxy_it_is_the_clients_address_that_counts_and_half_an_ipv6_address_is_one_client() {
    let backend = Backend::replying(OK);
    let mut serin = Serin::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", proxyProtocol: {{ from: [\"127.0.0.1\"] }} }}]\n\
         {}limits: {{ connectionsPerClient: 1 }}\n",
        everything_to(backend.address())
    ));
    let mut client = |source: &str| {
        let (kind, to) = if source.contains(':') { ("TCP6", "2001:db8::ffff") } else { ("TCP4", "192.0.2.200") };
        let mut client = serin.client();
        client.send(format!("PROXY {kind} {source} {to} 1 2\r\n"));
        client
    };
    let mut held: Vec<_> = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"].map(&mut client).into();
    for client in &mut held {
        assert_eq!(client.get("/").status, 200);
    }
    for again in ["192.0.2.1", "2001:db8::2", "2001:db8::1:0:0:1"] {
        assert_turned_away(client(again));
    }
    assert_eq!(rejected(&serin), 3);
}

#[test]
fn a_reload_sets_changes_and_lifts_the_limit() {
    let (mut serin, backend) = front("connectionsPerClient: 1");
    let mut held = vec![serin.client()];
    assert_eq!(held[0].get("/").status, 200);
    serin.reload(&limited(&backend, "connectionsPerClient: 2"));
    held.push(serin.client());
    assert_eq!(held[1].get("/").status, 200);
    assert_turned_away(serin.client());
    serin.reload(&everything_to(backend.address()));
    for _ in 0..5 {
        held.push(serin.client());
        assert_eq!(held.last_mut().expect("it was put there").get("/").status, 200);
    }
}

#[test]
fn connections_above_the_workers_own_limit_are_counted_too() {
    let backend = Backend::replying(OK);
    let mut serin = Serin::start_with(&limited(&backend, "connectionsPerWorker: 1"), &["--workers", "1"], &[]);
    let mut first = serin.client();
    assert_eq!(first.get("/").status, 200);
    assert_turned_away(serin.client());
    serin.await_count("serin_rejected_connections_total", &[("cause", "connections-per-worker")], 1);
}
