//! TLS to backends: who is believed, what is shown, and what a failure is.

use super::authority::Authority;
use super::peers::{SecureBackend, SecureConn};
use crate::harness::{Backend, Serin, eventually, everything_to};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A proxy that sends everything to `backend`, with this `tls`.
fn before(backend: SocketAddr, tls: &str, more: &str) -> Serin {
    let config = everything_to(backend);
    let config = config.replace("version: \"1\",", &format!("version: \"1\", tls: {{ {tls} }},"));
    Serin::start(&format!("{config}{more}\n"))
}

fn believing(authority: &Authority, more: &str) -> String {
    format!("caFile: \"{}\"{more}", authority.certificate().display())
}

fn failures(serin: &Serin, cause: &str) -> u64 {
    serin.count("serin_failures_total", &[("backend", "stable"), ("cause", cause)])
}

#[test]
fn a_backend_is_believed_by_its_own_authority_under_its_name_or_address() {
    let Some(authority) = Authority::new() else { return };
    let backend = SecureBackend::ok(&authority.issue("backend", "DNS:backend.test,IP:127.0.0.1"), None);
    let mut by_name = before(backend.address, &believing(&authority, ", serverName: backend.test"), "");
    let mut client = by_name.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(backend.connections(), 1, "connections are kept");
    assert_eq!(backend.handshakes(), [(Some("backend.test".into()), false)]);
    assert!(backend.requests()[0].contains("x-forwarded-proto: http\r\n"), "{}", backend.requests()[0]);
    let mut by_address = before(backend.address, &believing(&authority, ""), "");
    assert_eq!(by_address.client().get("/").text(), "ok");
    // RFC 6066 section 3: an address is no name to ask for.
    assert_eq!(backend.handshakes()[1], (None, false));
}

/// OpenSSL's variable names the machine's authorities in place of where they are kept otherwise.
#[test]
fn without_an_authority_of_its_own_a_backend_is_believed_by_the_machines() {
    let Some((authority, stranger)) = Authority::new().zip(Authority::new()) else { return };
    let backend = SecureBackend::ok(&authority.issue("backend", "DNS:backend.test"), None);
    let keys = "version: \"1\", tls: { serverName: backend.test },";
    let config = everything_to(backend.address).replace("version: \"1\",", keys);
    for (machine, status) in [(&authority, 200), (&stranger, 503)] {
        let file = machine.certificate();
        let environment = [("SSL_CERT_FILE", file.to_str().expect("a plain path"))];
        let mut serin = Serin::start_with(&config, &["--workers", "1"], &environment);
        assert_eq!(serin.client().get("/").status, status);
    }
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn whoever_is_not_who_it_should_be_gets_no_request_and_is_charged() {
    let Some((authority, stranger)) = Authority::new().zip(Authority::new()) else { return };
    let backend = SecureBackend::ok(&authority.issue("backend", "DNS:backend.test"), None);
    for tls in [
        believing(&authority, ", serverName: another.test"),
        believing(&authority, ""),
        believing(&stranger, ", serverName: backend.test"),
        "serverName: backend.test".to_owned(),
    ] {
        let mut serin = before(backend.address, &tls, "");
        let response = serin.client().get("/");
        assert_eq!(response.status, 503, "{tls}");
        assert_eq!(failures(&serin, "tls"), 1, "{tls}");
        let said = serin.process.log.event("the TLS handshake with an endpoint failed", |_| true);
        assert!(said.is_some(), "{}", serin.process.log.text());
    }
    assert!(backend.requests().is_empty());
}

#[test]
fn a_backend_that_speaks_no_tls_is_charged_with_a_failed_handshake() {
    let backend = Backend::start(|conn| {
        conn.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let mut serin = before(backend.address(), "serverName: backend.test", "");
    assert_eq!(serin.client().get("/").status, 503);
    assert_eq!(failures(&serin, "tls"), 1);
}

#[test]
fn a_handshake_that_hangs_ends_with_the_time_to_connect() {
    let (end, ended) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(ended);
    // Takes the connection, and says nothing.
    let backend = Backend::start(move |_| {
        let _ = wait.lock().unwrap().recv();
    });
    let mut serin = before(backend.address(), "serverName: backend.test", "timeouts: { connect: 500ms }");
    let began = Instant::now();
    assert_eq!(serin.client().get("/").status, 504);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(failures(&serin, "connect-timeout"), 1);
    drop(end);
}

#[test]
fn a_backend_that_asks_is_shown_a_certificate() {
    let Some(authority) = Authority::new() else { return };
    let backend = SecureBackend::ok(&authority.issue("backend", "DNS:backend.test"), Some(&authority));
    let ours = authority.issue("serin", "DNS:serin.test");
    let tls = believing(&authority, &format!(", serverName: backend.test, {}", ours.yaml()));
    let mut serin = before(backend.address, &tls, "");
    assert_eq!(serin.client().get("/").text(), "ok");
    assert_eq!(backend.handshakes(), [(Some("backend.test".into()), true)]);
    let file = ours.certificate.to_str().unwrap();
    assert!(serin.count("serin_tls_certificate_expiry_seconds", &[("backend", "stable"), ("file", file)]) > 0);
    let mut without = before(backend.address, &believing(&authority, ", serverName: backend.test"), "");
    assert!(without.client().get("/").status >= 502);
    assert_eq!(backend.requests().len(), 1);
}

/// New keys are bytes on an idle connection that are nobody's request and no end, as a late session ticket is.
#[test]
fn what_is_for_the_session_alone_does_not_cost_an_idle_connection() {
    let Some(authority) = Authority::new() else { return };
    let rekeying = |conn: &mut SecureConn| {
        loop {
            conn.request()?;
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            // Not in one segment with the response, nor before it has been passed on.
            std::thread::sleep(Duration::from_millis(20));
            conn.stream.conn.refresh_traffic_keys().map_err(io::Error::other)?;
            conn.send(b"")?;
        }
    };
    let backend = SecureBackend::start(&authority.issue("backend", "DNS:backend.test"), None, rekeying);
    let mut serin = before(backend.address, &believing(&authority, ", serverName: backend.test"), "");
    let mut client = serin.client();
    for round in 0..12 {
        // A POST asks the kernel as well whether the connection is still open; a GET asks the runtime alone.
        let get = "GET / HTTP/1.1\r\nHost: t\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx";
        client.send([get, post][round % 2]);
        assert_eq!(client.response().text(), "ok");
        // Nobody tells when the new keys have come.
        std::thread::sleep(Duration::from_millis(60));
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn an_idle_connection_that_the_backend_closes_is_not_used_again() {
    let Some(authority) = Authority::new() else { return };
    let once = |conn: &mut SecureConn| {
        conn.request()?;
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        conn.say_goodbye()
    };
    let backend = SecureBackend::start(&authority.issue("backend", "DNS:backend.test"), None, once);
    let mut serin = before(backend.address, &believing(&authority, ", serverName: backend.test"), "");
    let mut client = serin.client();
    for round in 1..=5 {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.response().text(), "ok");
        assert_eq!(backend.connections(), round);
        eventually("the connection is seen to end", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    }
}

#[test]
fn a_body_that_ends_with_its_connection_is_whole_only_if_the_backend_says_so() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("backend", "DNS:backend.test");
    for orderly in [true, false] {
        let script = move |conn: &mut SecureConn| {
            conn.request()?;
            conn.send(b"HTTP/1.1 200 OK\r\n\r\nhalf or whole")?;
            if orderly { conn.say_goodbye() } else { Ok(()) }
        };
        let backend = SecureBackend::start(&files, None, script);
        let mut serin = before(backend.address, &believing(&authority, ", serverName: backend.test"), "");
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        let response = client.try_response("GET");
        assert_eq!(response.is_ok(), orderly, "{response:?}");
        eventually("it is charged", || failures(&serin, "truncated") == u64::from(!orderly));
    }
}

#[test]
fn a_backends_renewed_authority_is_believed_and_the_one_before_no_more() {
    let Some((old, new)) = Authority::new().zip(Authority::new()) else { return };
    let (first, second) = (old.issue("first", "DNS:backend.test"), new.issue("second", "DNS:backend.test"));
    let trusted = old.directory().join("trusted.crt");
    std::fs::copy(old.certificate(), &trusted).unwrap();
    let (before_it, after_it) = (SecureBackend::ok(&first, None), SecureBackend::ok(&second, None));
    let tls = format!("caFile: \"{}\", serverName: backend.test", trusted.display());
    let mut serin = before(before_it.address, &tls, "");
    let mut client = serin.client();
    assert_eq!(client.get("/").text(), "ok");
    std::fs::copy(new.certificate(), &trusted).unwrap();
    // The kept connection is no way around either.
    eventually("the old authority is believed no more", || client.get("/").status == 503);
    let config = everything_to(after_it.address);
    serin.reload(&config.replace("version: \"1\",", &format!("version: \"1\", tls: {{ {tls} }},")));
    assert_eq!(client.get("/").text(), "ok");
}
