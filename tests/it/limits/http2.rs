//! The same limits over HTTP/2, where each stream is a request.

use super::{OK, front};
use crate::harness::{Backend, Frame, FrameClient, Serin, eventually, everything_to, has};
use crate::tls::peers::run;
use std::net::SocketAddr;

/// What the answer to curl's request is: status, version, `x-serin-reason` and `retry-after`.
fn answer(address: SocketAddr, more: &[&str], content: &[u8]) -> String {
    let url = format!("http://{address}/");
    let shown = "%{http_code} %{http_version} %header{x-serin-reason} %header{retry-after}";
    let mut all = vec!["--silent", "--max-time", "20", "--http2-prior-knowledge", "--output", "/dev/null", "-w", shown];
    all.extend(more);
    all.push(&url);
    run("curl", &all, content).stdout.trim_end().to_owned()
}

#[test]
fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    if !has(&["curl"]) {
        return;
    }
    let (mut serin, backend) = front("requestBodyBytes: 1kB");
    let address = serin.address();
    // From a file its length is known; what is uploaded from the standard input has none.
    for how in [["--data-binary", "@-"], ["--upload-file", "-"]] {
        assert_eq!(answer(address, &how, &[b'x'; 1_000]), "200 2", "{how:?}");
        assert_eq!(answer(address, &how, &[b'x'; 1_001]), "413 2 body-too-large", "{how:?}");
    }
    assert!(backend.requests().iter().all(|request| request.body.len() == 1_000));
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_client_that_asks_too_often_is_told_so() {
    if !has(&["curl"]) {
        return;
    }
    let (mut serin, _backend) = front("requestsPerClient: { perSecond: 1, burst: 1 }");
    let address = serin.address();
    eventually("one is too much", || answer(address, &[], b"") == "429 2 rate-limited 1");
}

#[test]
fn a_stream_whose_content_stands_still_is_a_408_and_the_others_go_on() {
    let backend = Backend::replying(OK);
    let mut serin = Serin::start(&format!("{}timeouts: {{ idle: 500ms }}\n", everything_to(backend.address())));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::post(1));
    client.send(&Frame::data(1, *b"half", false));
    client.send(&Frame::get(3));
    assert_eq!(client.answer(3).text(), "ok");
    let answer = client.answer(1);
    assert_eq!((answer.status, answer.field("x-serin-reason")), (408, Some("refused")));
    client.send(&Frame::get(5));
    assert_eq!(client.answer(5).text(), "ok");
    assert!(backend.requests().iter().all(|request| request.method() == "GET"));
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_stream_that_has_no_answer_in_the_requests_time_is_a_504_and_the_others_go_on() {
    let backend = Backend::start(|conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/slow" {
                conn.await_close();
            } else {
                conn.reply("ok");
            }
        }
    });
    let mut serin = Serin::start(&format!("{}timeouts: {{ request: 500ms }}\n", everything_to(backend.address())));
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::headers(1, &crate::harness::frames::request("GET", "/slow"), true));
    client.send(&Frame::get(3));
    assert_eq!(client.answer(3).text(), "ok");
    assert_eq!(client.answer(1).status, 504);
    client.send(&Frame::get(5));
    assert_eq!(client.answer(5).text(), "ok");
}
