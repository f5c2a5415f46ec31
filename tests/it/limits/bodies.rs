//! Request bodies that are larger than they may be.

use super::{OK, assert_refused, front, limited};
use crate::harness::{Backend, Client, Serin, eventually};
use std::sync::{Arc, Mutex, mpsc};

const LIMIT: &str = "requestBodyBytes: 1kB";

fn of(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length))
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(length: usize) -> String {
    format!("{length:x}\r\n{}\r\n", "x".repeat(length))
}

/// Asserts that nobody's version is charged with anything, and what of it was the client's doing.
#[track_caller]
fn assert_nobody_is_charged(serin: &Serin, aborted: u64) {
    eventually("it is counted", || serin.count("serin_requests_total", &[("code", "499")]) == aborted);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_length_above_the_limit_is_refused_before_anything_is_sent() {
    let (mut serin, backend) = front(LIMIT);
    let heads = ["", "Expect: 100-continue\r\n"];
    for more in heads {
        let mut client = serin.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1001\r\n{more}\r\n"));
        // The first head: no 100 comes before it.
        let (status, head) = client.head();
        let response = client.rest_of(head, "POST").expect("a whole response");
        assert_eq!(status, 413);
        assert_refused(&response, 413, "body-too-large");
        client.assert_closed();
    }
    let mut client = serin.client();
    client.send(of(1001));
    assert_refused(&client.response(), 413, "body-too-large");
    assert_eq!(backend.connections(), 0);
    assert_eq!(serin.count("serin_refused_requests_total", &[("code", "413")]), 3);
    assert_eq!(serin.count("serin_requests_total", &[]), 0);
}

#[test]
fn what_is_as_large_as_the_limit_goes_through_however_it_is_framed() {
    let (mut serin, backend) = front(LIMIT);
    let mut client = serin.client();
    let framings = [
        of(1_000),
        format!("{CHUNKED}{}0\r\n\r\n", chunk(1_000)),
        format!("{CHUNKED}{}0\r\nx-t: 1\r\n\r\n", chunk(1).repeat(1_000)),
    ];
    for request in &framings {
        client.send(request);
        assert_eq!(client.response().status, 200);
    }
    assert!(backend.requests().iter().all(|request| request.body.len() == 1_000));
    assert_eq!(client.get("/").status, 200, "and the connection goes on");
    assert_nobody_is_charged(&serin, 0);
}

#[test]
fn chunks_above_the_limit_that_come_with_the_head_reach_nobody() {
    let (mut serin, backend) = front(LIMIT);
    let mut client = serin.client();
    client.send(format!("{CHUNKED}{}", chunk(1_001)));
    assert_refused(&client.response(), 413, "body-too-large");
    client.assert_closed();
    assert!(backend.requests().is_empty());
    assert_eq!(serin.count("serin_requests_total", &[]), 0);
}

#[test]
fn chunks_that_pass_the_limit_later_are_a_413_and_the_backend_never_sees_an_end() {
    let (part, sent) = mpsc::channel();
    let part = Mutex::new(part);
    let whole = Arc::new(Mutex::new(Vec::new()));
    let theirs = Arc::clone(&whole);
    let backend = Backend::start(move |conn| {
        while let Some(head) = conn.head() {
            if head.start.starts_with("POST") {
                part.lock().unwrap().send(conn.wire.chunk().is_ok()).expect("the test waits");
            }
            let Some(request) = conn.rest_of(head) else { return };
            theirs.lock().unwrap().push(request.target().to_owned());
            conn.send(OK);
        }
    });
    let mut serin = Serin::start(&limited(&backend, LIMIT));
    let mut client = serin.client();
    assert_eq!(client.get("/first").status, 200);
    client.send(format!("{CHUNKED}{}", chunk(600)));
    assert!(sent.recv().expect("it comes"), "the part below the limit was passed on");
    client.send(chunk(600));
    assert_refused(&client.response(), 413, "body-too-large");
    client.assert_closed();
    eventually("the backend's connection is closed", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    assert_nobody_is_charged(&serin, 1);
    assert_eq!(serin.client().get("/last").status, 200);
    assert_eq!(*whole.lock().unwrap(), ["/first", "/last"]);
    assert_eq!(backend.connections(), 2, "one for the first two requests, which the second one ended");
}

#[test]
fn once_a_response_has_begun_it_is_too_late_for_a_413_and_both_connections_end() {
    let backend = Backend::start(|conn| {
        if conn.head().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
            conn.await_close();
        }
    });
    let mut serin = Serin::start(&limited(&backend, LIMIT));
    let mut client = serin.client();
    client.send(format!("{CHUNKED}{}", chunk(10)));
    let (status, head) = client.head();
    assert_eq!(status, 200);
    assert_eq!(client.wire.exactly(5).expect("it has begun"), b"begun");
    client.send(chunk(1_000));
    assert!(client.rest_of(head, "POST").is_err(), "it is not whole");
    eventually("the backend's connection is closed", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    assert_nobody_is_charged(&serin, 1);
}

#[test]
fn without_a_limit_there_is_none() {
    let (mut serin, _backend) = front("headerCount: 100");
    let mut client: Client = serin.client();
    client.send(of(3 << 20));
    assert_eq!(client.response().status, 200);
}
