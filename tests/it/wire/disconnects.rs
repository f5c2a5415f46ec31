//! A side that goes away in the middle of a message.

use crate::harness::{Client, front};
use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn a_truncated_response_is_never_given_a_clean_end() {
    let (mut serin, _backend) = front(|conn| {
        let Some(request) = conn.request() else { return };
        conn.send(match request.target().split('-').next() {
            Some("/sized") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
            Some("/chunk") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nhalf",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        });
        if request.target().ends_with("reset") {
            std::thread::sleep(Duration::from_millis(50));
            conn.reset();
        }
    });
    let targets = ["/sized", "/chunk", "/between", "/sized-reset", "/chunk-reset", "/between-reset"];
    for (n, target) in targets.iter().enumerate() {
        let mut client = serin.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n"));
        let (status, head) = client.head();
        assert_eq!(status, 200);
        let error = client.rest_of(head, "GET").expect_err("half a response is not a whole one");
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{target}: {error}");
        serin.await_count("serin_failures_total", &[("cause", "truncated")], n as u64 + 1);
    }
}

#[test]
fn a_truncated_response_to_an_http_1_0_client_ends_with_a_reset() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let mut client = serin.client();
    client.send("GET / HTTP/1.0\r\nHost: t\r\n\r\n");
    let error = client.try_response("GET").expect_err("a clean close would pass for the whole");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_client_that_hangs_up_is_499_and_nobodys_failure() {
    for (n, by_reset) in [true, false].into_iter().enumerate() {
        let (hung_up, backend_saw_it) = mpsc::channel();
        let hung_up = std::sync::Mutex::new(hung_up);
        let (mut serin, _backend) = front(move |conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            while conn.send([b'x'; 10_000]) {}
            let _ = hung_up.lock().unwrap().send(());
        });
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(client.head().0, 200);
        client.wire.exactly(100_000).unwrap();
        if by_reset {
            client.reset();
        } else {
            drop(client);
        }
        backend_saw_it.recv_timeout(Duration::from_secs(5)).expect("the backend is not left sending");
        serin.await_count("serin_requests_total", &[("backend", "stable"), ("code", "499")], 1);
        assert_eq!(serin.count("serin_requests_total", &[("backend", "stable")]), 1, "round {n}");
        assert_eq!(serin.count("serin_failures_total", &[]), 0, "round {n}");
    }
}

#[test]
fn a_client_that_hangs_up_while_the_backend_thinks_frees_the_backend() {
    let (freed, saw_it) = mpsc::channel();
    let freed = std::sync::Mutex::new(freed);
    let (mut serin, backend) = front(move |conn| {
        conn.request();
        let _ = freed.lock().unwrap().send(conn.await_close());
    });
    for (n, by_reset) in [(1, true), (2, false)] {
        let mut client = serin.client();
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        backend.await_requests(n);
        if by_reset {
            client.reset();
        } else {
            drop(client);
        }
        assert_eq!(saw_it.recv_timeout(Duration::from_secs(5)), Ok(true), "by reset: {by_reset}");
        serin.await_count("serin_requests_total", &[("code", "499")], n as u64);
    }
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_client_that_hangs_up_in_its_request_leaves_half_a_request_behind_and_no_more() {
    let (closed, saw_it) = mpsc::channel();
    let closed = std::sync::Mutex::new(closed);
    let (mut serin, backend) = front(move |conn| {
        let whole = conn.request().is_some();
        let _ = closed.lock().unwrap().send(whole);
        conn.reply("ok");
    });
    for framing in ["Content-Length: 1000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = serin.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: t\r\n{framing}"));
        drop(client);
        assert_eq!(saw_it.recv_timeout(Duration::from_secs(5)), Ok(false), "{framing}");
    }
    assert!(backend.requests().is_empty());
    assert_eq!(serin.count("serin_failures_total", &[]), 0, "the client's doing");
    assert_eq!(serin.client().get("/").status, 200);
}

#[test]
fn clients_that_come_and_go_leave_no_connection_behind() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let files = |id: u32| std::fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count);
    serin.client().get("/");
    let id = serin.process.id();
    let before = files(id);
    let address = serin.address();
    for n in 0..300 {
        let mut client = Client::connect(address);
        match n % 4 {
            0 => drop(client.get("/")),
            1 => client.send("GET / HT"),
            2 => client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx"),
            _ => client.reset(),
        }
    }
    crate::harness::eventually("its sockets are closed again", || files(id) <= before + 8);
    assert_eq!(serin.client().get("/").status, 200);
}
