//! A client over TLS and HTTP/2 that reads nothing: what was encrypted for it waits in memory, beside the kernel's, and
//! neither its responses nor the farewell keep the connection.

use super::authority::Authority;
use super::peers::SecureClient;
use crate::harness::frames::PREFACE;
use crate::harness::{Backend, Frame, Serin, eventually, everything_to};
use std::time::{Duration, Instant};

#[test]
fn a_client_that_takes_nothing_is_given_up_over_tls_too() {
    let Some(authority) = Authority::new() else { return };
    let backend = Backend::start(|conn| {
        // One response a connection: what is left open then is under way, and not idle.
        if conn.request().is_some() {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 20);
            let _ = conn.send(head) && conn.send(vec![b'x'; 1 << 20]);
        }
    });
    let tls = authority.issue("web", "DNS:web.test").yaml();
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}]\n");
    let timeouts = "timeouts: { idle: 300ms }\n";
    let mut serin = Serin::start(&format!("{listener}{}{timeouts}", everything_to(backend.address())));
    let mut client = SecureClient::connect_http2(serin.address(), &authority, "web.test").unwrap();
    let began = Instant::now();
    let settings = Frame::settings(&[(1, 0), (4, 1 << 30)]).bytes();
    let gets = (0..40).flat_map(|n| Frame::get(1 + 2 * n).bytes()).collect();
    // The proxy may have hung up before all of it has gone out.
    let _ = client.send(&[PREFACE.to_vec(), settings, Frame::window_update(0, 1 << 30).bytes(), gets].concat());
    backend.await_requests(2);
    eventually("it is gone", || serin.count("serin_connections", &[("side", "client")]) == 0);
    eventually("nothing is under way", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    // By Serin's own time-outs, a tenth of this at most.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}
