//! Which fields reach the other side, and what they say there.

use crate::harness::{Backend, Client, Request, Serin, front, front_with};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Sends one request through a fresh proxy and tells what its backend received.
fn received(more: &str, request: &str) -> Request {
    let (mut serin, backend) = front_with(more, |conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.send(request);
    assert_eq!(client.response().status, 200);
    assert_eq!(backend.crooked(), Vec::<String>::new());
    backend.only_request()
}

#[test]
fn hop_by_hop_fields_and_those_that_connection_names_stay_behind() {
    let request = received(
        "",
        "GET /a?b=c HTTP/1.1\r\nHost: test\r\nConnection: X-Hop, keep-alive\r\nx-hop: 1\r\nConnection: x-other\r\n\
         X-Other: 2\r\nX-HOP: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
         X-End: kept\r\nAccept: */*\r\n\r\n",
    );
    for gone in ["x-hop", "x-other", "keep-alive", "proxy-connection", "upgrade", "te", "transfer-encoding"] {
        assert!(request.head.all(gone).is_empty(), "{gone}: {:?}", request.head);
    }
    assert!(!request.head.lists("connection", "x-hop") && !request.head.lists("connection", "x-other"));
    assert_eq!(request.head.one("x-end"), Some("kept"));
    assert_eq!(request.head.one("accept"), Some("*/*"));
    assert_eq!(request.head.start, "GET /a?b=c HTTP/1.1");
}

#[test]
fn hop_by_hop_fields_of_a_response_stay_behind_too() {
    let (mut serin, _backend) = front(|conn| {
        conn.reply_to_all(
            "HTTP/1.1 200 Fine\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\
             Proxy-Connection: close\r\nSet-Cookie: a=1\r\nX-End: kept\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
        );
    });
    let mut client = serin.client();
    let response = client.get("/");
    for gone in ["x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(response.head.all(gone).is_empty(), "{gone}: {:?}", response.head);
    }
    assert!(!response.head.lists("connection", "x-hop"));
    assert_eq!(response.head.all("set-cookie"), ["a=1", "b=2"], "lines stay apart and in order");
    assert_eq!(response.head.one("x-end"), Some("kept"));
    assert_eq!(client.get("/").status, 200, "what the backend's Connection said is not the client's matter");
}

#[test]
fn connection_cannot_take_away_the_framing_or_the_host() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    for named in ["Content-Length", "Host", "content-length, host, close"] {
        let mut client = serin.client();
        let before = backend.requests().len();
        client.send(format!("POST / HTTP/1.1\r\nConnection: {named}\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"));
        match client.response().status {
            200 => {
                let request = backend.requests().pop().unwrap();
                assert_eq!(request.body, b"hello", "{named}");
                assert_eq!(request.head.one("host"), Some("test"), "{named}");
            }
            400 => assert_eq!(backend.requests().len(), before, "{named}"),
            code => panic!("{named}: {code}"),
        }
    }
    assert!(backend.crooked().is_empty(), "{:?}", backend.crooked());
}

#[test]
fn te_is_forwarded_for_trailers_alone() {
    for (te, expected) in [
        ("TE: trailers", Some("trailers")),
        ("TE: gzip;q=0.5, Trailers", Some("trailers")),
        ("TE: gzip\r\nTE: trailers", Some("trailers")),
        ("TE: gzip, deflate", None),
    ] {
        let request = received("", &format!("GET / HTTP/1.1\r\nHost: test\r\n{te}\r\nConnection: TE\r\n\r\n"));
        assert_eq!(request.head.one("te").map(str::to_ascii_lowercase).as_deref(), expected, "{te}");
        assert_eq!(request.head.lists("connection", "te"), expected.is_some(), "{te}: RFC 9110 section 10.1.4");
    }
}

#[test]
fn host_and_target_are_passed_as_sent() {
    let request = received("", "GET /%7euser/./a//b?x=%20&y HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n");
    assert_eq!(request.head.start, "GET /%7euser/./a//b?x=%20&y HTTP/1.1");
    assert_eq!(request.head.one("host"), Some("Example.COM:8080"));
}

#[test]
fn an_absolute_target_goes_on_as_its_path_with_its_own_host() {
    for (line, target, host) in [
        ("GET http://other.example/x?y HTTP/1.1", "/x?y", "other.example"),
        ("GET HTTP://other.example:81 HTTP/1.1", "/", "other.example:81"),
        ("GET http://other.example?y=1 HTTP/1.1", "/?y=1", "other.example"),
        ("GET https://other.example/ HTTP/1.1", "/", "other.example"),
        ("OPTIONS http://other.example HTTP/1.1", "*", "other.example"),
    ] {
        let request = received("", &format!("{line}\r\nHost: ignored\r\n\r\n"));
        assert_eq!(request.target(), target, "{line}");
        assert_eq!(request.head.one("host"), Some(host), "{line}: RFC 9112 section 3.2.2");
    }
}

#[test]
fn options_of_the_whole_server_stays_an_asterisk() {
    let request = received("", "OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(request.head.start, "OPTIONS * HTTP/1.1");
}

#[test]
fn the_client_is_named_in_the_forwarded_fields() {
    let request = received("", "GET / HTTP/1.1\r\nHost: test:8080\r\n\r\n");
    assert_eq!(request.head.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.head.one("x-forwarded-proto"), Some("http"));
    assert_eq!(request.head.one("x-forwarded-host"), Some("test:8080"));

    let sent = "X-Forwarded-For: 10.0.0.1\r\nx-forwarded-for: 10.0.0.2, 10.0.0.3\r\n";
    let request = received("", &format!("GET / HTTP/1.1\r\nHost: test\r\n{sent}\r\n"));
    let hops = request.head.all("x-forwarded-for").join(", ");
    assert_eq!(hops, "10.0.0.1, 10.0.0.2, 10.0.0.3, 127.0.0.1", "appended, in order");
}

#[test]
fn fields_that_the_config_turns_off_are_not_added() {
    let more = "headers: { forwarded: false, requestId: false }";
    let request = received(more, "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
    assert_eq!(request.head.one("x-forwarded-for"), Some("10.0.0.1"));
    for field in ["x-forwarded-proto", "x-forwarded-host", "x-request-id", "via", "forwarded"] {
        assert!(request.head.all(field).is_empty(), "{field}");
    }
}

#[test]
fn via_is_added_both_ways_only_when_it_is_on() {
    let ask = |serin: &mut Serin, backend: &Backend| {
        let response = serin.client().get_with("/", "Via: 1.0 first\r\n");
        (backend.requests().pop().unwrap().head.all("via").join(", "), response.head.all("via").join(", "))
    };
    let reply = "HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n";
    let (mut serin, backend) = front(move |conn| conn.reply_to_all(reply));
    assert_eq!(ask(&mut serin, &backend), ("1.0 first".to_owned(), "1.1 inner".to_owned()));

    let (mut serin, backend) = front_with("headers: { via: true }", move |conn| conn.reply_to_all(reply));
    let (request, response) = ask(&mut serin, &backend);
    assert!(request.starts_with("1.0 first, 1.1 "), "{request}");
    assert!(response.starts_with("1.1 inner, 1.1 "), "{response}");
}

#[test]
fn a_request_id_is_kept_or_made() {
    let (mut serin, backend) = front(|conn| conn.reply_to_all(OK));
    let mut client = serin.client();
    client.get_with(
        "/",
        "X-Request-Id: mine-1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    );
    client.get("/");
    client.get("/");
    let requests = backend.requests();
    let id = |n: usize| requests[n].head.one("x-request-id").unwrap_or_default().to_owned();
    assert_eq!(id(0), "mine-1");
    assert!(!id(1).is_empty() && id(1) != id(2), "{} {}", id(1), id(2));
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(requests[0].head.one("traceparent"), Some(traceparent));
    assert_eq!(requests[1].head.one("traceparent"), None);
}

#[test]
fn field_values_are_passed_byte_for_byte() {
    let (mut serin, backend) =
        front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nx-b: caf\u{e9} \t x\r\nContent-Length: 0\r\n\r\n"));
    let mut client = Client::connect(serin.address());
    let value = "a, \"b\\\"\", caf\u{e9}; {}[]|~ \t end";
    let response = client.get_with("/", &format!("X-Raw:{value}\r\nX-Empty:\r\nx-long: {}\r\n", "v".repeat(20_000)));
    assert_eq!(response.head.one("x-b"), Some("caf\u{e9} \t x"));
    let head = backend.only_request().head;
    assert_eq!(head.one("x-raw"), Some(value));
    assert_eq!(head.one("x-empty"), Some(""));
    assert_eq!(head.one("x-long").map(str::len), Some(20_000));
}
