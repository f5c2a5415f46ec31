//! Reloads and the end of the process, with streams under way.

use super::connections::{ask, held};
use super::frames::{GOAWAY, answer, begin, next, request, send};
use super::peer::Peer;
use super::{front, over_http2};
use crate::harness::{Backend, eventually, everything_to};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[test]
fn the_streams_of_an_endpoint_that_a_reload_removes_end_well_and_its_connection_with_them() {
    let (old, gate) = held(None);
    let new = Peer::counting();
    let mut serin = front(old.address(), "");
    let mut early = ask(serin.address(), 3);
    eventually("all are at the backend", || old.streams() == 3);
    serin.reload(&over_http2(new.address(), ""));
    assert_eq!(serin.client().get("/").text(), "0 0");
    assert_eq!((old.open(), old.streams()), (1, 3));
    gate.add_permits(3);
    assert!(early.iter_mut().all(|client| client.response().text() == "ok"));
    eventually("the old connection is closed", || old.open() == 0);
    assert_eq!(old.requests(), 3);
    serin.await_count("serin_connections", &[("side", "upstream")], 1);
}

#[test]
fn a_reload_that_changes_nothing_keeps_the_connection() {
    let backend = Peer::counting();
    let mut serin = front(backend.address(), "");
    assert_eq!(serin.client().get("/").status, 200);
    serin.reload(&format!("{}drain: {{ timeout: 3s }}\n", over_http2(backend.address(), "")));
    assert_eq!(serin.client().get("/").text(), "0 1", "the first connection, the second request");
}

/// Which protocol is spoken is decided by the config in force, on new connections.
#[test]
fn a_reload_changes_the_protocol() {
    let backend = Backend::start(|conn| {
        let begins_with = conn.wire.exactly(4);
        if begins_with.is_ok_and(|bytes| bytes == b"PRI ") {
            let rest = conn.wire.exactly(20).is_ok() && send(conn, super::frames::SETTINGS, 0, 0, &[]);
            while let Some(stream) = rest.then(|| request(conn)).flatten() {
                answer(conn, stream);
            }
        } else {
            // Of the first request the method is missing, which no answer depends on.
            while conn.wire.head().is_ok_and(|head| head.is_some()) {
                conn.reply("one");
            }
        }
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    assert_eq!(client.get("/").text(), "");
    serin.reload(&everything_to(backend.address()));
    assert_eq!(client.get("/").text(), "one");
    serin.reload(&over_http2(backend.address(), ""));
    assert_eq!(client.get("/").text(), "");
    assert_eq!(backend.connections(), 3);
}

#[test]
fn what_is_under_way_ends_before_the_process_does() {
    let (backend, gate) = held(None);
    let mut serin = front(backend.address(), "");
    let mut early = ask(serin.address(), 3);
    eventually("all are at the backend", || backend.streams() == 3);
    serin.signal("TERM");
    eventually("it drains", || serin.try_admin("GET", "/readyz").is_ok_and(|response| response.status == 503));
    gate.add_permits(3);
    assert!(early.iter_mut().all(|client| client.response().text() == "ok"));
    assert_eq!(serin.exit().code, Some(0));
}

#[test]
fn an_endpoint_is_told_that_the_process_goes() {
    let told = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&told);
    let backend = Backend::start(move |conn| {
        if let Some(stream) = begin(conn).then(|| request(conn)).flatten() {
            answer(conn, stream);
            while let Some(frame) = next(conn) {
                theirs.fetch_or(frame.kind == GOAWAY, SeqCst);
            }
        }
    });
    let mut serin = front(backend.address(), "");
    assert_eq!(serin.client().get("/").status, 200);
    serin.signal("TERM");
    assert_eq!(serin.exit().code, Some(0));
    eventually("it was told", || told.load(SeqCst));
}
