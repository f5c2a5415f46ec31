//! The circuit breaker: what is too much is answered at once.

use super::{Shop, codes, one_backend};
use crate::harness::{Backend, Client, Response, Serin, black_hole, eventually, everything_to};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// One worker before `backend`, whose ceiling is thus the worker's.
fn start(backend: SocketAddr, breaker: &str, more: &str) -> Serin {
    let config = everything_to(backend).replace(" }\nroutes", &format!(", circuitBreaker: {{ {breaker} }} }}\nroutes"));
    assert!(config.contains("circuitBreaker"), "{config}");
    Serin::start_with(&format!("{config}{more}"), &["--workers", "1"], &[])
}

/// A backend that answers when the sender is dropped.
fn waits() -> (Backend, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let is_open = Arc::new(AtomicBool::new(false));
    let backend = Backend::start(move |conn| {
        while conn.request().is_some() {
            if !is_open.load(SeqCst) {
                // Ends with an error when the sender is gone, which is what is waited for.
                let _ = gate.lock().unwrap().recv();
                is_open.store(true, SeqCst);
            }
            if !conn.reply("ok") {
                return;
            }
        }
    });
    (backend, open)
}

#[track_caller]
fn assert_overload(response: &Response, began: Instant) {
    assert_eq!((response.status, response.head.one("x-serin-reason")), (503, Some("overload")), "{response:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "at once, not after {:?}", began.elapsed());
}

fn asked(serin: &mut Serin) -> Client {
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    client
}

#[test]
fn requests_above_the_ceiling_are_refused_at_once_and_charged_to_the_version() {
    let (backend, open) = waits();
    let mut serin = start(backend.address(), "maxRequests: 2", "");
    let mut under_way = [asked(&mut serin), asked(&mut serin)];
    eventually("both are under way", || backend.connections() == 2);
    let mut third = serin.client();
    for _ in 0..3 {
        let began = Instant::now();
        assert_overload(&third.get("/"), began);
    }
    serin.await_count("serin_failures_total", &[("backend", "stable"), ("cause", "overload")], 3);
    serin.await_count("serin_requests_total", &[("backend", "stable"), ("code", "503")], 3);
    drop(open);
    for client in &mut under_way {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(third.get("/").status, 200, "there is room again, on the same connection");
}

#[test]
fn connections_above_the_ceiling_are_not_opened_and_idle_ones_are_used() {
    let (backend, open) = waits();
    let mut serin = start(backend.address(), "maxConnections: 1", "");
    let mut first = asked(&mut serin);
    eventually("it is under way", || backend.connections() == 1);
    let mut second = serin.client();
    let began = Instant::now();
    assert_overload(&second.get("/"), began);
    drop(open);
    assert_eq!(first.response().status, 200);
    for _ in 0..5 {
        assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_connection_that_is_idle_at_one_endpoint_makes_room_for_one_to_another() {
    let shops = [Shop::open("a"), Shop::open("b")];
    let config = one_backend(&shops, "circuitBreaker: { maxConnections: 1 }");
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    assert!(codes(&mut serin, 60).iter().all(|code| *code == 200));
    assert!(shops.iter().all(|shop| shop.requests() > 5), "{:?}", shops.each_ref().map(Shop::requests));
    assert_eq!(serin.count("serin_connections", &[("side", "upstream")]), 1);
}

#[test]
fn requests_that_wait_for_a_connection_have_a_ceiling() {
    let (address, _socket, _held) = black_hole();
    let mut serin = start(address, "maxPendingRequests: 1", "timeouts: { connect: 3s }\n");
    let mut first = asked(&mut serin);
    let mut second = serin.client();
    let began = Instant::now();
    eventually("the first one waits", || {
        let response = second.get("/");
        response.head.one("x-serin-reason") == Some("overload")
    });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(first.response().status, 504);
}
