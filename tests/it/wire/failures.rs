//! What a client is told when a backend fails, and whom it is charged to.

use crate::harness::{Backend, Response, Serin, Service, eventually, everything_to, free_address, front, front_with};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// A rule whose one backend has these endpoints.
fn endpoints(addresses: &[SocketAddr]) -> String {
    let list: Vec<_> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
    everything_to(addresses[0]).replace(&format!("[\"{}\"]", addresses[0]), &format!("[{}]", list.join(", ")))
}

/// Made by the proxy: it says why, for machines and for people.
#[track_caller]
fn assert_explained(response: &Response, codes: &[u16]) {
    assert!(codes.contains(&response.status), "{response:?}");
    assert!(response.head.one("x-serin-reason").is_some_and(|r| !r.is_empty()), "{response:?}");
    let text = response.text();
    assert_eq!(text.trim_end().lines().count(), 1, "a one-line body: {text:?}");
}

#[test]
fn a_backend_that_refuses_connections_is_a_502_charged_to_it() {
    let mut serin = Serin::start(&everything_to(free_address()));
    let mut client = serin.client();
    assert_explained(&client.get("/"), &[502, 503]);
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable"), ("cause", "connect")]), 1);
    for _ in 0..5 {
        assert_explained(&client.get("/"), &[502, 503]);
    }
    assert_eq!(serin.count("serin_requests_total", &[("backend", "stable")]), 6);
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 6);
}

#[test]
fn three_connect_failures_rest_an_endpoint_while_the_others_live() {
    let (dead, live) = (free_address(), Service::start("live"));
    let mut serin = Serin::start(&endpoints(&[dead, live.address()]));
    let mut failed = 0;
    for _ in 0..200 {
        failed += usize::from(serin.client().get("/").status != 200);
    }
    assert!(failed <= 3, "{failed} requests failed");
    assert!(live.requests() >= 197);
}

#[test]
fn endpoints_that_went_down_together_are_passed_over() {
    // Nobody listens on port 1 of addresses that only this test knows.
    let dead = [1, 2, 3, 4, 5, 6].map(|host| SocketAddr::from(([127, 66, 0, host], 1)));
    let live = Service::start("live");
    let all: Vec<_> = dead.into_iter().chain([live.address()]).collect();
    let mut serin = Serin::start(&endpoints(&all));
    // After the third they rest, and nobody meets them any more.
    for _ in 0..3 {
        assert_eq!(serin.client().get("/").status, 200);
    }
}

#[test]
fn a_rested_endpoint_is_tried_again() {
    let (address, other) = (free_address(), Service::start("other"));
    let mut serin = Serin::start(&endpoints(&[address, other.address()]));
    for _ in 0..50 {
        serin.client().get("/");
    }
    let back = Service::start_at(address, "back");
    eventually("it is back in use", || {
        serin.client().get("/");
        back.requests() > 0
    });
}

#[test]
fn endpoints_share_the_load() {
    let services = [Service::start("a"), Service::start("b"), Service::start("c")];
    let mut serin = Serin::start(&endpoints(&services.each_ref().map(Service::address)));
    let address = serin.address();
    crate::harness::Load::limited(address, 12, std::time::Duration::ZERO, 900).join().assert_flawless();
    for service in &services {
        assert!((150..=500).contains(&service.requests()), "of 900: {}", service.requests());
    }
}

#[test]
fn a_close_or_reset_before_the_head_is_a_502_charged_as_reset() {
    let (mut serin, backend) = front(|conn| {
        if conn.request().is_some_and(|r| r.target() == "/reset") {
            conn.reset();
        }
    });
    for (n, target) in ["/close", "/reset"].iter().enumerate() {
        let mut client = serin.client();
        assert_explained(&client.get(target), &[502]);
        assert_eq!(serin.count("serin_failures_total", &[("cause", "reset")]), n as u64 + 1);
        assert_eq!(backend.requests().len(), n + 1, "a fresh connection's failure is not tried again");
    }
}

#[test]
fn a_failed_request_costs_the_client_no_connection() {
    let (mut serin, _backend) = front(|conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/fail" {
                return;
            }
            conn.reply("ok");
        }
    });
    let mut client = serin.client();
    for _ in 0..3 {
        client.send("POST /fail HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
        assert_explained(&client.response(), &[502]);
        assert_eq!(client.get("/").text(), "ok");
    }
}

#[test]
fn an_answer_that_is_not_http_is_a_502_charged_as_bad_response() {
    let answers = [
        "garbage\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    ];
    let (mut serin, _backend) = front(move |conn| {
        while let Some(request) = conn.request() {
            let n: usize = request.target()[1..].parse().expect("a number");
            conn.send(answers[n]);
            conn.wire.finish();
        }
    });
    for (n, answer) in answers.iter().enumerate() {
        let response = serin.client().get(&format!("/{n}"));
        assert_eq!(response.status, 502, "{answer:?}: {response:?}");
        assert_explained(&response, &[502]);
        assert_eq!(serin.count("serin_failures_total", &[("cause", "bad-response")]), n as u64 + 1, "{answer:?}");
    }
}

#[test]
fn a_response_head_over_the_limits_is_a_502() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: 0\r\n\r\n", "v".repeat(100_000)));
    });
    assert_explained(&serin.client().get("/"), &[502]);
}

#[test]
fn a_response_with_length_and_coding_is_never_passed_on_with_both() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    });
    // `response` itself fails on a head that has both.
    let response = serin.client().get("/");
    assert!(response.status == 502 || response.text() == "hello", "{response:?}");
}

#[test]
fn what_a_backend_sends_after_its_response_is_nobodys_answer() {
    const UNASKED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let unasked = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&unasked);
    let (mut serin, backend) = front(move |conn| {
        while let Some(request) = conn.request() {
            if request.target() == "/at-once" {
                conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{UNASKED}"));
            } else {
                conn.reply("ok");
                std::thread::sleep(std::time::Duration::from_millis(5));
                conn.send(UNASKED);
            }
            theirs.fetch_add(1, SeqCst);
        }
    });
    let mut client = serin.client();
    for n in 0..10 {
        for (before, target) in [(2 * n, "/at-once"), (2 * n + 1, "/later")] {
            let response = client.get(target);
            assert_eq!((response.status, response.text().as_str()), (200, "ok"), "{target} {n}");
            // The next one finds it there already.
            eventually("it is sent", || unasked.load(SeqCst) > before);
        }
    }
    assert_eq!(backend.connections(), 20, "a connection that is out of step is not used again");
}

#[test]
fn a_5xx_is_the_backends_failure_and_passed_on_as_it_came() {
    let (mut serin, _backend) =
        front(|conn| conn.reply_to_all("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy"));
    let response = serin.client().get("/");
    assert_eq!((response.status, response.text().as_str()), (503, "busy"));
    assert_eq!(response.head.one("retry-after"), Some("7"));
    assert_eq!(response.head.one("x-serin-reason"), None, "it is not the proxy's own");
    serin.await_count("serin_failures_total", &[("cause", "status")], 1);
    serin.await_count("serin_requests_total", &[("backend", "stable"), ("code", "503")], 1);
}

#[test]
fn a_4xx_is_nobodys_failure() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 404 Nope\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(serin.client().get("/").status, 404);
    serin.await_count("serin_requests_total", &[("backend", "stable"), ("code", "404")], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_stale_pooled_connection_costs_an_idempotent_request_nothing() {
    let (mut serin, backend) = front(|conn| {
        // Every connection serves one request, takes a second one and hangs up on it.
        if conn.request().is_some() && conn.reply("ok") {
            conn.request();
        }
    });
    let mut client = serin.client();
    assert_eq!(client.get("/1").text(), "ok");
    assert_eq!(client.get("/2").text(), "ok", "sent again on a fresh connection");
    let targets: Vec<_> = backend.requests().iter().map(|r| r.target().to_owned()).collect();
    assert_eq!(targets, ["/1", "/2", "/2"]);
    serin.await_count("serin_retries_total", &[], 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_request_is_sent_again_once_and_no_more() {
    let (mut serin, backend) = front(|conn| {
        let first = conn.number == 0;
        if conn.request().is_some() && first {
            conn.reply("ok");
            conn.request();
        }
    });
    let mut client = serin.client();
    assert_eq!(client.get("/1").text(), "ok");
    assert_explained(&client.get("/2"), &[502]);
    assert_eq!(backend.requests().len(), 3, "once on the stale connection, once on a fresh one");
}

/// One worker's idle connections: as many as there are requests under way at the same time.
fn warm(serin: &mut Serin, backend: &Backend, open: &AtomicBool, count: usize) {
    let mut clients: Vec<_> = (0..count).map(|_| serin.client()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /warm HTTP/1.1\r\nHost: t\r\n\r\n"));
    eventually("each has a connection", || backend.connections() == count);
    open.store(true, SeqCst);
    clients.iter_mut().for_each(|client| assert_eq!(client.response().text(), "ok"));
}

#[test]
fn nor_is_it_once_on_every_idle_connection() {
    const IDLE: usize = 5;
    let open = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&open);
    let backend = Backend::start(move |conn| {
        while let Some(request) = conn.request() {
            eventually("all are there", || theirs.load(SeqCst));
            if request.target() != "/warm" || !conn.reply("ok") {
                // What brings down whoever reads it.
                return;
            }
        }
    });
    let mut serin = Serin::start_with(&everything_to(backend.address()), &["--workers", "1"], &[]);
    warm(&mut serin, &backend, &open, IDLE);
    assert_explained(&serin.client().get("/poison"), &[502]);
    let sent = backend.requests().iter().filter(|request| request.target() == "/poison").count();
    assert_eq!(sent, 2, "once on a connection that may have been stale, once on a fresh one");
    assert_eq!(serin.count("serin_retries_total", &[]), 1);
    serin.await_count("serin_failures_total", &[("cause", "reset")], 1);
}

#[test]
fn a_connection_on_which_an_interim_response_came_was_not_stale() {
    let (mut serin, backend) = front(|conn| {
        if conn.request().is_some() && conn.reply("ok") && conn.request().is_some() {
            conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        }
    });
    let mut client = serin.client();
    assert_eq!(client.get("/1").text(), "ok");
    client.send("GET /2 HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.head().0, 103);
    assert_explained(&client.response(), &[502]);
    assert_eq!(backend.requests().len(), 2);
    serin.await_count("serin_failures_total", &[("cause", "reset")], 1);
}

#[test]
fn a_post_that_was_sent_is_never_sent_again() {
    let (mut serin, backend) = front(|conn| {
        if conn.request().is_some() && conn.reply("ok") {
            conn.request();
        }
    });
    let mut client = serin.client();
    assert_eq!(client.get("/1").text(), "ok");
    client.send("POST /pay HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
    assert_explained(&client.response(), &[502]);
    assert_eq!(backend.requests().iter().filter(|r| r.target() == "/pay").count(), 1);
    serin.await_count("serin_failures_total", &[("cause", "reset")], 1);
}

#[test]
fn a_pooled_connection_that_the_backend_has_closed_is_not_used() {
    let closed = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&closed);
    let (mut serin, backend) = front_with("timeouts: { idle: 60s }", move |conn| {
        if conn.request().is_some() {
            conn.reply("ok");
            conn.wire.finish();
            theirs.fetch_add(1, SeqCst);
        }
    });
    let mut client = serin.client();
    for n in 1..=20 {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().text(), "ok", "request {n}");
        // The close comes right behind the response; the client gives it a moment, as clients do.
        eventually("it is closed", || closed.load(SeqCst) >= n);
    }
    assert_eq!(backend.requests().len(), 20);
}

#[test]
fn a_backend_is_reached_over_ipv6() {
    let backend = Backend::start_at("[::1]:0".parse().expect("an address"), |conn| {
        conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n6");
    });
    let config = format!("listeners: [{{ name: web, address: \"[::1]:0\" }}]\n{}", everything_to(backend.address()));
    let mut serin = Serin::start(&config);
    assert_eq!(serin.client().get("/").text(), "6");
    assert_eq!(backend.only_request().head.one("x-forwarded-for"), Some("::1"));
}
