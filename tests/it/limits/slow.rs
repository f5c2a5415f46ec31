//! Clients that are slow, whether they cannot do better or do not want to: they have their time, and little memory.

use super::{OK, assert_refused};
use crate::harness::{Backend, Client, Serin, eventually, everything_to};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

fn front(timeouts: &str, backend: &Backend) -> Serin {
    Serin::start(&format!("{}timeouts: {{ {timeouts} }}\n", everything_to(backend.address())))
}

fn open(serin: &Serin, side: &str) -> u64 {
    serin.count("serin_connections", &[("side", side)])
}

#[test]
fn a_body_that_stands_still_is_a_408_and_nobodys_failure() {
    let backend = Backend::replying(OK);
    let mut serin = front("idle: 500ms", &backend);
    let began = Instant::now();
    let mut client = serin.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf");
    assert_refused(&client.response(), 408, "refused");
    assert!(began.elapsed() >= Duration::from_millis(480), "{:?}", began.elapsed());
    eventually("the backend's connection is closed", || open(&serin, "upstream") == 0);
    assert!(backend.requests().is_empty());
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_body_that_drips_has_the_requests_time() {
    let backend = Backend::replying(OK);
    let mut serin = front("idle: 10m, request: 1s", &backend);
    let mut client = serin.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n");
    let mut dripping = client.wire.stream().try_clone().expect("a socket can be cloned");
    let drip = std::thread::spawn(move || {
        while std::io::Write::write_all(&mut dripping, b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_refused(&client.response(), 408, "refused");
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
    drop(client);
    drip.join().expect("it ends with the connection");
}

#[test]
fn a_reader_that_stands_still_is_let_go_and_so_is_its_backend() {
    let piece = "x".repeat(1 << 20);
    let backend = Backend::start(move |conn| {
        conn.request();
        conn.wire.stream().set_write_timeout(None).expect("the socket takes options");
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n");
        for _ in 0..256 {
            if !conn.send(&piece) {
                return;
            }
        }
    });
    let mut serin = front("idle: 500ms", &backend);
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let (status, head) = client.head();
    assert_eq!(status, 200);
    let before = serin.process.rss();
    eventually("both connections are gone", || open(&serin, "client") == 0 && open(&serin, "upstream") == 0);
    assert!(serin.process.rss().saturating_sub(before) < 8 * MIB);
    assert!(client.rest_of(head, "GET").is_err(), "what it has is not whole");
    serin.await_count("serin_requests_total", &[("code", "499")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn many_half_heads_take_little_memory_end_in_time_and_hold_nobody_up() {
    const CLIENTS: u64 = 400;
    let backend = Backend::replying(OK);
    let mut serin = front("headerRead: 5s", &backend);
    let before = serin.process.rss();
    let half = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}", "a".repeat(4_000));
    let mut slow: Vec<Client> = (0..CLIENTS)
        .map(|_| {
            let mut client = serin.client();
            client.send(&half);
            client
        })
        .collect();
    assert_eq!(serin.client().get("/").status, 200);
    eventually("all are there", || serin.count("serin_connections_opened_total", &[("side", "client")]) > CLIENTS);
    // Each may hold what one read takes, and the task that holds it.
    let rise = serin.process.rss().saturating_sub(before);
    assert!(rise < CLIENTS * 32 * 1024, "{} KiB for {CLIENTS} half heads", rise / 1024);
    for client in &mut slow {
        assert_refused(&client.response(), 408, "refused");
        client.assert_closed();
    }
    serin.await_count("serin_refused_requests_total", &[("code", "408")], CLIENTS);
    assert_eq!(backend.requests().len(), 1);
}
