//! What is never tried again.

use super::{BUSY, OK, closed_port, front, rule};
use crate::harness::{Serin, Service, eventually};

const ALL: &str = "retry: { attempts: 3, codes: [500, 502, 503, 504], backoff: 1ms, perTryTimeout: 300ms }";

#[test]
fn what_is_not_idempotent_and_may_have_arrived() {
    for (method, script) in [("POST", 0), ("PATCH", 0), ("POST", 1), ("PATCH", 1), ("POST", 2)] {
        let (mut serin, backend) = front(ALL, move |conn, _| match script {
            0 => conn.send(BUSY),
            1 => false,
            _ => !conn.await_close(),
        });
        let mut client = serin.client();
        client.send(format!("{method} /pay HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"));
        assert_eq!(client.response().status, [503, 502, 504][script], "{method}");
        assert_eq!(backend.requests().len(), 1, "{method} {script}");
        assert_eq!(serin.count("serin_retries_total", &[]), 0, "{method} {script}");
    }
}

#[test]
fn what_has_begun_to_answer() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for answer in answers {
        let (mut serin, backend) = front(ALL, move |conn, _| {
            conn.send(answer);
            false
        });
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        let (status, head) = client.head();
        assert_eq!(status, 200);
        client.rest_of(head, "GET").expect_err("it is cut");
        assert_eq!(backend.requests().len(), 1, "{answer:?}");
        serin.await_count("serin_failures_total", &[("cause", "truncated")], 1);
    }
}

#[test]
fn what_has_passed_on_an_interim_response() {
    for ending in ["", BUSY] {
        let (mut serin, backend) = front(ALL, move |conn, _| {
            conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
            conn.send(ending);
            false
        });
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(client.head().0, 103);
        assert_eq!(client.response().status, if ending.is_empty() { 502 } else { 503 });
        assert_eq!(backend.requests().len(), 1);
    }
}

#[test]
fn an_upgrade_that_was_sent() {
    let (mut serin, backend) = front(ALL, |_, _| false);
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 502);
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn a_code_that_is_not_listed_and_anything_at_all_where_the_rule_says_nothing() {
    let (mut serin, backend) = front("retry: { codes: [502] }", |conn, _| conn.send(BUSY));
    assert_eq!(serin.client().get("/").status, 503);
    assert_eq!(backend.requests().len(), 1);
    let (mut serin, backend) = front("timeouts: { request: 10s }", |_, _| false);
    assert_eq!(serin.client().get("/").status, 502);
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn but_what_was_never_sent_is_whatever_it_is() {
    let address = closed_port();
    let mut serin = Serin::start(&rule(&[address], "retry: { attempts: 10, backoff: 300ms }"));
    let mut client = serin.client();
    client.send("POST /pay HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    eventually("it was tried and refused", || serin.count("serin_retries_total", &[]) > 0);
    let service = Service::start_at(address, "late");
    assert_eq!(client.response().backend(), "late");
    assert_eq!(service.requests(), 1);
}

#[test]
fn for_a_client_that_has_gone() {
    let (mut serin, backend) = front("retry: { attempts: 5, codes: [503], backoff: 10s }", |conn, n| {
        conn.send(if n == 0 { BUSY } else { OK })
    });
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    eventually("it waits to try again", || serin.count("serin_retries_total", &[]) == 1);
    client.reset();
    eventually("it has gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
    assert_eq!(backend.requests().len(), 1);
    assert_eq!(serin.count("serin_requests_total", &[]), 1, "the attempt that failed, and nothing else");
}

#[test]
fn resets_and_closes_before_a_response_are_tried_again_where_that_is_safe() {
    for reset in [false, true] {
        let (mut serin, backend) = front("retry: {}", move |conn, n| {
            if n == 0 && reset {
                conn.reset();
            }
            n > 0 && conn.send(OK)
        });
        assert_eq!(serin.client().get("/").text(), "ok");
        assert_eq!(backend.requests().len(), 2);
        serin.await_count("serin_failures_total", &[("cause", "reset")], 1);
    }
}
