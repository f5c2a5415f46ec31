//! A body is sent again as it was read, up to 64 KiB of it.

use super::{OK, front, rule};
use crate::harness::{Backend, Serin};

const MOST: usize = 64 * 1_024;

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("below 251")).collect()
}

/// The body in chunks of 10,000 bytes and a trailer.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    for chunk in body.chunks(10_000) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\nx-sum: 7\r\n\r\n");
    framed
}

/// A PUT of this body, sized and chunked.
fn puts(body: &[u8]) -> [Vec<u8>; 2] {
    let sized = format!("PUT /x HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len());
    let head = b"PUT /x HTTP/1.1\r\nHost: t\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n";
    [[sized.as_bytes(), body].concat(), [&head[..], &chunked(body)].concat()]
}

#[test]
fn up_to_64_kib_it_is_sent_again_whole() {
    for length in [1, 5, 20_000, MOST] {
        let body = body(length);
        for (n, put) in puts(&body).iter().enumerate() {
            let (mut serin, backend) = front("retry: { attempts: 3 }", |conn, n| n >= 2 && conn.send(OK));
            let mut client = serin.client();
            client.send(put);
            assert_eq!(client.response().text(), "ok", "{length}");
            assert_eq!(client.get("/next").text(), "ok", "the client's connection goes on behind it");
            assert_eq!(backend.crooked(), Vec::<String>::new());
            let requests = backend.requests();
            assert_eq!(requests.len(), 4);
            for request in &requests[..3] {
                assert!(request.body == body, "{length}: {} bytes", request.body.len());
                assert_eq!(request.head.fields, requests[0].head.fields);
                assert_eq!(request.trailers.len(), n, "with its trailers, if it has any");
            }
        }
    }
}

#[test]
fn of_one_byte_more_nothing_is_sent_again() {
    for put in puts(&body(MOST + 1)) {
        let (mut serin, backend) = front("retry: { attempts: 3 }", |_, _| false);
        let mut client = serin.client();
        client.send(put);
        assert_eq!(client.response().status, 502);
        assert_eq!(backend.requests().len(), 1);
        assert_eq!(serin.count("serin_retries_total", &[]), 0);
    }
}

#[test]
fn what_was_refused_before_all_of_it_had_come_is_sent_again_as_it_comes() {
    let backend = Backend::start(|conn| {
        let Some(head) = conn.head() else { return };
        if conn.number == 0 {
            // Only the beginning has been read, and the rest has not even been sent.
            conn.wire.exactly(10_000).expect("so much has been sent");
            conn.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
            conn.await_close();
        } else if conn.rest_of(head).is_some() {
            conn.send(OK);
        }
    });
    let mut serin = Serin::start(&rule(&[backend.address()], "retry: { codes: [503] }"));
    let body = body(40_000);
    let mut client = serin.client();
    client.send("PUT /x HTTP/1.1\r\nHost: t\r\nContent-Length: 40000\r\n\r\n");
    client.send(&body[..10_000]);
    crate::harness::eventually("it is tried again", || backend.connections() == 2);
    client.send(&body[10_000..]);
    assert_eq!(client.response().text(), "ok");
    assert!(backend.only_request().body == body);
}

#[test]
fn pipelined_requests_stay_in_their_order_behind_one_that_is_sent_again() {
    let (mut serin, backend) = front("retry: {}", |conn, n| n % 2 == 1 && conn.send(OK));
    let mut client = serin.client();
    client.send(
        "PUT /1 HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\none".repeat(3) + "GET /2 HTTP/1.1\r\nHost: t\r\n\r\n",
    );
    for _ in 0..4 {
        assert_eq!(client.response().text(), "ok");
    }
    let seen: Vec<_> = backend.requests().iter().map(|r| (r.target().to_owned(), r.body.len())).collect();
    let expected: Vec<_> = [("/1", 3), ("/1", 3), ("/1", 3), ("/2", 0)]
        .iter()
        .flat_map(|(target, length)| std::iter::repeat_n(((*target).to_owned(), *length), 2))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_client_that_waits_for_a_100_is_asked_by_whoever_takes_its_body() {
    for refusal in ["", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"] {
        let backend = Backend::start(move |conn| {
            let Some(head) = conn.head() else { return };
            if conn.number == 0 {
                conn.send(refusal);
            } else if conn.send("HTTP/1.1 100 Continue\r\n\r\n") && conn.rest_of(head).is_some() {
                conn.send(OK);
            }
        });
        let mut serin = Serin::start(&rule(&[backend.address()], "retry: { codes: [503], backoff: 1ms }"));
        let mut client = serin.client();
        client.send("PUT /x HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().0, 100, "{refusal:?}");
        client.send("hello");
        assert_eq!(client.response().text(), "ok");
        assert_eq!((backend.only_request().body.as_slice(), backend.connections()), (&b"hello"[..], 2));
        client.send("PUT /y HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nworld");
        assert_eq!(client.response().text(), "ok", "the client's connection goes on");
    }
}
