//! A tunnel carries every byte, in both directions, and each side's end.

use super::{SWITCH, echo, round_trip, switch, switched};
use crate::harness::{eventually, front};
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long nothing must come where nothing may.
const QUIET: Duration = Duration::from_millis(200);

#[test]
fn bytes_go_both_ways_after_a_101() {
    let (mut serin, backend) = front(echo);
    let mut client = serin.client();
    assert_eq!(client.get("/before").status, 200);
    switch(&mut client);
    for bytes in [&b"hello"[..], b"\0\r\n\r\nGET / HTTP/1.1\r\n\r\n", &vec![0xff; 100_000]] {
        round_trip(&mut client, bytes);
    }
    let head = backend.requests().pop().expect("the one that asked").head;
    assert_eq!((head.one("upgrade"), head.one("connection")), (Some("echo"), Some("upgrade")));
    assert!(head.one("x-request-id").is_some() && head.one("x-forwarded-for").is_some(), "a request like any other");
    assert_eq!(backend.connections(), 1, "it may be a connection that has served before");
}

#[test]
fn what_comes_right_behind_the_101_belongs_to_the_tunnel() {
    for size in [5, 300_000] {
        let (mut serin, _backend) = front(move |conn| {
            conn.head();
            conn.send([SWITCH.as_bytes(), &vec![b'x'; size]].concat());
            conn.await_close();
        });
        let mut client = serin.client();
        switch(&mut client);
        assert_eq!(client.wire.exactly(size).expect("all of it"), vec![b'x'; size]);
    }
}

#[test]
fn what_a_client_sends_early_waits_for_the_101() {
    let (mut serin, _backend) = front(|conn| {
        conn.head();
        conn.wire.stream().set_read_timeout(Some(QUIET)).unwrap();
        let early = conn.wire.some().map_err(|e| e.kind());
        conn.send(SWITCH);
        let late = conn.wire.some().unwrap_or_default();
        conn.send(format!("{early:?} {}", String::from_utf8_lossy(&late)));
    });
    let mut client = serin.client();
    client.send(format!("{}early", super::ASK));
    switched(&mut client);
    assert_eq!(client.wire.until_end().unwrap(), b"Err(WouldBlock) early");
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let (mut serin, _backend) = front(|conn| {
        let Some(request) = conn.request() else { return };
        conn.send(SWITCH);
        if request.target() == "/ws" {
            let said = conn.wire.until_end().unwrap_or_default();
            conn.send([b"after the end: ", &said[..]].concat());
        }
    });
    let mut client = serin.client();
    switch(&mut client);
    client.send("a few words");
    client.wire.finish();
    assert_eq!(client.wire.until_end().unwrap(), b"after the end: a few words");

    let (to_test, from_backend) = mpsc::channel();
    let to_test = Mutex::new(to_test);
    let (mut serin, _backend) = front(move |conn| {
        conn.head();
        conn.send(format!("{SWITCH}goodbye"));
        conn.wire.finish();
        let _ = to_test.lock().unwrap().send(conn.wire.until_end().ok());
    });
    let mut client = serin.client();
    switch(&mut client);
    assert_eq!(client.wire.until_end().unwrap(), b"goodbye");
    client.send("still here");
    drop(client);
    assert_eq!(from_backend.recv_timeout(Duration::from_secs(5)), Ok(Some(b"still here".to_vec())));
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    let (to_test, from_backend) = mpsc::channel();
    let to_test = Mutex::new(to_test);
    let (mut serin, _backend) = front(move |conn| {
        let Some(request) = conn.request() else { return };
        conn.send(SWITCH);
        if request.body.is_empty() {
            // The client has read the answer when its first byte is there.
            let _ = conn.wire.exactly(1);
            conn.reset();
        } else {
            let _ = to_test.lock().unwrap().send(conn.wire.until_end().map_err(|e| e.kind()));
        }
    });
    let mut client = serin.client();
    switch(&mut client);
    client.send("x");
    assert_eq!(client.wire.until_end().unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut client = serin.client();
    client.send("PUT / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 1\r\n\r\nx");
    switched(&mut client);
    client.reset();
    assert_eq!(from_backend.recv_timeout(Duration::from_secs(5)), Ok(Err(ErrorKind::ConnectionReset)));
}

#[test]
fn a_backends_last_words_reach_a_client_that_is_still_sending() {
    let (mut serin, _backend) = front(|conn| {
        conn.head();
        conn.send(format!("{SWITCH}last words"));
    });
    for round in 0..20 {
        let mut client = serin.client();
        client.send(super::ASK);
        let mut sender = client.wire.stream().try_clone().unwrap();
        let sends = std::thread::spawn(move || while sender.write_all(&[b'x'; 10_000]).is_ok() {});
        switched(&mut client);
        assert_eq!(client.wire.exactly(10).unwrap(), b"last words", "round {round}");
        let _ = client.wire.stream().shutdown(std::net::Shutdown::Both);
        sends.join().unwrap();
    }
}

#[test]
fn a_slow_side_holds_back_the_other_and_nothing_else() {
    const WHOLE: u64 = 64 << 20;
    let sent = Arc::new(AtomicU64::new(0));
    let heard = Arc::new(AtomicBool::new(false));
    let (counter, theirs) = (Arc::clone(&sent), Arc::clone(&heard));
    let (mut serin, _backend) = front(move |conn| {
        conn.head();
        conn.send(SWITCH);
        let mut writer = conn.wire.stream().try_clone().unwrap();
        writer.set_write_timeout(None).unwrap();
        let counter = Arc::clone(&counter);
        let sending = std::thread::spawn(move || {
            for _ in 0..WHOLE >> 16 {
                let _ = writer.write_all(&vec![b'x'; 1 << 16]);
                counter.fetch_add(1 << 16, SeqCst);
            }
        });
        // The other direction is not held back meanwhile.
        if conn.wire.exactly(1 << 20).is_ok() {
            theirs.store(true, SeqCst);
        }
        let _ = sending.join();
    });
    let mut client = serin.client();
    switch(&mut client);
    let before = serin.process.rss();
    let (mut last, mut since) = (0, Instant::now());
    eventually("the backend is held back", || {
        let now = sent.load(SeqCst);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        now > 0 && since.elapsed() > Duration::from_millis(400)
    });
    assert!(last < WHOLE / 2, "the kernel's own buffers hold some megabytes: {last}");
    client.send(vec![b'y'; 1 << 20]);
    eventually("the backend has heard the client", || heard.load(SeqCst));
    assert!(serin.process.rss() < before + (4 << 20), "{} KiB", (serin.process.rss() - before) >> 10);
    client.wire.skip(WHOLE).expect("it is all there in the end");
}

#[test]
fn a_request_is_whole_before_the_switch() {
    let (mut serin, _backend) = front(|conn| {
        let Some(head) = conn.head() else { return };
        // As early as can be.
        conn.send(SWITCH);
        let body = conn.rest_of(head).expect("the body").body;
        let beyond = conn.wire.exactly(6).unwrap_or_default();
        conn.send([&body[..], b" ", &beyond].concat());
        conn.wire.finish();
        conn.await_close();
    });
    for (framing, first, second) in [
        ("Content-Length: 5", "he", "llotunnel"),
        ("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r", "\nllo\r\n0\r\n\r\ntunnel"),
        ("Content-Length: 5", "", "hellotunnel"),
    ] {
        let mut client = serin.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\n{framing}\r\n\r\n{first}"
        ));
        client.set_patience(QUIET);
        let early = client.wire.head().map_err(|e| e.kind());
        assert!(matches!(early, Err(ErrorKind::WouldBlock)), "{early:?}");
        client.set_patience(Duration::from_secs(5));
        client.send(second);
        switched(&mut client);
        assert_eq!(client.wire.until_end().unwrap(), b"hello tunnel", "{framing}");
    }
}

#[test]
fn interim_answers_come_before_the_switch() {
    let (mut serin, backend) = front(|conn| {
        let Some(head) = conn.head() else { return };
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        conn.rest_of(head);
        conn.send(format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{SWITCH}"));
        while let Ok(bytes) = conn.wire.some()
            && conn.send(&bytes)
            && !bytes.is_empty()
        {}
    });
    let mut client = serin.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\nExpect: 100-continue\r\n\
         TE: trailers\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(client.head().0, 100, "RFC 9110 section 7.8: first the 100, then the 101");
    client.send("hello");
    assert_eq!(client.head().0, 103);
    switched(&mut client);
    round_trip(&mut client, b"tunnel");
    let request = backend.only_request();
    assert_eq!((request.body.as_slice(), request.head.one("te")), (&b"hello"[..], Some("trailers")));
    assert!(request.head.lists("connection", "upgrade") && request.head.lists("connection", "te"));
}
