//! Headers that go out: one a connection, for one client, and none of a health check's.

use super::OK;
use crate::harness::{Backend, Client, Conn, Serin, eventually, everything_to};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// The config key on the backend `stable`.
fn telling(backend: SocketAddr, keys: &str) -> String {
    let config = everything_to(backend).replace(" }\nroutes", &format!(", {keys} }}\nroutes"));
    assert!(config.contains(keys), "{config}");
    config
}

/// A connection's first line, and for each request on it who it was for and its path.
type Told = Arc<Mutex<Vec<(Vec<u8>, String, String)>>>;

/// The header of one version at the beginning of a connection.
fn header(conn: &mut Conn, version: &str) -> Option<Vec<u8>> {
    if version == "v1" {
        return conn.wire.line().ok().map(String::into_bytes);
    }
    let mut header = conn.wire.exactly(16).ok()?;
    header.extend(conn.wire.exactly(usize::from(header[15])).ok()?);
    Some(header)
}

/// A backend that takes headers of `version`, and notes them with the requests that follow.
fn told_in(version: &'static str) -> (Backend, Told) {
    let told = Told::default();
    let theirs = Arc::clone(&told);
    let backend = Backend::start(move |conn| {
        let Some(header) = header(conn, version) else { return };
        while let Some(request) = conn.request() {
            let client = request.head.one("x-forwarded-for").unwrap_or_default().to_owned();
            theirs.lock().unwrap().push((header.clone(), client, request.target().to_owned()));
            if !conn.send(OK) {
                return;
            }
        }
    });
    (backend, told)
}

/// What `version` says of a connection from one IPv4 address to another, by the protocol's own words.
fn expected(version: &str, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (source, destination) else { panic!("IPv4") };
    if version == "v1" {
        return format!("PROXY TCP4 {} {} {} {}", from.ip(), to.ip(), from.port(), to.port()).into_bytes();
    }
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"[..], &from.ip().octets(), &to.ip().octets(), &ports].concat()
}

#[test]
fn every_connection_begins_with_its_clients_address_and_is_no_other_clients() {
    for version in ["v1", "v2"] {
        let (backend, told) = told_in(version);
        // One worker: every idle connection is within the other client's reach.
        let config = telling(backend.address(), &format!("proxyProtocol: {version}"));
        let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
        let address = serin.address();
        let ips = ["127.0.5.1", "127.0.5.2"];
        let mut clients = ips.map(|ip| Client::connect_from(ip.parse().unwrap(), address));
        for _ in 0..3 {
            for client in &mut clients {
                assert_eq!(client.get("/").status, 200, "{version}");
            }
        }
        let own = clients.each_ref().map(|client| client.wire.stream().local_addr().unwrap());
        let told = told.lock().unwrap().clone();
        for (number, (header, client, _)) in told.iter().enumerate() {
            assert_eq!(client, ips[number % 2]);
            assert_eq!(*header, expected(version, own[number % 2], address), "{version}, request {number}");
        }
        assert_eq!((told.len(), backend.connections()), (6, 2), "{version}: each client has its own, and keeps it");
        // Another connection of the same client has another port, which is a part of what is told.
        drop(clients);
        let mut again = Client::connect_from(ips[0].parse().unwrap(), address);
        assert_eq!(again.get("/").status, 200);
        assert_eq!(backend.connections(), 3);
    }
}

#[test]
fn a_connection_limit_is_no_dead_end_when_what_is_idle_is_other_clients() {
    let (backend, _told) = told_in("v2");
    let config = telling(backend.address(), "proxyProtocol: v2, circuitBreaker: { maxConnections: 2 }");
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut clients: Vec<_> = (0..5).map(|_| serin.client()).collect();
    for _ in 0..2 {
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
    }
    assert!(serin.count("serin_connections", &[("side", "upstream")]) <= 2);
}

#[test]
fn a_health_check_says_that_it_is_nobodys_connection() {
    for (version, own) in [("v1", &b"PROXY UNKNOWN"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00")] {
        let (backend, told) = told_in(version);
        let keys = format!("proxyProtocol: {version}, health: {{ path: /healthz, interval: 100ms }}");
        let mut serin = Serin::start(&telling(backend.address(), &keys));
        let asked = |told: &Told| told.lock().unwrap().iter().filter(|(_, _, path)| path == "/healthz").count();
        eventually("it is asked twice", || asked(&told) >= 2);
        assert_eq!(serin.client().get("/").status, 200);
        for (header, _, path) in told.lock().unwrap().iter() {
            assert_eq!(header == own, path == "/healthz", "{version}: {path} behind {header:?}");
        }
    }
}

#[test]
fn a_reload_that_turns_it_on_leaves_no_connection_without_a_header_in_use() {
    let plain = Backend::replying(OK);
    let mut serin = Serin::start(&everything_to(plain.address()));
    let mut client = serin.client();
    assert_eq!(client.get("/").status, 200);
    serin.reload(&telling(plain.address(), "proxyProtocol: v1"));
    // To a backend that knows nothing of headers, the line is no request: it would answer on an old connection alone.
    assert_eq!(client.get("/").status, 502);
    assert_eq!(plain.connections(), 2);
    assert!(plain.raw()[1].starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 "), "{:?}", plain.raw());
}

#[test]
fn health_checks_follow_a_reload_that_turns_it_on() {
    let (backend, told) = told_in("v1");
    let health = "health: { path: /healthz, interval: 100ms }";
    let mut serin = Serin::start(&everything_to(backend.address()));
    serin.reload(&telling(backend.address(), &format!("proxyProtocol: v1, {health}")));
    eventually("it is asked twice behind a header", || told.lock().unwrap().len() >= 2);
    for (header, _, path) in told.lock().unwrap().iter() {
        assert_eq!((header.as_slice(), path.as_str()), (&b"PROXY UNKNOWN"[..], "/healthz"));
    }
}

#[test]
fn an_address_is_passed_on_through_two_proxies() {
    for version in ["v1", "v2"] {
        let (backend, told) = told_in(version);
        let second_config = format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:0\", proxyProtocol: {{ from: [\"127.0.0.1\"] }} }}]\n{}",
            telling(backend.address(), &format!("proxyProtocol: {version}"))
        );
        let mut second = Serin::start(&second_config);
        let mut first = Serin::start(&telling(second.address(), &format!("proxyProtocol: {version}")));
        let mut client = Client::connect_from("127.0.5.9".parse().unwrap(), first.address());
        assert_eq!(client.get("/").status, 200, "{version}");
        let (own, entrance) = (client.wire.stream().local_addr().unwrap(), first.address());
        let told = told.lock().unwrap().clone();
        assert_eq!(told[0].0, expected(version, own, entrance), "both ends, as the first proxy saw them");
        assert_eq!(told[0].1, "127.0.5.9, 127.0.5.9");
    }
}
