//! HTTP/1.0 clients, and responses that only the connection's end ends.

use crate::harness::front;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-t: 1\r\n\r\n";

#[test]
fn an_http_1_0_client_is_served_once() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("GET /a HTTP/1.0\r\nHost: t\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    client.assert_closed();
    let request = backend.only_request();
    assert_eq!(request.head.start, "GET /a HTTP/1.1", "the backend speaks the proxy's version");
}

#[test]
fn an_http_1_0_client_without_host_is_served_and_the_backend_gets_one() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200, "RFC 9112 section 3.2 asks it of HTTP/1.1 alone");
    assert_eq!(backend.only_request().head.all("host").len(), 1);
}

#[test]
fn an_http_1_0_client_that_asks_for_keep_alive_gets_it() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    for _ in 0..3 {
        client.send("GET / HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response();
        assert_eq!(response.text(), "ok");
        assert!(response.head.lists("connection", "keep-alive"), "{:?}", response.head);
    }
    client.send("GET / HTTP/1.0\r\nHost: t\r\n\r\n");
    client.response();
    client.assert_closed();
    assert_eq!(backend.requests().len(), 4);
}

#[test]
fn an_http_1_0_client_gets_a_chunked_response_without_chunks() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all(CHUNKED));
    for fields in ["", "Connection: keep-alive\r\n"] {
        let mut client = serin.client();
        client.send(format!("GET / HTTP/1.0\r\nHost: t\r\n{fields}\r\n"));
        let response = client.response();
        assert_eq!(response.text(), "abcdef", "{fields}");
        assert!(response.until_close && response.head.all("transfer-encoding").is_empty(), "{:?}", response.head);
        assert!(!response.head.lists("connection", "keep-alive"), "{:?}", response.head);
    }
}

#[test]
fn an_http_1_0_client_can_send_a_sized_body() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("POST / HTTP/1.0\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.response().status, 200);
    assert_eq!(backend.only_request().body, b"hello");
}

#[test]
fn a_response_that_ends_with_the_connection_arrives_whole() {
    let (mut serin, _backend) = front(|conn| {
        if let Some(request) = conn.request() {
            let version = if request.target() == "/old" { "HTTP/1.0" } else { "HTTP/1.1" };
            conn.send(format!("{version} 200 OK\r\n\r\n{}", "x".repeat(100_000)));
        }
    });
    for target in ["/new", "/old"] {
        let mut client = serin.client();
        let response = client.get(target);
        assert_eq!(response.body.len(), 100_000, "{target}");
        if !response.until_close {
            assert_eq!(client.get(target).body.len(), 100_000, "the client's connection goes on");
        }
        let mut old = serin.client();
        old.send(format!("GET {target} HTTP/1.0\r\nHost: t\r\n\r\n"));
        assert_eq!(old.response().body.len(), 100_000, "{target}");
    }
}

#[test]
fn an_http_1_0_backend_is_spoken_to_and_not_kept_unasked() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            let keep = if request.target() == "/keep" { "Connection: keep-alive\r\n" } else { "" };
            conn.send(format!("HTTP/1.0 200 OK\r\n{keep}Content-Length: 2\r\n\r\nok"));
            if request.target() != "/keep" {
                conn.await_close();
                return;
            }
        }
    });
    let mut client = serin.client();
    for target in ["/once", "/once", "/keep", "/keep", "/keep"] {
        assert_eq!(client.get(target).text(), "ok", "{target}");
    }
    assert!((3..=5).contains(&backend.connections()), "{}", backend.connections());
}
