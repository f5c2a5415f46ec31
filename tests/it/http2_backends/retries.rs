//! Requests that are tried again over HTTP/2, and by stable in another version of HTTP than its canary's.

use super::peer::{Call, Peer, response, send_all};
use crate::harness::{Backend, Serin, eventually};
use std::net::{SocketAddr, TcpListener};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BODY: &str = "hello, stable";

/// All requests are the canary's, of either protocol, under a rollout. They are few: the canary is to stay.
fn config(stable: (SocketAddr, &str), canary: (SocketAddr, &str), keys: &str) -> String {
    let backend = |name: &str, (address, protocol): (SocketAddr, &str)| {
        let endpoints = format!("endpoints: {{ static: [\"{address}\"] }}");
        format!("  - {{ name: {name}, version: \"{name}\", protocol: {protocol}, {endpoints} }}\n")
    };
    format!(
        "backends:\n{}{}routes:\n  - name: web\n    rules:\n      - name: everyone\n        {keys}\n        \
         backendRefs: [{{ name: stable, weight: 0 }}, {{ name: canary, weight: 1 }}]\n\
         rollouts:\n  - {{ name: web, rule: web/everyone, stable: stable, canary: canary, \
         rollback: [{{ metric: error-rate, max: 5%, window: 5m }}] }}\ntimeouts: {{ connect: 10s }}\n",
        backend("stable", stable),
        backend("canary", canary)
    )
}

fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port is free")
}

/// A request with this method and [`BODY`], sized and in chunks.
fn requests(method: &str) -> [String; 2] {
    let head = format!("{method} /x HTTP/1.1\r\nHost: test\r\n");
    let (length, half) = (BODY.len(), BODY.len() / 2);
    let chunks = format!("{half:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &BODY[..half], length - half, &BODY[half..]);
    [
        format!("{head}Content-Length: {length}\r\n\r\n{BODY}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
    ]
}

/// Answers with what it was sent.
fn echo() -> Peer {
    Peer::start(async |mut call: Call| {
        let (content, _) = call.whole().await?;
        let mut sends = call.begin(response(200))?;
        send_all(&mut sends, content.into()).await?;
        sends.send_trailers(http::HeaderMap::new())
    })
}

#[test]
fn stable_over_http1_takes_over_what_its_canary_over_http2_could_not_be_reached_for() {
    let stable = Backend::replying(OK);
    let mut serin = Serin::start(&config((stable.address(), "http1"), (closed_port(), "http2"), ""));
    let mut client = serin.client();
    for request in requests("POST") {
        client.send(request);
        assert_eq!(client.response().text(), "ok");
    }
    assert_eq!(client.get("/bare").text(), "ok");
    let seen = stable.requests();
    let bodies: Vec<_> = seen.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert_eq!(bodies, [BODY, BODY, ""]);
    assert!(stable.crooked().is_empty(), "{:?}", stable.crooked());
    serin.await_count("serin_failures_total", &[("backend", "canary"), ("cause", "connect")], 3);
}

#[test]
fn and_stable_over_http2_what_its_canary_over_http1_could_not() {
    let stable = echo();
    let mut serin = Serin::start(&config((stable.address(), "http2"), (closed_port(), "http1"), ""));
    let mut client = serin.client();
    for request in requests("POST") {
        client.send(request);
        assert_eq!(client.response().text(), BODY);
    }
    assert_eq!(client.get("/bare").text(), "");
    serin.await_count("serin_failures_total", &[("backend", "canary"), ("cause", "connect")], 3);
}

#[test]
fn what_a_canary_over_http2_answers_badly_is_tried_again_by_stable_over_http1() {
    let stable = Backend::replying(OK);
    let canary = Peer::start(async |mut call: Call| {
        call.whole().await?;
        call.reply(503, "busy")
    });
    let keys = "retry: { codes: [503], backoff: 1ms }";
    let mut serin = Serin::start(&config((stable.address(), "http1"), (canary.address(), "http2"), keys));
    let mut client = serin.client();
    for request in requests("PUT") {
        client.send(request);
        assert_eq!(client.response().text(), "ok");
    }
    assert!(stable.requests().iter().all(|request| request.body == BODY.as_bytes()), "{:?}", stable.requests());
    assert_eq!((stable.requests().len(), canary.requests()), (2, 2));
    serin.await_count("serin_failures_total", &[("backend", "canary"), ("cause", "status")], 2);
}

#[test]
fn a_stream_whose_response_is_held_back_costs_no_connection_and_is_tried_again() {
    let backend = Peer::start(async |mut call: Call| {
        let (content, _) = call.whole().await?;
        if call.number.is_multiple_of(2) { call.reply(503, vec![b'x'; 100_000]) } else { call.reply(200, content) }
    });
    let config = super::over_http2(backend.address(), "")
        .replace("        backendRefs:", "        retry: { codes: [503], backoff: 1ms }\n        backendRefs:");
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut client = serin.client();
    for _ in 0..3 {
        for request in requests("PUT") {
            client.send(request);
            assert_eq!(client.response().text(), BODY);
        }
    }
    assert_eq!((backend.requests(), backend.connections()), (12, 1));
}

#[test]
fn stable_takes_over_in_its_own_version_though_no_more_bodies_are_kept_for_another_try() {
    const KEPT: usize = 256;
    let (stable, mirror) = (echo(), Backend::replying(OK));
    let holds = Backend::start(|conn| drop((conn.head(), conn.await_close())));
    let filter = "filters: [{ type: RequestMirror, requestMirror: { backendRef: { name: mirror } } }]";
    let config = config((stable.address(), "http2"), (closed_port(), "http1"), filter);
    let backend = |name: &str, address| {
        format!("  - {{ name: {name}, version: \"1\", endpoints: {{ static: [\"{address}\"] }} }}\n")
    };
    let others = backend("holds", holds.address()) + &backend("mirror", mirror.address());
    let rule =
        "      - { name: held, matches: [{ path: { value: /held } }], retry: {}, backendRefs: [{ name: holds }] }";
    let config = config.replace("routes:", &format!("{others}routes:")).replace("rules:", &format!("rules:\n{rule}"));
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut held: Vec<_> = (0..KEPT).map(|_| serin.client()).collect();
    for client in &mut held {
        client.send("PUT /held HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhello");
    }
    eventually("all are on their way", || holds.connections() == KEPT);
    let mut client = serin.client();
    for request in requests("POST") {
        client.send(request);
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, BODY));
    }
    mirror.await_requests(2);
    assert!(mirror.requests().iter().all(|copy| copy.body == BODY.as_bytes()));
}
