//! Responses that are none: what HTTP/2 forbids is not passed on.

use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, STATUS_200, begin, field, request, send};
use super::{front, front_with};
use crate::harness::{Backend, eventually};

/// A backend that answers each request on its first stream of a connection with these fields and this content.
fn answering(fields: Vec<u8>, content: &'static [u8]) -> Backend {
    Backend::start(move |conn| {
        if let Some(stream) = begin(conn).then(|| request(conn)).flatten() {
            let block = [STATUS_200, &fields].concat();
            send(conn, HEADERS, END_HEADERS, stream, &block);
            send(conn, DATA, END_STREAM, stream, content);
            conn.await_close();
        }
    })
}

#[test]
fn a_head_that_http_2_forbids_is_a_bad_response() {
    for fields in [
        field("connection", "close"),
        field("transfer-encoding", "chunked"),
        field("content-length", "two"),
        [field("content-length", "2"), field("content-length", "3")].concat(),
        field("x-padded", " a"),
    ] {
        let backend = answering(fields.clone(), b"ok");
        let mut serin = front(backend.address(), "");
        let response = serin.client().get("/");
        let reason = (response.status, response.head.one("x-serin-reason").map(str::to_owned));
        assert_eq!(reason, (502, Some("bad-response".to_owned())), "{}", String::from_utf8_lossy(&fields));
        serin.await_count("serin_failures_total", &[("backend", "stable"), ("cause", "bad-response")], 1);
    }
}

/// The h2 crate takes it for an error of the whole connection, which may be another request's fault.
#[test]
fn a_name_in_upper_case_breaks_the_connection() {
    let backend = answering(field("X-Upper", "a"), b"ok");
    let mut serin = front(backend.address(), "");
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (502, Some("reset")));
}

#[test]
fn a_head_that_is_too_large_is_a_bad_response() {
    let backend = answering(field("x-large", &"a".repeat(6_000)), b"ok");
    let mut serin = front_with(backend.address(), "", "limits: { headerBytes: 4KiB }");
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (502, Some("bad-response")));
}

#[test]
fn content_that_is_not_as_long_as_the_head_says_is_cut_off() {
    for length in ["1", "3"] {
        let backend = answering(field("content-length", length), b"ok");
        let mut serin = front(backend.address(), "");
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        // The head may have gone before the rest was seen.
        let whole = client.try_response("GET").is_ok_and(|response| response.status == 200);
        assert!(!whole, "content-length: {length}");
        eventually("it is counted", || serin.count("serin_failures_total", &[("backend", "stable")]) == 1);
    }
}

#[test]
fn a_right_one_beside_them_passes() {
    let backend = answering([field("content-length", "2"), field("x-a", "b")].concat(), b"ok");
    let mut serin = front(backend.address(), "");
    let response = serin.client().get("/");
    assert_eq!((response.text().as_str(), response.head.one("x-a")), ("ok", Some("b")));
}
