//! The order of things: interim responses, early ones, pipelined ones, and those without a body.

use crate::harness::front;
use std::sync::mpsc;
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_client_that_waits_for_100_gets_the_backends() {
    let (mut serin, backend) = front(|conn| {
        while let Some(head) = conn.head() {
            conn.send("HTTP/1.1 100 Continue\r\n\r\n");
            conn.rest_of(head);
            conn.reply("whole");
        }
    });
    let mut client = serin.client();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(client.head().0, 100, "before any byte of the body was sent");
        client.send("hello");
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (200, "whole"));
    }
    for request in backend.requests() {
        assert_eq!(request.head.one("expect").map(str::to_ascii_lowercase).as_deref(), Some("100-continue"));
        assert_eq!(request.body, b"hello");
    }
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served_as_well() {
    let (mut serin, backend) = front(|conn| {
        while conn.request().is_some() {
            conn.reply("whole");
        }
    });
    let mut client = serin.client();
    for _ in 0..3 {
        client.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().text(), "whole");
    }
    assert!(backend.requests().iter().all(|r| r.body == b"hello"));
}

#[test]
fn a_final_answer_in_place_of_100_reaches_a_client_that_then_sends_no_body() {
    for (code, reason) in [(417, "Expectation Failed"), (413, "Content Too Large"), (401, "Unauthorized")] {
        let (mut serin, backend) = front(move |conn| {
            while conn.head().is_some() {
                conn.send(format!("HTTP/1.1 {code} {reason}\r\nContent-Length: 2\r\n\r\nno"));
            }
        });
        let mut client = serin.client();
        client.send("POST / HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n");
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (code, "no"));
        drop(client);
        // The body that never came must not leave a backend connection in the pool that still waits for it.
        let mut next = serin.client();
        next.send("GET /next HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(next.response().status, code);
        assert_eq!(backend.connections(), 2, "{code}");
    }
}

#[test]
fn an_early_response_reaches_a_client_that_is_still_sending() {
    let (mut serin, backend) = front(|conn| {
        let Some(head) = conn.head() else { return };
        conn.send(OK);
        if head.start.starts_with("POST") {
            conn.await_close();
        }
    });
    let mut client = serin.client();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\nhello");
    assert_eq!(client.response().text(), "ok", "with most of the body unsent");
    // The rest of the body looks like requests: whatever the proxy does with it, it is not one.
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n";
    let _ = client.wire.send(smuggled.repeat(3).as_bytes());
    drop(client);
    assert_eq!(serin.client().get("/next").status, 200);
    assert_eq!(backend.connections(), 2, "the first connection was not used again");
    let starts: Vec<_> = backend.raw().iter().map(|raw| raw[..9.min(raw.len())].to_vec()).collect();
    assert_eq!(starts, [b"POST / HT".to_vec(), b"GET /next".to_vec()]);
}

#[test]
fn an_early_response_is_not_lost_when_the_backend_closes_on_the_body() {
    let (mut serin, _backend) = front(|conn| {
        if conn.head().is_some() {
            conn.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno");
        }
    });
    for round in 0..10 {
        let mut client = serin.client();
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10000000\r\n\r\n");
        let _ = client.wire.send(&vec![b'x'; 20_000]);
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (413, "no"), "round {round}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            let body = format!("{} {} {}", request.method(), request.target(), String::from_utf8_lossy(&request.body));
            conn.reply(&body);
        }
    });
    let (requests, expected): (Vec<_>, Vec<_>) = (0..30)
        .map(|n| match n % 3 {
            0 => (format!("GET /{n} HTTP/1.1\r\nHost: t\r\n\r\n"), format!("GET /{n} ")),
            1 => {
                let request = format!("POST /{n} HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
                (request, format!("POST /{n} hello"))
            }
            _ => {
                let body = "2\r\nhi\r\n0\r\n\r\n";
                let request = format!("PUT /{n} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
                (request, format!("PUT /{n} hi"))
            }
        })
        .unzip();
    let mut client = serin.client();
    client.send(requests.concat());
    let answers: Vec<_> = expected.iter().map(|_| client.response().text()).collect();
    assert_eq!(answers, expected);
    assert_eq!(backend.crooked(), Vec::<String>::new());
    assert_eq!(client.get("/last").text(), "GET /last ");
}

#[test]
fn a_request_after_connection_close_is_not_served() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("GET /one HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\nGET /two HTTP/1.1\r\nHost: t\r\n\r\n");
    let response = client.response();
    assert!(response.head.lists("connection", "close"), "{:?}", response.head);
    client.assert_closed();
    assert_eq!(backend.only_request().target(), "/one");
}

#[test]
fn interim_responses_reach_http_1_1_clients_alone() {
    let (mut serin, _backend) = front(|conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
            conn.send(OK);
        }
    });
    let mut client = serin.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        let (status, head) = client.head();
        assert_eq!((status, head.one("link")), (103, Some("</a.css>")));
        assert_eq!(client.head().0, 102);
        assert_eq!(client.response().status, 200);
    }
    let mut old = serin.client();
    old.send("GET / HTTP/1.0\r\nHost: t\r\n\r\n");
    assert_eq!(old.head().0, 200, "HTTP/1.0 has no interim responses");
}

#[test]
fn an_interim_response_is_not_held_back_until_the_final_one() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (mut serin, _backend) = front(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        let _ = released.lock().unwrap().recv_timeout(Duration::from_secs(5));
        conn.send(OK);
    });
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.head().0, 103, "while the backend still thinks");
    release.send(()).unwrap();
    assert_eq!(client.response().status, 200);
}

#[test]
fn responses_without_a_body_leave_the_connection_in_step() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(match (request.method(), request.target()) {
                (_, "/204") => "HTTP/1.1 204 No Content\r\n\r\n",
                ("HEAD", "/chunked") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                ("HEAD", _) => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
                (_, "/304") => "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: \"x\"\r\n\r\n",
                (_, "/empty") => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => OK,
            });
        }
    });
    let mut client = serin.client();
    for (method, target, code) in [
        ("HEAD", "/sized", 200),
        ("HEAD", "/chunked", 200),
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("GET", "/empty", 200),
        ("HEAD", "/204", 204),
    ] {
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: t\r\n\r\n"));
        let response = client.try_response(method).unwrap();
        assert_eq!((response.status, response.body.len()), (code, 0), "{method} {target}");
        if (method, target) == ("HEAD", "/sized") || target == "/304" {
            assert_eq!(response.head.one("content-length"), Some("100"), "it tells of the GET's");
        }
        if code == 204 {
            assert!(
                response.head.all("content-length").is_empty() && response.head.all("transfer-encoding").is_empty()
            );
        }
        assert_eq!(client.get("/ok").text(), "ok", "after {method} {target}");
    }
    assert_eq!(backend.connections(), 1, "none of them cost the connection");
}

#[test]
fn one_backend_connection_serves_many_requests_and_clients() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    for _ in 0..100 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(backend.connections(), 1);
    for _ in 0..20 {
        assert_eq!(serin.client().get("/").status, 200);
    }
    assert!(backend.connections() <= 2, "one a worker at most: {}", backend.connections());
}

#[test]
fn a_backend_that_closes_after_each_response_costs_no_request() {
    let (mut serin, backend) = front(|conn| {
        if conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let mut client = serin.client();
    for _ in 0..20 {
        let response = client.get("/");
        assert_eq!(response.text(), "ok");
        assert!(!response.head.lists("connection", "close"), "the client's connection is another matter");
    }
    assert_eq!(backend.connections(), 20);
}

#[test]
fn empty_lines_before_a_request_are_passed_over() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send("\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.response().status, 200, "RFC 9112 section 2.2");
    assert_eq!(backend.only_request().target(), "/");
}
