//! Bytes both ways over TLS: as they were sent, and without waiting for what has come already.

use super::authority::Authority;
use super::handshakes::front;
use super::peers::{SecureBackend, SecureClient, SecureConn, curl};
use crate::harness::{Serin, everything_to, has};
use std::time::Duration;

/// Sends every body back.
fn echo(conn: &mut SecureConn) -> std::io::Result<()> {
    loop {
        let body = conn.request()?;
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())?;
        conn.send(&body)?;
    }
}

/// A proxy with TLS on both sides of it, before a backend that does what `script` says.
pub(super) fn both_sides(
    authority: &Authority,
    script: impl Fn(&mut SecureConn) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Serin, SecureBackend) {
    let backend = SecureBackend::start(&authority.issue("backend", "DNS:backend.test"), None, script);
    let files = authority.issue("web", "DNS:web.test");
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {} }} }}]\n", files.yaml());
    let tls = format!("tls: {{ caFile: \"{}\", serverName: backend.test }}", authority.certificate().display());
    let config = everything_to(backend.address).replace("version: \"1\",", &format!("version: \"1\", {tls},"));
    (Serin::start(&format!("{listener}{config}")), backend)
}

pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn large_bodies_go_both_ways_through_curl() {
    let Some(authority) = Authority::new().filter(|_| has(&["curl"])) else { return };
    let (mut serin, _backend) = both_sides(&authority, echo);
    let (sent, received) = (authority.directory().join("sent"), authority.directory().join("received"));
    let body = noise(12 << 20);
    std::fs::write(&sent, &body).unwrap();
    let upload = format!("@{}", sent.display());
    for version in ["1.2", "1.3"] {
        let more = ["--tls-max", version, "--data-binary", &upload, "--output", received.to_str().unwrap()];
        let ran = curl(&authority, serin.address(), "web.test", &more);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(std::fs::read(&received).unwrap() == body, "as it was sent, over {version}");
    }
}

/// More has been decrypted than fits into one buffer, and nothing more comes: the rest is not waited for.
#[test]
fn what_was_decrypted_already_is_not_waited_for() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _service) = front(&authority.issue("web", "DNS:web.test").yaml(), "");
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    for beginning in [40, 200, 5_000] {
        let filler = "f".repeat(beginning);
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nx-first: {filler}\r\nx-second: ").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        // One record of the largest size, which ends the head.
        let mut record = "s".repeat(16_380).into_bytes();
        record.extend_from_slice(b"\r\n\r\n");
        client.send(&record).unwrap();
        let (head, body) = client.response().unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && body == b"ok", "{head}");
    }
}

#[test]
fn bodies_in_records_of_every_size_come_back_as_they_were() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _backend) = both_sides(&authority, echo);
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    let body = noise(100_000);
    for piece in [1_000, 4_090, 16_384, 100_000] {
        client
            .send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes())
            .unwrap();
        body.chunks(piece).for_each(|piece| client.send(piece).unwrap());
        let (head, back) = client.response().unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && back == body, "in pieces of {piece}: {head}");
    }
}

#[test]
fn requests_that_come_in_one_record_are_all_answered() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _service) = front(&authority.issue("web", "DNS:web.test").yaml(), "");
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    client.send(&b"GET / HTTP/1.1\r\nHost: t\r\n\r\n".repeat(50)).unwrap();
    for _ in 0..50 {
        assert_eq!(client.response().unwrap().1, b"ok");
    }
}

/// A client that reads nothing for a while: what was taken for it waits in bounded memory, and goes out when it reads.
#[test]
fn a_slow_reader_gets_everything_in_the_end() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _backend) = both_sides(&authority, echo);
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    let body = noise(6 << 20);
    let head = format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head.as_bytes()).unwrap();
    client.send(&body).unwrap();
    let idle = serin.process.rss();
    std::thread::sleep(Duration::from_millis(500));
    assert!(serin.process.rss() < idle + (2 << 20), "{idle} -> {}", serin.process.rss());
    assert!(client.response().unwrap().1 == body);
}

#[test]
fn an_idle_connection_ends_in_an_orderly_way() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _service) = front(&authority.issue("web", "DNS:web.test").yaml(), "timeouts: { idle: 1s }");
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    client.get().unwrap();
    let mut rest = Vec::new();
    // Without `close_notify` this would be an error.
    std::io::Read::read_to_end(&mut client.0, &mut rest).expect("the end was announced");
    assert!(rest.is_empty());
}
