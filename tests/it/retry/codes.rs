//! Responses in whose place a request is tried again.

use super::{BUSY, OK, front, rule};
use crate::harness::{Backend, Serin};

#[test]
fn a_response_with_a_listed_code_is_tried_again_and_the_client_sees_nothing_of_it() {
    let (mut serin, backend) = front("retry: { codes: [503] }", |conn, n| conn.send(if n == 0 { BUSY } else { OK }));
    let mut client = serin.client();
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
    assert_eq!(backend.requests().len(), 4);
    assert_eq!(backend.connections(), 1, "the rest of the refusal was read, and its connection used again");
    // An attempt each: what failed is the backend's failure, though the client knows nothing of it.
    serin.await_count("serin_requests_total", &[("code", "200")], 3);
    assert_eq!(serin.count("serin_requests_total", &[("code", "503")]), 1);
    assert_eq!(serin.count("serin_failures_total", &[("cause", "status")]), 1);
    assert_eq!(serin.count("serin_retries_total", &[]), 1);
    assert_eq!(serin.count("serin_retry_budget_exhausted_total", &[]), 0);
}

#[test]
fn every_idempotent_method_is_tried_again() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        let (mut serin, backend) = front("retry: { codes: [503] }", |conn, n| {
            let no_body = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
            conn.send(if n == 0 { no_body } else { "HTTP/1.1 204 No Content\r\n\r\n" })
        });
        let mut client = serin.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: t\r\n\r\n"));
        assert_eq!(client.try_response(method).unwrap().status, 204, "{method}");
        assert_eq!(backend.requests().len(), 2, "{method}");
    }
}

#[test]
fn when_all_tries_are_used_up_the_last_response_is_passed_on_as_it_came() {
    let (mut serin, backend) = front("retry: { attempts: 2, codes: [503] }", |conn, n| {
        conn.send(format!("HTTP/1.1 503 Busy\r\nRetry-After: {n}\r\nContent-Length: 4\r\n\r\nbusy"))
    });
    let response = serin.client().get("/");
    assert_eq!((response.status, response.text().as_str()), (503, "busy"));
    assert_eq!(response.head.one("retry-after"), Some("2"), "the third");
    assert_eq!(response.head.one("x-serin-reason"), None);
    assert_eq!(backend.requests().len(), 3, "tried again twice");
    serin.await_count("serin_requests_total", &[("code", "503")], 3);
    assert_eq!(serin.count("serin_failures_total", &[]), 3);
}

#[test]
fn a_listed_4xx_is_tried_again_and_nobodys_failure() {
    let (mut serin, _backend) = front("retry: { codes: [429, 503] }", |conn, n| {
        conn.send(if n == 0 { "HTTP/1.1 429 Slow Down\r\nContent-Length: 0\r\n\r\n" } else { OK })
    });
    assert_eq!(serin.client().get("/").status, 200);
    serin.await_count("serin_requests_total", &[("code", "429")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_refusal_of_any_length_and_framing_leaves_the_next_one_in_step() {
    let large = "x".repeat(300_000);
    let refusals = [
        format!("HTTP/1.1 503 Busy\r\nContent-Length: {}\r\n\r\n{large}", large.len()),
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\nt: 1\r\n\r\n".into(),
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\nnot chunks".into(),
        format!("HTTP/1.1 503 Busy\r\nContent-Length: 1\r\n\r\nx{OK}"),
        "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nonly some of it".into(),
        "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nas long as it takes".into(),
    ];
    let count = refusals.len();
    let (mut serin, backend) = front("retry: { codes: [503] }", move |conn, n| {
        if n % 2 == 1 {
            return conn.send(OK);
        }
        let refusal = &refusals[n / 2];
        conn.send(refusal) && !refusal.contains("close")
    });
    let mut client = serin.client();
    for n in 0..count {
        assert_eq!(client.get(&format!("/{n}")).text(), "ok", "{n}");
    }
    let targets: Vec<_> = backend.requests().iter().map(|r| r.target().to_owned()).collect();
    let expected: Vec<_> = (0..count).flat_map(|n| [format!("/{n}"), format!("/{n}")]).collect();
    assert_eq!(targets, expected);
}

#[test]
fn another_endpoint_is_tried_where_there_is_one() {
    let (bad, good) = (Backend::replying(BUSY), Backend::replying(OK));
    let mut serin = Serin::start(&rule(&[bad.address(), good.address()], "retry: { codes: [503], backoff: 1ms }"));
    let mut client = serin.client();
    for n in 0..30 {
        assert_eq!(client.get("/").status, 200, "{n}");
    }
    assert_eq!(good.requests().len(), 30);
    assert!(!bad.requests().is_empty());
}
