//! How long a tunnel lives, what it costs, and what it counts for.

use super::{ASK, SWITCH, echo, round_trip, switch};
use crate::harness::{Backend, Client, Conn, Serin, eventually, everything_to, front, front_with};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// Switches, and resets as soon as the client has said something.
fn reset_after_a_word(conn: &mut Conn) {
    conn.head();
    conn.send(SWITCH);
    let _ = conn.wire.exactly(1);
    conn.reset();
}

#[test]
fn a_tunnel_ends_when_no_byte_has_moved_for_too_long() {
    let timeouts = "timeouts: { idle: 1s, responseHead: 1s, request: 1500ms, tunnelIdle: 2s }";
    let (mut serin, _backend) = front_with(timeouts, echo);
    let mut client = serin.client();
    switch(&mut client);
    // Longer than every time-out, but never without a byte for as long as one's own.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(1));
        round_trip(&mut client, b"x");
    }
    let began = Instant::now();
    let error = client.wire.until_end().expect_err("neither side has ended, so neither is told that the other did");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_980) && took < Duration::from_secs(5), "{took:?}");
    serin.await_none("serin_connections", &[]);
    serin.await_none("serin_tunnels", &[]);
}

#[test]
fn a_tunnel_may_be_idle_for_ever() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 500ms, request: 500ms, tunnelIdle: off }", echo);
    let mut client = serin.client();
    switch(&mut client);
    std::thread::sleep(Duration::from_secs(1));
    round_trip(&mut client, b"still here");
}

#[test]
fn draining_waits_for_tunnels_as_long_as_it_may() {
    let (mut serin, _backend) = front_with("drain: { grace: 100ms, timeout: 3s }", echo);
    let (mut busy, mut idle) = (serin.client(), serin.client());
    switch(&mut busy);
    switch(&mut idle);
    let began = Instant::now();
    serin.signal("TERM");
    eventually("it accepts no more", || Client::try_connect(serin.address()).is_err());
    while began.elapsed() < Duration::from_secs(2) {
        round_trip(&mut busy, b"while it drains");
        std::thread::sleep(Duration::from_millis(50));
    }
    round_trip(&mut idle, b"an idle one as well");
    busy.wire.closed().expect("at the deadline");
    idle.wire.closed().expect("at the deadline");
    let exit = serin.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn draining_is_over_when_the_last_tunnel_is() {
    let (mut serin, _backend) = front_with("drain: { grace: 100ms, timeout: 9s }", echo);
    let mut client = serin.client();
    switch(&mut client);
    serin.signal("TERM");
    eventually("it accepts no more", || Client::try_connect(serin.address()).is_err());
    client.wire.finish();
    client.assert_closed();
    let exit = serin.exit();
    assert!(exit.code == Some(0) && exit.after < Duration::from_secs(6), "{exit:?}");
}

#[test]
fn a_tunnel_is_one_request_that_was_as_slow_as_its_101() {
    let (mut serin, _backend) = front(echo);
    let mut clients: Vec<_> = (0..3).map(|_| serin.client()).collect();
    clients.iter_mut().for_each(switch);
    serin.await_count("serin_tunnels", &[], 3);
    std::thread::sleep(Duration::from_millis(700));
    clients.iter_mut().for_each(|client| round_trip(client, b"hello"));
    drop(clients);
    eventually("they are over", || serin.count("serin_tunnels", &[]) == 0);
    assert_eq!(serin.count("serin_tunnels_total", &[]), 3);
    assert_eq!(serin.count("serin_tunnel_bytes_total", &[("from", "client")]), 15);
    assert_eq!(serin.count("serin_tunnel_bytes_total", &[("from", "upstream")]), 15);
    assert_eq!(serin.count("serin_requests_total", &[]), 3);
    assert_eq!(serin.count("serin_requests_total", &[("backend", "stable"), ("code", "101")]), 3);
    assert_eq!(serin.count("serin_request_duration_seconds_count", &[]), 3);
    assert!(serin.metric("serin_request_duration_seconds_sum", &[]) < 2.0, "each was open for 0.7 s at least");
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_client_that_hangs_up_before_the_101_is_499() {
    let (mut serin, backend) = front(|conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = serin.client();
    client.send(ASK);
    backend.await_requests(1);
    drop(client);
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]) + serin.count("serin_tunnels_total", &[]), 0);
}

#[test]
fn a_backend_that_fails_instead_of_switching_is_charged() {
    let (mut serin, _backend) = front(|conn| {
        if conn.request().is_some_and(|request| request.method() == "GET") {
            conn.send("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut client = serin.client();
    client.send(ASK);
    assert_eq!(client.response().status, 500);
    serin.await_count("serin_failures_total", &[("cause", "status")], 1);
    client.send(ASK.replace("GET", "POST"));
    assert_eq!(client.response().status, 502);
    serin.await_count("serin_failures_total", &[("cause", "reset")], 1);
}

#[test]
fn a_canary_whose_tunnels_are_reset_is_not_blamed_and_one_that_does_not_switch_is() {
    let stable = Backend::start(reset_after_a_word);
    let canary = Backend::start(|conn| {
        let Some(request) = conn.request() else { return };
        if request.target() == "/ws" {
            conn.send(SWITCH);
            let _ = conn.wire.exactly(1);
            conn.reset();
        } else {
            conn.send(SWITCH.replace("echo", "other"));
            conn.await_close();
        }
    });
    let mut serin = Serin::start(&format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: web
    rules:
      - {{ name: everyone, backendRefs: [{{ name: stable, weight: 1 }}, {{ name: canary, weight: 99 }}] }}
rollouts:
  - name: web
    rule: web/everyone
    stable: stable
    canary: canary
    rollback: [{{ metric: error-rate, max: 5%, window: 5m }}, {{ metric: latency-p99, max: 1s, window: 5m }}]
"#,
        stable.address(),
        canary.address()
    ));
    let phase = |serin: &Serin| {
        let rollouts = serin.api("/api/v1/rollouts");
        let list = rollouts.as_array().or_else(|| rollouts["rollouts"].as_array()).expect("a list").clone();
        list[0]["phase"].as_str().expect("a phase").to_owned()
    };
    for _ in 0..100 {
        let mut client = serin.client();
        switch(&mut client);
        client.send("x");
        client.wire.until_end().expect_err("it was reset");
    }
    eventually("all are over", || serin.count("serin_tunnels", &[]) == 0);
    assert!(serin.count("serin_requests_total", &[("backend", "canary"), ("code", "101")]) > 50);
    // Long enough for the judge to have looked several times.
    std::thread::sleep(Duration::from_millis(600));
    assert_ne!(phase(&serin), "RolledBack");
    eventually("the canary is out", || {
        let mut client = serin.client();
        client.send(ASK.replace("/ws", "/not"));
        client.head();
        phase(&serin) == "RolledBack"
    });
}

#[test]
fn an_endpoint_is_as_busy_with_a_tunnel_as_with_a_request() {
    let endpoints = [Backend::start(echo), Backend::start(echo)];
    let config = everything_to(endpoints[0].address())
        .replace("static: [", &format!("static: [\"{}\", ", endpoints[1].address()));
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut tunnel = serin.client();
    switch(&mut tunnel);
    let requests = || endpoints.each_ref().map(|endpoint| endpoint.requests().len());
    let busy = usize::from(requests()[1] == 1);
    for _ in 0..30 {
        assert_eq!(serin.client().get("/").status, 200);
    }
    assert_eq!(requests()[busy], 1, "the one with the tunnel was passed over");
    tunnel.wire.finish();
    tunnel.assert_closed();
    eventually("it is asked again", || {
        let _ = serin.client().get("/");
        requests()[busy] > 1
    });
}

#[test]
fn an_idle_tunnel_holds_no_buffer() {
    const TUNNELS: usize = 300;
    let (mut serin, _backend) = front(echo);
    // What the first ones make is kept and used again.
    for _ in 0..20 {
        let mut client = serin.client();
        switch(&mut client);
        round_trip(&mut client, &vec![b'x'; 20_000]);
    }
    let before = serin.process.rss();
    let mut clients: Vec<_> = (0..TUNNELS).map(|_| serin.client()).collect();
    for client in &mut clients {
        switch(client);
        round_trip(client, &vec![b'x'; 20_000]);
    }
    let each = serin.process.rss().saturating_sub(before) / TUNNELS as u64;
    assert!(each < 8 << 10, "{each} bytes a tunnel");
    clients.iter_mut().for_each(|client| round_trip(client, b"still there"));
}

/// One worker before one endpoint that switches, with these settings on its backend.
fn start_with(endpoint: &Backend, settings: &str) -> Serin {
    let config = everything_to(endpoint.address()).replace(" }\nroutes", &format!(", {settings} }}\nroutes"));
    assert!(config.contains(settings), "{config}");
    Serin::start_with(&config, &["--workers", "1"], &[])
}

#[test]
fn a_tunnel_is_a_request_under_way_and_an_open_connection_to_the_circuit_breaker() {
    for ceiling in ["maxRequests: 2", "maxConnections: 2"] {
        let endpoint = Backend::start(echo);
        let mut serin = start_with(&endpoint, &format!("circuitBreaker: {{ {ceiling} }}"));
        let mut tunnels = [serin.client(), serin.client()];
        tunnels.iter_mut().for_each(switch);
        let mut third = serin.client();
        for request in ["GET / HTTP/1.1\r\nHost: t\r\n\r\n", ASK] {
            third.send(request);
            let refused = third.response();
            assert_eq!((refused.status, refused.head.one("x-serin-reason")), (503, Some("overload")), "{ceiling}");
        }
        tunnels.iter_mut().for_each(|tunnel| round_trip(tunnel, b"those that are open stay"));
        let [first, mut second] = tunnels;
        drop(first);
        eventually("it is over", || serin.count("serin_tunnels", &[]) == 1);
        assert_eq!(third.get("/").status, 200, "there is room for one: {ceiling}");
        round_trip(&mut second, b"the other is still open");
    }
}

#[test]
fn tunnels_do_not_wait_for_a_connection() {
    let endpoint = Backend::start(echo);
    let mut serin = start_with(&endpoint, "circuitBreaker: { maxPendingRequests: 1 }");
    let mut tunnels: Vec<_> = (0..3).map(|_| serin.client()).collect();
    tunnels.iter_mut().for_each(switch);
    tunnels.iter_mut().for_each(|tunnel| round_trip(tunnel, b"hello"));
}

#[test]
fn a_switch_is_a_success_to_outlier_detection() {
    let endpoint = Backend::start(|conn| {
        while let Some(request) = conn.request() {
            if request.head.all("upgrade").is_empty() {
                conn.send("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
            } else {
                conn.send(SWITCH);
                conn.await_close();
                return;
            }
        }
    });
    let outliers = "outlierDetection: { consecutiveFailures: 3, maxEjectionPercent: 100, baseEjectionTime: 10m }";
    let mut serin = start_with(&endpoint, outliers);
    let ejected = |serin: &Serin| serin.count("serin_endpoints", &[("backend", "stable"), ("state", "ejected")]);
    let mut client = serin.client();
    for _ in 0..4 {
        for _ in 0..2 {
            assert_eq!(client.get("/").status, 500);
        }
        switch(&mut serin.client());
    }
    // Long enough for the endpoints to have been looked at several times.
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(ejected(&serin), 0, "never three in a row");
    for _ in 0..3 {
        client.get("/");
    }
    eventually("three in a row are enough", || ejected(&serin) == 1);
}
