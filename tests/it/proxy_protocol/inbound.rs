//! Headers that come in: from whom, in time, and what they change.

use super::{OK, front, rejected};
use crate::harness::{Backend, Client, Serin, Service, eventually, everything_to};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A connection that begins with the header of a client with this address.
fn connect_for(serin: &mut Serin, source: &str) -> Client {
    let mut client = serin.client();
    client.send(format!("PROXY TCP4 {source} 192.0.2.200 4711 443\r\n"));
    client
}

#[test]
fn whoever_is_not_listed_is_served_without_a_header_and_cannot_write_one() {
    let (mut serin, backend) = front("127.0.0.2", "");
    assert_eq!(serin.client().get("/").status, 200);
    assert_eq!(backend.only_request().head.one("x-forwarded-for"), Some("127.0.0.1"));
    for header in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"] {
        let mut client = serin.client();
        client.send([header, b"GET /spoofed HTTP/1.1\r\nHost: test\r\n\r\n"].concat());
        assert_eq!(client.response().status, 400, "to it, a header is a malformed request");
    }
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(serin.count("serin_rejected_connections_total", &[]), 0);
}

#[test]
fn whoever_is_listed_has_to_begin_with_a_header() {
    let (mut serin, backend) = front("127.0.0.0/8", "");
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    client.assert_closed();
    let warned = serin.process.log.event("closed a connection from an address in proxyProtocol.from", |_| true);
    assert_eq!(warned.expect("it is said")["why"], "the connection does not begin with a PROXY header");
    serin.await_count("serin_rejected_connections_total", &[("cause", "proxy-header-malformed")], 1);
    assert!(backend.requests().is_empty());
}

#[test]
fn one_header_is_for_the_whole_connection_and_what_follows_it_is_not_touched() {
    let (mut serin, backend) = front("127.0.0.1", "");
    let mut client = serin.client();
    let request = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send(format!("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n{request}{request}PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"));
    assert_eq!([client.response().status, client.response().status, client.response().status], [200, 200, 400]);
    let seen: Vec<_> = backend.requests().iter().map(|r| r.head.one("x-forwarded-for").map(str::to_owned)).collect();
    assert_eq!(seen, [Some("192.0.2.7".into()), Some("192.0.2.7".into())]);
}

#[test]
fn a_header_may_come_in_pieces() {
    let (mut serin, backend) = front("127.0.0.1", "");
    let v1: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::8 1 2\r\n";
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x04\x00\xc0\0\x02\x07\xc0\0\x02\x08\0\x01\0\x02".to_vec(), vec![4; 1_012]]
        .concat();
    for (header, expected) in [(v1, "2001:db8::7"), (&v2, "192.0.2.7")] {
        let mut client = serin.client();
        for byte in header {
            client.send([*byte]);
        }
        assert_eq!(client.get("/").status, 200);
        let last = backend.requests().pop().expect("it came");
        assert_eq!(last.head.one("x-forwarded-for"), Some(expected));
    }
}

#[test]
fn a_header_has_its_time_and_the_connection_is_counted_meanwhile() {
    let (mut serin, _backend) = front("127.0.0.1", "timeouts: { headerRead: 1s }");
    let began = Instant::now();
    let mut silent = serin.client();
    let mut slow = serin.client();
    slow.send("PROXY TCP4 192.0.2.1 ");
    eventually("both are counted", || serin.count("serin_connections", &[("side", "client")]) == 2);
    silent.assert_closed();
    slow.assert_closed();
    assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
    serin.await_count("serin_rejected_connections_total", &[("cause", "proxy-header-timeout")], 2);
}

#[test]
fn a_look_at_the_port_is_no_failure_and_half_a_header_is_one() {
    let (mut serin, _backend) = front("127.0.0.1", "");
    drop(serin.client());
    let mut half = serin.client();
    half.send("PROXY TCP4");
    half.wire.finish();
    half.assert_closed();
    serin.await_count("serin_rejected_connections_total", &[("cause", "proxy-header-truncated")], 1);
    eventually("both are gone", || {
        serin.count("serin_connections_opened_total", &[("side", "client")]) == 2
            && serin.count("serin_connections", &[("side", "client")]) == 0
    });
    assert_eq!(serin.count("serin_rejected_connections_total", &[]), 1);
}

#[test]
fn stickiness_by_address_goes_by_the_header() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let mut serin = Serin::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", proxyProtocol: {{ from: [\"127.0.0.1\"] }} }}]
backends:
  - {{ name: stable, version: \"1\", endpoints: {{ static: [\"{}\"] }} }}
  - {{ name: canary, version: \"2\", endpoints: {{ static: [\"{}\"] }} }}
routes:
  - {{ name: web, rules: [{{ name: all, backendRefs: [{{ name: stable, weight: 50 }}, {{ name: canary, weight: 50 }}] }}] }}
rollouts:
  - {{ name: web, rule: web/all, stable: stable, canary: canary, stickiness: {{ clientIP: true }} }}
",
        stable.address(),
        canary.address()
    ));
    let mut sides = HashMap::new();
    for n in 0..120 {
        let source = format!("192.0.2.{}", n % 40);
        let side = connect_for(&mut serin, &source).get("/").backend().to_owned();
        let first = sides.entry(source.clone()).or_insert_with(|| side.clone());
        assert_eq!(*first, side, "{source} was moved about");
    }
    let on_canary = sides.values().filter(|side| *side == "canary").count();
    assert!((1..40).contains(&on_canary), "all forty on one side: the header does not count");
}

#[test]
fn a_reload_changes_whose_headers_count_and_not_for_connections_that_have_begun() {
    let backend = Backend::replying(OK);
    // On any free port a listener stays the same one by its name.
    let config = |more: &str| {
        let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\"{more} }}]\n");
        format!("{listener}{}", everything_to(backend.address()))
    };
    let mut serin = Serin::start(&config(""));
    let mut begun = serin.client();
    assert_eq!(begun.get("/").status, 200);
    serin.reload(&config(", proxyProtocol: { from: [\"127.0.0.1\"] }"));
    assert_eq!(connect_for(&mut serin, "192.0.2.9").get("/").status, 200);
    assert_eq!(begun.get("/").status, 200);
    let seen: Vec<_> = backend.requests().iter().map(|r| r.head.one("x-forwarded-for").map(str::to_owned)).collect();
    assert_eq!(seen, ["127.0.0.1", "192.0.2.9", "127.0.0.1"].map(|ip| Some(ip.to_owned())));
    serin.reload(&config(""));
    assert_eq!(serin.client().get("/").status, 200);
    assert_eq!(rejected(&serin, "proxy-header-malformed"), 0);
}
