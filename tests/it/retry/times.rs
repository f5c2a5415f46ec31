//! How long a request may take, how long each attempt, and how long is waited between them.

use super::{BUSY, OK, front};
use crate::harness::front_with;
use std::time::{Duration, Instant};

/// Asserts that `what` took at least `at_least`, and not many seconds more: deadlines are coarse, and machines busy.
#[track_caller]
fn assert_took(began: Instant, at_least: Duration, what: &str) {
    let took = began.elapsed();
    assert!(took + Duration::from_millis(20) >= at_least, "{what}: too early, {took:?}");
    assert!(took < at_least + Duration::from_secs(5), "{what}: too late, {took:?}");
}

#[test]
fn a_try_that_takes_too_long_is_given_up_and_made_again() {
    for keys in ["retry: { perTryTimeout: 300ms }", "timeouts: { backendRequest: 300ms }\n        retry: {}"] {
        let (mut serin, backend) = front(keys, |conn, n| if n == 0 { !conn.await_close() } else { conn.send(OK) });
        let began = Instant::now();
        assert_eq!(serin.client().get("/").text(), "ok");
        assert_took(began, Duration::from_millis(300), keys);
        assert_eq!(backend.requests().len(), 2);
        serin.await_count("serin_failures_total", &[("cause", "response-head-timeout")], 1);
        serin.await_count("serin_requests_total", &[("code", "504")], 1);
    }
}

#[test]
fn a_try_ends_its_wait_with_the_head_and_a_backend_request_with_the_last_byte() {
    let drip = |conn: &mut crate::harness::Conn, _: usize| {
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
        (0..12).all(|_| {
            std::thread::sleep(Duration::from_millis(100));
            conn.send("x")
        })
    };
    let (mut serin, _backend) = front("retry: { perTryTimeout: 300ms }", drip);
    assert_eq!(serin.client().get("/").body.len(), 12);

    let (mut serin, backend) = front("timeouts: { backendRequest: 500ms }\n        retry: {}", drip);
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    let (_, head) = client.head();
    client.rest_of(head, "GET").expect_err("it is cut");
    assert_eq!(backend.requests().len(), 1, "a byte went downstream");
    serin.await_count("serin_failures_total", &[("cause", "request-timeout")], 1);
}

#[test]
fn what_a_client_takes_to_send_its_request_is_no_time_of_a_try() {
    let (mut serin, backend) =
        front("retry: { perTryTimeout: 300ms }", |conn, n| if n == 0 { !conn.await_close() } else { conn.send(OK) });
    let mut client = serin.client();
    let began = Instant::now();
    client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(200));
        client.send("x");
    }
    assert_eq!(client.response().text(), "ok");
    assert_took(began, Duration::from_millis(4 * 200 + 300), "the first try");
    let requests = backend.requests();
    assert!(requests.len() == 2 && requests.iter().all(|request| request.body == b"xxxx"), "{requests:?}");
}

#[test]
fn without_retry_an_attempt_that_takes_too_long_is_a_504() {
    let (mut serin, backend) = front("timeouts: { backendRequest: 300ms }", |conn, _| !conn.await_close());
    let began = Instant::now();
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (504, Some("response-head-timeout")));
    assert_took(began, Duration::from_millis(300), "the attempt");
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_rules_own_request_time_is_in_place_of_the_files() {
    let late = |conn: &mut crate::harness::Conn| {
        while conn.request().is_some() {
            std::thread::sleep(Duration::from_millis(900));
            conn.send(OK);
        }
    };
    let config = |of_file: &str, of_rule: &str| format!("timeouts: {{ request: {of_file} }}\n# {of_rule}");
    for (of_file, of_rule, expected) in [("30s", "300ms", 504), ("300ms", "0s", 200), ("300ms", "30s", 200)] {
        let (mut serin, _backend) = front_with(&config(of_file, of_rule), late);
        let text = std::fs::read_to_string(serin.config_path()).expect("it is there");
        let keys = format!("        timeouts: {{ request: {of_rule} }}\n        backendRefs:");
        serin.reload(&text.replace("        backendRefs:", &keys));
        assert_eq!(serin.client().get("/").status, expected, "{of_file} {of_rule}");
    }
}

#[test]
fn the_requests_time_covers_its_tries_and_the_waits_between_them() {
    let keys = "timeouts: { request: 600ms }\n        retry: { attempts: 10, codes: [503], backoff: 200ms }";
    let (mut serin, backend) = front(keys, |conn, _| conn.send(BUSY));
    let began = Instant::now();
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (504, Some("request-timeout")));
    assert_took(began, Duration::from_millis(600), "all of them");
    let asked = backend.requests().len();
    assert!((1..=4).contains(&asked), "{asked} in 600 to 800 ms, 200 ms or more apart");
    serin.await_count("serin_requests_total", &[], asked as u64);
}

#[test]
fn the_waits_are_no_shorter_than_the_backoff() {
    let (mut serin, _backend) = front("retry: { attempts: 3, codes: [503], backoff: 200ms }", |conn, n| {
        conn.send(if n < 3 { BUSY } else { OK })
    });
    let began = Instant::now();
    assert_eq!(serin.client().get("/").status, 200);
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
}
