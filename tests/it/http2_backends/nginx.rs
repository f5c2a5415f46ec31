//! nginx as the backend: what people have.

use super::front;
use crate::harness::{Backend, Client, Nginx};

/// Says back what it was sent.
fn echo() -> Backend {
    Backend::start(|conn| {
        while let Some(request) = conn.request() {
            let body = request.body;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if !(conn.send(head) && conn.send(body)) {
                break;
            }
        }
    })
}

#[test]
fn content_comes_back_from_nginx_as_it_was_sent() {
    let echo = echo();
    let Some(nginx) = Nginx::before(echo.address(), "", "http2") else { return };
    let mut serin = front(nginx.address, "");
    let mut client = serin.client();
    for length in [0, 1, 1_000, 100_000, 3_000_000] {
        let content = "x".repeat(length);
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{content}"));
        let response = client.response();
        assert_eq!((response.status, response.body.len()), (200, length));
    }
    assert_eq!(serin.count("serin_connections", &[("side", "upstream")]), 1);
}

/// With few streams a connection and few requests a connection, so that it says `GOAWAY` again and again.
#[test]
fn nginx_loses_no_request_though_it_sends_its_clients_away() {
    let echo = echo();
    let settings = "http2_max_concurrent_streams 4; keepalive_requests 25;";
    let Some(nginx) = Nginx::before(echo.address(), settings, "http2") else { return };
    let mut serin = front(nginx.address, "");
    let address = serin.address();
    let clients: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for n in 0..50 {
                    let response = client.get(&format!("/{n}"));
                    assert_eq!(response.status, 200, "request {n}: {}", response.text());
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every response is right");
    }
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 0);
}
