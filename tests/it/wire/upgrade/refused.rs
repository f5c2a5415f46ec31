//! A connection that is not switched goes on as HTTP, and nothing gets past the proxy by pretending that it was.

use super::{ASK, OK, SWITCH, echo};
use crate::harness::{Request, front};

/// What the backend receives of a GET with these fields.
fn received(version: &str, fields: &str) -> Request {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send(format!("GET / {version}\r\nHost: t\r\n{fields}\r\n"));
    assert_eq!(client.response().status, 200);
    assert_eq!(backend.crooked(), Vec::<String>::new());
    backend.only_request()
}

#[test]
fn a_backend_that_does_not_switch_is_an_ordinary_one() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(match request.target() {
                "/ws" => "HTTP/1.1 426 Upgrade Required\r\nUpgrade: other, h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno",
                _ => "HTTP/1.1 200 OK\r\nUpgrade: h2c, other\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
            });
        }
    });
    let mut client = serin.client();
    for _ in 0..3 {
        client.send(ASK);
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (426, "no"));
        assert_eq!(response.head.one("upgrade"), Some("other"), "RFC 9110 section 15.5.22: it must say to what");
        assert!(response.head.lists("connection", "upgrade"));
        client.send(ASK.replace("/ws", "/"));
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
        assert!(response.head.all("upgrade").is_empty() && response.head.all("connection").is_empty());
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(backend.connections(), 1, "neither side's connection was spent");
    assert_eq!(serin.count("serin_tunnels_total", &[]), 0);
    assert_eq!(serin.count("serin_requests_total", &[("code", "426")]), 3);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_switch_that_was_not_asked_for_is_a_bad_response() {
    let plain = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
    let unnamed = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n";
    for (request, answer) in [
        (plain.to_owned(), SWITCH.to_owned()),
        (ASK.replace("HTTP/1.1", "HTTP/1.0"), SWITCH.to_owned()),
        (ASK.replace("Connection: keep-alive, Upgrade\r\n", ""), SWITCH.to_owned()),
        (ASK.replace("echo", "h2c"), SWITCH.replace("echo", "h2c")),
        (ASK.replace("echo", "echo, h2c"), SWITCH.replace("echo", "h2c")),
        (ASK.replace("echo", "echo, h2c"), SWITCH.replace("echo", "echo, h2c")),
        (ASK.to_owned(), SWITCH.replace("echo", "other")),
        (ASK.to_owned(), SWITCH.replace("echo", "echo/2")),
        (ASK.to_owned(), unnamed.to_owned()),
        (ASK.to_owned(), SWITCH.replace("Connection: Upgrade\r\n", "")),
    ] {
        let theirs = answer.clone();
        let (mut serin, _backend) = front(move |conn| {
            conn.request();
            conn.send(&theirs);
            conn.await_close();
        });
        let mut client = serin.client();
        client.send(&request);
        let response = client.response();
        assert_eq!((response.status, response.head.one("x-serin-reason")), (502, Some("bad-response")), "{answer}");
        serin.await_count("serin_failures_total", &[("cause", "bad-response")], 1);
        assert_eq!(serin.count("serin_tunnels_total", &[]), 0);
    }
}

#[test]
fn an_upgrade_is_passed_on_only_as_the_rfc_says() {
    for (version, fields) in [
        ("HTTP/1.0", "Connection: upgrade\r\nUpgrade: echo\r\n"),
        ("HTTP/1.1", "Upgrade: echo\r\n"),
        ("HTTP/1.1", "Connection: keep-alive\r\nUpgrade: echo\r\n"),
        ("HTTP/1.1", "Connection: upgrade\r\n"),
        ("HTTP/1.1", "Connection: upgrade\r\nUpgrade: \r\n"),
        ("HTTP/1.1", "Connection: upgrade\r\nUpgrade: two words, \"quoted\", a/b/c\r\n"),
    ] {
        let head = received(version, fields).head;
        assert!(head.all("upgrade").is_empty() && !head.lists("connection", "upgrade"), "{fields:?}: {head:?}");
    }
    let head =
        received("HTTP/1.1", "CONNECTION: X-Hop\r\nX-Hop: 1\r\nconnection: UPGRADE\r\nuPGRADE: Echo/1.0\r\n").head;
    assert_eq!((head.one("upgrade"), head.one("connection")), (Some("Echo/1.0"), Some("upgrade")));
    assert!(head.all("x-hop").is_empty());
}

#[test]
fn what_carries_http_past_the_proxy_is_not_passed_on() {
    const SETTINGS: &str = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    for upgrade in ["h2c", "H2C", "h2c, h2", "HTTP/2.0", "TLS/1.2", "h2c\r\nUpgrade: h2c", "h2c/2"] {
        let head = received("HTTP/1.1", &format!("{SETTINGS}Upgrade: {upgrade}\r\n")).head;
        for gone in ["upgrade", "http2-settings", "connection"] {
            assert!(head.all(gone).is_empty(), "{upgrade:?}: {head:?}");
        }
    }
    for upgrade in ["websocket, h2c", "h2c\r\nUpgrade: websocket", " ,H2C,, websocket , TLS/1.3"] {
        let head = received("HTTP/1.1", &format!("{SETTINGS}Upgrade: {upgrade}\r\n")).head;
        assert_eq!((head.one("upgrade"), head.one("connection")), (Some("websocket"), Some("upgrade")), "{upgrade:?}");
        assert!(head.all("http2-settings").is_empty(), "{upgrade:?}");
    }
}

#[test]
fn what_follows_a_refused_upgrade_is_read_as_requests() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    // To whoever took the first for switched, the second would be bytes of a tunnel.
    let mut client = serin.client();
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"));
    assert_eq!((client.response().status, client.response().status), (200, 200));
    let next = backend.requests().pop().expect("the second");
    assert_eq!((next.target(), next.head.one("x-forwarded-for")), ("/next", Some("6.6.6.6, 127.0.0.1")));

    let mut client = serin.client();
    client.send([ASK.as_bytes(), b"\x81\x85\x01\x02\x03\x04bytes of a tunnel\r\n\r\n"].concat());
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 400);
    client.assert_closed();
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn a_body_that_looks_like_a_request_stays_a_body() {
    let (mut serin, backend) = front(echo);
    let inner = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n";
    let head = ASK.replace("GET", "POST").replace("\r\n\r\n", &format!("\r\nContent-Length: {}\r\n\r\n", inner.len()));
    let mut client = serin.client();
    client.send(format!("{head}{inner}tunnel"));
    super::switched(&mut client);
    assert_eq!(client.wire.exactly(6).unwrap(), b"tunnel");
    assert_eq!(backend.only_request().body, inner.as_bytes());
}

#[test]
fn a_connection_that_was_a_tunnel_serves_no_other_request() {
    let (mut serin, backend) = front(echo);
    for n in 1..=5 {
        let mut client = serin.client();
        super::switch(&mut client);
        super::round_trip(&mut client, b"hello");
        client.wire.finish();
        client.assert_closed();
        assert_eq!(serin.client().get("/").status, 200);
        assert!(backend.connections() > n, "each tunnel spent one: {}", backend.connections());
    }
    assert_eq!(backend.crooked(), Vec::<String>::new());
}
