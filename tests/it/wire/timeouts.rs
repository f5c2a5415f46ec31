//! How long the proxy waits, and for what.

use crate::harness::{Client, Serin, black_hole, everything_to, front_with};
use std::io::Write;
use std::time::{Duration, Instant};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Asserts that `what` took at least `at_least`, and not seconds more.
#[track_caller]
fn assert_took(began: Instant, at_least: Duration, what: &str) {
    let took = began.elapsed();
    // The proxy's deadlines are coarse: late by part of a second is fine, early is not.
    assert!(took + Duration::from_millis(20) >= at_least, "{what}: too early, {took:?}");
    assert!(took < at_least + Duration::from_secs(2), "{what}: too late, {took:?}");
}

#[test]
fn a_connect_that_hangs_ends_in_time_and_is_charged_to_the_backend() {
    let (address, _socket, _held) = black_hole();
    let mut serin = Serin::start(&format!("{}timeouts: {{ connect: 300ms }}\n", everything_to(address)));
    let mut client = serin.client();
    let began = Instant::now();
    let response = client.get("/");
    assert!(matches!(response.status, 502..=504), "{response:?}");
    assert!(response.head.one("x-serin-reason").is_some());
    assert_took(began, Duration::from_millis(300), "connect");
    serin.await_count("serin_failures_total", &[("backend", "stable"), ("cause", "connect-timeout")], 1);
}

#[test]
fn a_backend_that_never_answers_is_a_504_in_time() {
    let (mut serin, _backend) = front_with("timeouts: { responseHead: 300ms }", |conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = serin.client();
    for n in 1..=2 {
        let began = Instant::now();
        let response = client.get("/");
        assert_eq!(response.status, 504);
        assert!(response.head.one("x-serin-reason").is_some());
        assert_eq!(response.text().trim_end().lines().count(), 1);
        assert_took(began, Duration::from_millis(300), "response head");
        serin.await_count("serin_failures_total", &[("cause", "response-head-timeout")], n);
    }
}

#[test]
fn the_wait_for_the_head_begins_when_the_request_is_sent() {
    let (mut serin, _backend) = front_with("timeouts: { responseHead: 1500ms }", |conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(250));
        client.send("x");
    }
    assert_eq!(client.response().status, 200, "a slow upload is not a slow backend");
}

#[test]
fn a_whole_request_has_its_own_limit() {
    let (mut serin, _backend) = front_with("timeouts: { request: 400ms }", |conn| {
        let Some(request) = conn.request() else { return };
        if request.target() == "/drip" {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
            while conn.send("x") {
                std::thread::sleep(Duration::from_millis(50));
            }
        } else {
            conn.await_close();
        }
    });
    let began = Instant::now();
    assert_eq!(serin.client().get("/never").status, 504);
    assert_took(began, Duration::from_millis(400), "no head");
    serin.await_count("serin_failures_total", &[("cause", "request-timeout")], 1);

    let began = Instant::now();
    let mut client = serin.client();
    client.send("GET /drip HTTP/1.1\r\nHost: t\r\n\r\n");
    let (_, head) = client.head();
    client.rest_of(head, "GET").expect_err("it was cut");
    assert_took(began, Duration::from_millis(400), "half a body");
    serin.await_count("serin_failures_total", &[("cause", "request-timeout")], 2);
}

#[test]
fn a_head_that_comes_too_slowly_is_cut_off() {
    let (mut serin, backend) = front_with("timeouts: { headerRead: 500ms }", |conn| conn.reply_to_all(OK));
    for after_a_request in [false, true] {
        let mut client = serin.client();
        if after_a_request {
            client.get("/first");
        }
        let began = Instant::now();
        // A byte now and then must not prolong it.
        let mut dripping = client.wire.stream().try_clone().expect("a socket can be cloned");
        let drip = std::thread::spawn(move || {
            let request = format!("GET /slow HTTP/1.1\r\nHost: t\r\nX: {}", "a".repeat(200));
            for byte in request.bytes() {
                if dripping.write_all(&[byte]).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        if let Ok(response) = client.try_response("GET") {
            assert_eq!(response.status, 408);
        }
        assert_took(began, Duration::from_millis(500), "a slow head");
        drip.join().expect("it does not panic");
    }
    assert!(backend.requests().iter().all(|r| r.target() == "/first"));
}

#[test]
fn an_idle_connection_is_closed_in_time_without_a_word() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 500ms }", |conn| conn.reply_to_all(OK));
    for after_a_request in [false, true] {
        let mut client = serin.client();
        if after_a_request {
            client.get("/");
        }
        let began = Instant::now();
        client.assert_closed();
        assert_took(began, Duration::from_millis(500), "idle");
    }
}

#[test]
fn after_a_request_that_took_too_long_a_connection_is_held_to_its_limits_as_before() {
    let (mut serin, _backend) = front_with("timeouts: { request: 300ms, idle: 500ms }", |conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = serin.client();
    assert_eq!(client.get("/never").status, 504);
    let began = Instant::now();
    client.assert_closed();
    assert_took(began, Duration::from_millis(500), "idle");
}

#[test]
fn a_client_that_stops_reading_cannot_take_what_it_has_for_the_whole() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 500ms }", |conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while conn.send(&chunk) {}
    });
    let mut client = serin.client();
    // To HTTP/1.0 the body has no other end than the connection's.
    client.send("GET /endless HTTP/1.0\r\nHost: t\r\n\r\n");
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    let error = client.try_response("GET").expect_err("an orderly end would be one of the body");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_request_in_flight_is_not_idle() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 1s }", |conn| {
        while conn.request().is_some() {
            std::thread::sleep(Duration::from_millis(1_800));
            conn.reply("slow");
        }
    });
    assert_eq!(serin.client().get("/").text(), "slow");
}

#[test]
fn connections_over_the_limit_are_closed_and_free_places_are_used_again() {
    let (mut serin, _backend) = {
        let backend = crate::harness::Backend::replying(OK);
        let config = format!("{}limits: {{ connectionsPerWorker: 4 }}\n", everything_to(backend.address()));
        (Serin::start_with(&config, &["--workers", "1"], &[]), backend)
    };
    let mut held: Vec<Client> = (0..4).map(|_| serin.client()).collect();
    for client in &mut held {
        assert_eq!(client.get("/").status, 200);
    }
    let mut fifth = serin.client();
    let _ = fifth.wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(fifth.wire.closed().is_ok_and(|rest| rest.is_empty() || rest.starts_with(b"HTTP/1.1 503")));
    held.pop();
    crate::harness::eventually("the freed place is used", || {
        let mut client = serin.client();
        client.wire.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n").is_ok()
            && client.try_response("GET").is_ok_and(|r| r.status == 200)
    });
}

/// Begins an answer, and goes on with it when `silence` is over, again and again; after a target of `/never`, never.
fn haltingly(more: &str, silence: Duration) -> (Serin, crate::harness::Backend) {
    front_with(more, move |conn| {
        let Some(request) = conn.request() else { return };
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nx");
        if request.target() == "/never" {
            conn.await_close();
            return;
        }
        for _ in 0..5 {
            std::thread::sleep(silence);
            conn.send("x");
        }
    })
}

#[test]
fn a_response_of_which_nothing_more_comes_is_cut_off_and_charged_to_the_backend() {
    let (mut serin, _backend) = haltingly("timeouts: { responseIdle: 1500ms }", Duration::from_millis(400));
    let began = Instant::now();
    let mut client = serin.client();
    client.send("GET /never HTTP/1.1\r\nHost: t\r\n\r\n");
    let (code, head) = client.head();
    assert_eq!(code, 200);
    client.rest_of(head, "GET").expect_err("it was cut");
    assert_took(began, Duration::from_millis(1_500), "silent");
    serin.await_count("serin_failures_total", &[("backend", "stable"), ("cause", "response-idle-timeout")], 1);
    // Two seconds in all, and never more than a part of that without a byte.
    assert_eq!(serin.client().get("/").text(), "xxxxxx");
    assert_eq!(serin.count("serin_failures_total", &[]), 1);
}

#[test]
fn what_a_grpc_stream_does_not_say_for_long_is_waited_for() {
    let (mut serin, _backend) = haltingly("timeouts: { responseIdle: 100ms }", Duration::from_millis(500));
    let mut client = serin.client();
    client.send("POST /a.B/C HTTP/1.1\r\nHost: t\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "xxxxxx");
}
