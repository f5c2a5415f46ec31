//! nginx, which speaks HTTP/1.1, as the backend of clients that speak HTTP/2.

use super::peers::{curl_to, nghttp2};
use crate::harness::{Backend, Nginx, Serin, everything_to};

/// Says back what it was sent; `/chunked` to a connection's end, which nginx passes on in chunks.
fn echo() -> Backend {
    Backend::start(|conn| {
        conn.forget();
        while let Some(request) = conn.request() {
            let framing = match request.target() {
                "/chunked" => "Connection: close\r\n".to_owned(),
                _ => format!("Content-Length: {}\r\n", request.body.len()),
            };
            let sent = conn.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n")) && conn.send(&request.body);
            if !sent || request.target() == "/chunked" {
                break;
            }
        }
    })
}

#[test]
fn content_comes_back_from_nginx_as_it_was_sent() {
    let echo = echo();
    // A part of the requests and responses is larger than the memory that nginx gives them.
    let Some(nginx) = Nginx::before(echo.address(), "client_body_buffer_size 16k;", "") else { return };
    let mut serin = Serin::start_with(&everything_to(nginx.address), &["--workers", "1"], &[]);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("content");
    let output = file.to_str().expect("a plain path");
    for path in ["/sized", "/chunked"] {
        for length in [1, 1_000, 100_000, 3_000_000] {
            let content: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).expect("below 251")).collect();
            let url = format!("http://{}{path}", serin.address());
            // From a file its length is known; what is uploaded from the standard input has none, and comes in chunks.
            for how in [["--data-binary", "@-"], ["--upload-file", "-"]] {
                let all = [&["--http2-prior-knowledge", "-X", "POST", "--output", output], &how[..]].concat();
                let Some(got) = curl_to(&url, &all, &content) else { return };
                assert_eq!(got, "|2|200", "{path} {how:?} {length}");
                let back = std::fs::read(&file).expect("curl has written it");
                assert!(back == content, "{path} {how:?}: {} of {length} bytes", back.len());
            }
        }
    }
    serin.await_count("serin_requests_total", &[("code", "200")], 16);
    assert_eq!(serin.count("serin_connections_opened_total", &[("side", "upstream")]), 1, "it was kept alive");
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

/// With few requests a connection, so that it closes one of them again and again, while others are idle.
#[test]
fn nginx_loses_no_request_though_it_closes_its_connections() {
    const REQUESTS: u64 = 3_000;
    let Some(nginx) = Nginx::start("keepalive_requests 25;", "", "location / { return 200 ok; }") else { return };
    let mut serin = Serin::start(&everything_to(nginx.address));
    let url = format!("http://{}/", serin.address());
    let all = ["-n", &REQUESTS.to_string(), "-c", "3", "-m", "20", &url];
    let Some(report) = nghttp2("h2load", &all) else { return };
    assert!(report.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
    assert_eq!(serin.count("serin_requests_total", &[("code", "200")]), REQUESTS);
    let opened = serin.count("serin_connections_opened_total", &[("side", "upstream")]);
    assert!((REQUESTS / 25..REQUESTS / 2).contains(&opened), "{opened} connections for {REQUESTS} requests");
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}
