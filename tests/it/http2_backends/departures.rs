//! Connections that end, and streams that are refused: what was not begun is done elsewhere.

use super::frames::{GOAWAY, answer, begin, request, send};
use super::front;
use super::peer::{Call, Peer};
use crate::harness::{Backend, Client, eventually};
use h2::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[test]
fn a_backend_that_tells_its_clients_to_go_loses_no_request() {
    let backend = Peer::start(async |call: Call| {
        tokio::task::yield_now().await;
        call.reply(200, "ok")
    });
    let mut serin = front(backend.address(), "");
    let address = serin.address();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut count = 0;
                while !stop.load(SeqCst) {
                    let response = client.get("/");
                    assert_eq!((response.status, response.text().as_str()), (200, "ok"), "request {count}");
                    count += 1;
                }
                count
            })
        })
        .collect();
    for round in 1..=20 {
        let before = backend.requests();
        eventually("some are under way", || backend.requests() >= before + 20);
        backend.go_away();
        eventually("another connection is there", || backend.connections() > round);
    }
    stop.store(true, SeqCst);
    let all: usize = clients.into_iter().map(|client| client.join().expect("every response is right")).sum();
    assert!(all >= 400, "{all}");
    eventually("those that were told to go have gone", || backend.open() == 1);
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 0);
}

#[test]
fn a_stream_that_is_refused_is_opened_again_whatever_the_method() {
    let backend = Peer::start(async |call: Call| {
        if !call.number.is_multiple_of(2) {
            return call.reply(200, "ok");
        }
        call.reset(Reason::REFUSED_STREAM);
        Ok(())
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    assert_eq!(client.get("/").text(), "ok");
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!((backend.requests(), backend.connections()), (4, 1));
    assert_eq!(serin.count("serin_retries_total", &[("backend", "stable")]), 2);
}

#[test]
fn whoever_refuses_everything_is_not_asked_for_ever() {
    let backend = Peer::start(async |call: Call| {
        call.reset(Reason::REFUSED_STREAM);
        Ok(())
    });
    let mut serin = front(backend.address(), "");
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (502, Some("reset")));
    assert!(backend.requests() <= 5, "{}", backend.requests());
}

#[test]
fn what_came_after_the_last_stream_of_a_goaway_is_sent_again_and_what_came_before_it_is_not() {
    let backend = Backend::start(|conn| {
        if !begin(conn) {
            return;
        }
        let Some(first) = request(conn) else { return };
        if conn.number > 0 {
            answer(conn, first);
            conn.await_close();
            return;
        }
        let Some(second) = request(conn) else { return };
        // The first was taken, the second was not.
        let payload = [&first.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
        assert!(second > first && send(conn, GOAWAY, 0, 0, &payload));
        answer(conn, first);
        conn.await_close();
    });
    let mut serin = front(backend.address(), "");
    let mut clients = [serin.client(), serin.client()];
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(backend.connections(), 2);
    assert_eq!(serin.count("serin_retries_total", &[("backend", "stable")]), 1);
}

#[test]
fn a_connection_that_broke_while_it_was_idle_is_no_answer() {
    let backend = Backend::start(|conn| {
        if begin(conn)
            && let Some(stream) = request(conn)
        {
            answer(conn, stream);
        }
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    for n in 1..=10 {
        assert_eq!(client.get("/").status, 200);
        assert_eq!(backend.connections(), n);
        eventually("the connection is gone", || serin.count("serin_connections", &[("side", "upstream")]) == 0);
    }
}

#[test]
fn a_backend_that_speaks_http_1_is_a_failed_connect_and_says_why() {
    let backend = Backend::replying("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let mut serin = front(backend.address(), "");
    let response = serin.client().get("/");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (503, Some("connect-failed")));
    let said = serin.process.log.event("the HTTP/2 handshake with an endpoint failed", |_| true);
    assert!(said.is_some(), "{}", serin.process.log.text());
}

#[test]
fn a_client_that_gives_up_costs_its_stream_and_not_the_connection() {
    let gone = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&gone);
    let backend = Peer::start(move |mut call: Call| {
        let gone = Arc::clone(&theirs);
        async move {
            if call.head.uri.path() == "/at-once" {
                return call.reply(200, "ok");
            }
            let reason = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await?;
            gone.store(reason == Reason::CANCEL, SeqCst);
            Ok(())
        }
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it is at the backend", || backend.streams() == 1);
    drop(client);
    eventually("the backend is told", || gone.load(SeqCst));
    assert_eq!(serin.client().get("/at-once").text(), "ok");
    assert_eq!(backend.connections(), 1);
}
