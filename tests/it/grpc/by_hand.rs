//! What a gRPC request gets and how it is counted, seen over HTTP/1.1, where every byte is the test's own.

use crate::harness::{Client, Response, Serin, black_hole, everything_to, free_address, front, front_with};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n";
/// One message of five bytes.
const MESSAGE: &str = "a\r\n\0\0\0\0\x05hello\r\n";

/// A gRPC request with more fields, and its response.
fn call(client: &mut Client, fields: &str) -> Response {
    client.send(format!(
        "POST /test.Peer/Unary HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc+proto\r\nTE: trailers\r\n\
         Content-Length: 5\r\n{fields}\r\n\0\0\0\0\0"
    ));
    client.response()
}

/// Checks that `response` is one of Serin's own, in gRPC's way.
#[track_caller]
fn assert_own(response: &Response, status: &str, message: &str, reason: &str) {
    assert_eq!((response.status, response.text().as_str()), (200, ""), "{response:?}");
    let field = |name| response.head.one(name);
    assert_eq!((field("grpc-status"), field("grpc-message")), (Some(status), Some(message)));
    assert_eq!((field("content-type"), field("x-serin-reason")), (Some("application/grpc"), Some(reason)));
}

fn ends(serin: &Serin, status: &str) -> u64 {
    serin.count("serin_grpc_responses_total", &[("grpc_status", status)])
}

#[test]
fn a_backend_that_nobody_reaches_is_unavailable() {
    let mut serin = Serin::start(&everything_to(free_address()));
    for _ in 0..2 {
        let response = call(&mut serin.client(), "");
        assert_own(&response, "14", "could not connect to the backend", "connect-failed");
    }
    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "UNAVAILABLE")], 2);
    serin.await_count("serin_failures_total", &[("cause", "connect")], 2);
    assert_eq!(serin.client().get("/").status, 503, "what is not gRPC is told in HTTP's way");
}

#[test]
fn a_method_that_no_rule_matches_is_unimplemented() {
    let config = everything_to(free_address())
        .replace("backendRefs:", "matches: [{ path: { type: Exact, value: /other } }]\n        backendRefs:");
    let response = call(&mut Serin::start(&config).client(), "");
    assert_own(&response, "12", "no rule matches this request", "no-route");
}

#[test]
fn the_callers_time_bounds_the_request_and_the_configs_does_where_that_is_shorter() {
    let hangs = |more: &str| {
        front_with(more, |conn| {
            conn.request();
            conn.await_close();
        })
    };
    let late = "the request took longer than it may";
    let (mut serin, _backend) = hangs("");
    assert_own(&call(&mut serin.client(), "grpc-timeout: 200m\r\n"), "4", late, "request-timeout");
    serin.await_count("serin_failures_total", &[("cause", "request-timeout")], 1);
    assert_eq!(ends(&serin, "DEADLINE_EXCEEDED"), 1);
    // Which of the two it was shows in what it is charged to.
    let (mut serin, _backend) = hangs("grpc: { failureStatuses: [] }\ntimeouts: { request: 300ms }");
    assert_own(&call(&mut serin.client(), "grpc-timeout: 1H\r\n"), "4", late, "request-timeout");
    serin.await_count("serin_failures_total", &[("cause", "request-timeout")], 1);
    assert_own(&call(&mut serin.client(), "grpc-timeout: 100m\r\n"), "4", late, "request-timeout");
    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "DEADLINE_EXCEEDED")], 2);
    assert_eq!(serin.count("serin_failures_total", &[]), 1);
}

#[test]
fn a_callers_time_that_is_too_short_to_connect_in_rests_no_endpoint() {
    let (address, _socket, _held) = black_hole();
    let more = "timeouts: { connect: 1h }\ngrpc: { failureStatuses: [] }\n";
    let mut serin = Serin::start(&format!("{}{more}", everything_to(address)));
    for _ in 0..4 {
        let response = call(&mut serin.client(), "grpc-timeout: 1m\r\n");
        assert_own(&response, "4", "the request took longer than it may", "request-timeout");
    }
    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "DEADLINE_EXCEEDED")], 4);
    assert_eq!(serin.count("serin_endpoints", &[("state", "ready")]), 1);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_timeout_that_is_none_bounds_nothing_and_is_passed_on() {
    let (mut serin, backend) = front(|conn| {
        let reply = format!("{HEAD}Content-Length: 0\r\ngrpc-status: 0\r\n\r\n");
        conn.reply_to_all(&reply);
    });
    for timeout in ["1x", "", "123456789S", "-1S"] {
        let response = call(&mut serin.client(), &format!("grpc-timeout: {timeout}\r\n"));
        assert_eq!(response.head.one("grpc-status"), Some("0"), "{timeout}");
        let request = backend.requests().pop().unwrap();
        assert_eq!(request.head.one("grpc-timeout"), Some(timeout));
        assert_eq!(request.head.one("te"), Some("trailers"));
    }
    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "OK")], 4);
}

#[test]
fn a_response_is_counted_by_what_its_end_says_whatever_its_http_status() {
    // The response, its status as it is counted, and why it is a failure.
    let in_trailers = |status: &str| format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{MESSAGE}0\r\n{status}\r\n");
    let in_head = |status: &str| format!("{HEAD}Content-Length: 0\r\n{status}\r\n");
    let http = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
    let cases = [
        (in_trailers("grpc-status: 0\r\n"), "OK", None),
        (in_trailers("Grpc-Status: 5\r\ngrpc-message: none\r\n"), "NOT_FOUND", None),
        (in_trailers("grpc-status: 14\r\n"), "UNAVAILABLE", Some("grpc-status")),
        (in_trailers("grpc-status: 13\r\n"), "INTERNAL", Some("grpc-status")),
        (in_trailers("grpc-status: 99\r\n"), "other", Some("grpc-status")),
        (in_trailers("x-other: 0\r\n"), "none", Some("grpc-no-status")),
        (in_trailers(""), "none", Some("grpc-no-status")),
        (in_head("grpc-status: 7\r\n"), "PERMISSION_DENIED", None),
        (in_head("grpc-status: 8\r\n"), "RESOURCE_EXHAUSTED", Some("grpc-status")),
        (in_head(""), "none", Some("grpc-no-status")),
        (http("404 Not Found"), "UNIMPLEMENTED", Some("grpc-status")),
        (http("401 Unauthorized"), "UNAUTHENTICATED", None),
        (http("503 Busy"), "UNAVAILABLE", Some("grpc-status")),
    ];
    let replies: Vec<_> = cases.iter().map(|(reply, ..)| reply.clone()).collect();
    let (mut serin, _backend) = front(move |conn| {
        while let Some(request) = conn.request() {
            let place: usize = request.head.one("x-case").expect("it says which").parse().expect("a number");
            conn.send(&replies[place]);
        }
    });
    let mut client = serin.client();
    for (place, (reply, end, cause)) in cases.iter().enumerate() {
        let all = ["grpc-status", "grpc-no-status", "status"];
        let before = (ends(&serin, end), all.map(|cause| serin.count("serin_failures_total", &[("cause", cause)])));
        let response = call(&mut client, &format!("x-case: {place}\r\n"));
        let expected: Vec<_> = reply.lines().filter(|line| line.starts_with("grpc-message")).collect();
        assert_eq!(response.trailers.iter().filter(|(name, _)| name == "grpc-message").count(), expected.len());
        serin.await_count("serin_grpc_responses_total", &[("grpc_status", end)], before.0 + 1);
        for (name, before) in all.iter().zip(before.1) {
            let after = before + u64::from(*cause == Some(name));
            assert_eq!(serin.count("serin_failures_total", &[("cause", name)]), after, "{name}: {reply}");
        }
    }
}

#[test]
fn a_stream_that_is_silent_both_ways_is_not_taken_for_a_slow_body() {
    let (mut serin, _backend) = front_with("timeouts: { idle: 200ms, responseHead: off }", |conn| {
        conn.wire.head().expect("a head");
        // Five times as long as a body may stand still; what is promised is that nothing happens in it.
        std::thread::sleep(std::time::Duration::from_secs(1));
        conn.send(format!("{HEAD}Content-Length: 0\r\ngrpc-status: 0\r\n\r\n"));
        conn.await_close();
    });
    let mut client = serin.client();
    client.send(
        "POST /a.B/C HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let (code, head) = client.head();
    assert_eq!((code, head.one("grpc-status")), (200, Some("0")));
}

#[test]
fn what_only_looks_like_grpc_is_http() {
    let mut serin = Serin::start(&everything_to(free_address()));
    let mut client = serin.client();
    for (method, content_type) in
        [("POST", "application/grpc-web+proto"), ("POST", "application/json"), ("GET", "application/grpc")]
    {
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\nContent-Length: 0\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!((response.status, response.head.one("grpc-status")), (503, None), "{method} {content_type}");
    }
    assert_eq!(serin.count("serin_grpc_responses_total", &[]), 0);
}
