//! Headers and TLS: in clear, before the handshake, on either side.

use super::{OK, rejected};
use crate::harness::{Backend, Serin, everything_to};
use crate::tls::authority::Authority;
use crate::tls::peers::{SecureBackend, SecureClient};
use std::io::Read;
use std::sync::{Arc, Mutex};

/// A proxy whose clients speak TLS behind a header.
fn front(authority: &Authority) -> (Serin, Backend) {
    let backend = Backend::replying(OK);
    let tls = authority.issue("web", "DNS:web.test").yaml();
    let listener = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", proxyProtocol: {{ from: [\"127.0.0.1\"] }}, tls: {{ {tls} }} }}]\n"
    );
    (Serin::start(&format!("{listener}{}", everything_to(backend.address()))), backend)
}

#[test]
fn a_header_comes_before_the_handshake_even_in_one_piece_with_it() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, backend) = front(&authority);
    let header = b"PROXY TCP4 192.0.2.33 192.0.2.34 5 443\r\n";
    let mut client = SecureClient::connect_after(serin.address(), &authority, "web.test", header).expect("it agrees");
    assert!(client.get().expect("an answer").0.starts_with("HTTP/1.1 200"));
    let request = backend.only_request();
    assert_eq!(request.head.one("x-forwarded-for"), Some("192.0.2.33"));
    assert_eq!(request.head.one("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_handshake_without_a_header_is_closed_and_so_is_a_header_within_tls() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, backend) = front(&authority);
    assert!(SecureClient::connect(serin.address(), &authority, "web.test").is_err());
    serin.await_count("serin_rejected_connections_total", &[("cause", "proxy-header-malformed")], 1);
    let header = b"PROXY UNKNOWN\r\n";
    let mut client = SecureClient::connect_after(serin.address(), &authority, "web.test", header).expect("it agrees");
    client.send(b"PROXY TCP4 192.0.2.33 192.0.2.34 5 443\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert!(client.response().expect("an answer").0.starts_with("HTTP/1.1 400"));
    assert!(backend.requests().is_empty());
    assert_eq!(rejected(&serin, "proxy-header-malformed"), 1);
}

#[test]
fn a_backend_gets_the_header_before_the_handshake() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("backend", "DNS:backend.test");
    let headers = Arc::<Mutex<Vec<String>>>::default();
    let theirs = Arc::clone(&headers);
    let backend = SecureBackend::ok_after(&files, move |socket| {
        let (mut header, mut byte) = (Vec::new(), [0]);
        while !header.ends_with(b"\r\n") {
            socket.read_exact(&mut byte)?;
            header.push(byte[0]);
        }
        theirs.lock().unwrap().push(String::from_utf8_lossy(&header).into_owned());
        Ok(())
    });
    let ca = authority.certificate();
    let keys =
        format!(", proxyProtocol: v1, tls: {{ caFile: \"{}\", serverName: backend.test }} }}\nroutes", ca.display());
    let mut serin = Serin::start(&everything_to(backend.address).replace(" }\nroutes", &keys));
    let mut client = serin.client();
    assert_eq!(client.get("/").status, 200);
    let (own, to) = (client.wire.stream().local_addr().unwrap(), serin.address());
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", own.port(), to.port());
    assert_eq!(*headers.lock().unwrap(), [line]);
}
