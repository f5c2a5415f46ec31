//! How connections begin: versions, names, clients' certificates, and what is no handshake at all.

use super::authority::{Authority, Files};
use super::peers::{curl, s_client};
use crate::harness::{Client, Serin, Service, eventually, everything_to, has};
use std::time::{Duration, Instant};

/// A proxy with a listener that has this `tls`, before a service.
pub(super) fn front(tls: &str, more: &str) -> (Serin, Service) {
    let service = Service::start("stable");
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}]\n");
    (Serin::start(&format!("{listener}{}{more}\n", everything_to(service.address()))), service)
}

fn failures(serin: &Serin, cause: &str) -> u64 {
    serin.count("serin_tls_handshake_failures_total", &[("cause", cause)])
}

#[test]
fn curl_speaks_tls_1_2_and_1_3_and_nothing_older() {
    let Some(authority) = Authority::new().filter(|_| has(&["curl"])) else { return };
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, _service) = front(&files.yaml(), "");
    let address = serin.address();
    for version in ["1.2", "1.3"] {
        let exact = ["--tls-max", version, &format!("--tlsv{version}")];
        let ran = curl(&authority, address, "web.test", &exact);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ok"), "{version}: {ran:?}");
    }
    let old = curl(&authority, address, "web.test", &["--tls-max", "1.1", "--tlsv1.0", "--ciphers", "ALL:@SECLEVEL=0"]);
    assert_eq!(old.code, Some(35), "{old:?}");
    eventually("it is counted", || failures(&serin, "protocol") == 1);
}

#[test]
fn the_backend_is_told_that_the_client_came_over_tls() {
    let Some(authority) = Authority::new().filter(|_| has(&["curl"])) else { return };
    let backend = crate::harness::Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let files = authority.issue("web", "DNS:web.test");
    let (secure, clear) =
        ("{ name: web, address: \"127.0.0.1:0\", tls: { ", "{ name: clear, address: \"127.0.0.1:0\" }");
    let listeners = format!("listeners: [{secure}{} }} }}, {clear}]\n", files.yaml());
    let mut serin = Serin::start(&format!("{listeners}{}", everything_to(backend.address())));
    assert_eq!(curl(&authority, serin.address(), "web.test", &[]).stdout, "ok");
    assert_eq!(backend.only_request().head.one("x-forwarded-proto"), Some("https"));
    Client::connect(serin.listener("clear")).get("/");
    assert_eq!(backend.requests()[1].head.one("x-forwarded-proto"), Some("http"));
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let Some(authority) = Authority::new() else { return };
    let all = [("first", "DNS:a.test,DNS:b.test"), ("second", "DNS:c.test,DNS:*.d.test"), ("third", "DNS:x.d.test")];
    let pairs = all.map(|(name, names)| format!("{{ {} }}", authority.issue(name, names).yaml()));
    let (mut serin, _service) = front(&format!("certificates: [{}]", pairs.join(", ")), "");
    let address = serin.address();
    let asked = [
        (&["-servername", "a.test"][..], "first"),
        (&["-servername", "b.test"], "first"),
        (&["-servername", "C.test"], "second"),
        (&["-servername", "y.d.test"], "second"),
        // The very name goes before its whole domain, whatever the order.
        (&["-servername", "x.d.test"], "third"),
        // A wildcard is for one label.
        (&["-servername", "z.y.d.test"], "first"),
        (&["-servername", "unknown.test"], "first"),
        (&["-noservername"], "first"),
    ];
    for (arguments, expected) in asked {
        let ran = s_client(address, arguments);
        let subject = ran.stdout.lines().find(|line| line.starts_with("subject=")).unwrap_or_default().replace(' ', "");
        assert_eq!(subject, format!("subject=CN={expected}"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_client_has_to_show_a_certificate_of_the_right_authority_where_one_is_required() {
    let Some((authority, stranger)) = Authority::new().zip(Authority::new()).filter(|_| has(&["curl"])) else { return };
    let server = authority.issue("web", "DNS:web.test");
    let tls = format!("{}, clientCaFile: \"{}\"", server.yaml(), authority.certificate().display());
    let (mut serin, service) = front(&tls, "");
    let address = serin.address();
    let shown = |files: &Files, version: &str| {
        let (certificate, key) = (files.certificate.to_str().unwrap(), files.key.to_str().unwrap());
        curl(&authority, address, "web.test", &["--cert", certificate, "--key", key, "--tls-max", version])
    };
    let known = authority.issue("client", "DNS:client.test");
    let unknown = stranger.issue("client", "DNS:client.test");
    for version in ["1.2", "1.3"] {
        assert_eq!(shown(&known, version).stdout, "ok");
        assert_ne!(shown(&unknown, version).code, Some(0));
        assert_ne!(curl(&authority, address, "web.test", &["--tls-max", version]).code, Some(0));
    }
    assert_eq!(service.requests(), 2);
    eventually("each is counted", || failures(&serin, "certificate") == 4);
}

#[test]
fn http_in_clear_on_a_tls_listener_is_closed_and_counted() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, service) = front(&authority.issue("web", "DNS:web.test").yaml(), "");
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = client.wire.closed().expect("it is closed");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    eventually("it is counted", || failures(&serin, "clear-text") == 1);
    assert_eq!(service.requests(), 0);
}

#[test]
fn a_handshake_has_its_time_and_its_connection_is_counted_meanwhile() {
    let Some(authority) = Authority::new() else { return };
    let tls = authority.issue("web", "DNS:web.test").yaml();
    let (mut serin, _service) = front(&tls, "timeouts: { headerRead: 1s }");
    let began = Instant::now();
    let mut silent = serin.client();
    let mut slow = serin.client();
    // The beginning of a record that promises 512 bytes of handshake.
    slow.send(b"\x16\x03\x01\x02\x00\x01");
    eventually("both are counted", || serin.count("serin_connections", &[("side", "client")]) == 2);
    silent.assert_closed();
    slow.assert_closed();
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&took), "{took:?}");
    eventually("they are gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
    assert_eq!(failures(&serin, "timeout"), 2);
}

#[test]
fn a_client_that_leaves_during_the_handshake_is_counted_as_that() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, _service) = front(&authority.issue("web", "DNS:web.test").yaml(), "");
    drop(serin.client());
    eventually("it is counted", || failures(&serin, "closed") == 1);
}

#[test]
fn a_client_that_speaks_another_protocol_alone_is_refused_in_the_handshake() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, service) = front(&authority.issue("web", "DNS:web.test").yaml(), "");
    let ran = s_client(serin.address(), &["-alpn", "spdy/3"]);
    assert!(ran.stderr.contains("no application protocol"), "{ran:?}");
    let chosen = s_client(serin.address(), &["-alpn", "spdy/3,http/1.1"]);
    assert!(chosen.stdout.contains("ALPN protocol: http/1.1"), "{chosen:?}");
    eventually("it is counted", || failures(&serin, "protocol") == 1);
    assert_eq!(service.requests(), 1);
}
