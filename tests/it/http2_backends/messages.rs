//! What an HTTP/2 backend is sent for an HTTP/1.1 request, and what the client gets for its response.

use super::front;
use super::peer::{Call, Peer, response};
use crate::harness::eventually;
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};

#[test]
fn a_get_is_one_and_its_response_is_the_backends() {
    let backend = Peer::start(async |mut call: Call| {
        let head = Response::builder().status(203).header("x-thing", "a").header("x-thing", "b").body(()).unwrap();
        let mut sends = call.begin(head)?;
        sends.send_data(Bytes::from_static(b"hello"), true)
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    let fields =
        "X-Forwarded-For: 10.9.8.7\r\nTE: trailers\r\nConnection: te, x-hop\r\nX-Hop: 1\r\nCookie: a=1; b=2\r\n";
    let response = client.get_with("/path?q=1&r=%20", fields);
    assert_eq!((response.status, response.text().as_str()), (203, "hello"));
    assert_eq!(response.head.all("x-thing"), ["a", "b"]);
    assert_eq!(response.head.one("transfer-encoding"), Some("chunked"));
    let head = backend.heads().remove(0);
    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("GET", "http://test/path?q=1&r=%20"));
    let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(field("x-forwarded-for").unwrap(), "10.9.8.7, 127.0.0.1");
    assert_eq!(field("te").unwrap(), "trailers");
    assert_eq!(field("cookie").unwrap(), "a=1; b=2");
    for name in ["host", "connection", "x-hop", "transfer-encoding", "upgrade", "keep-alive"] {
        assert_eq!(field(name), None, "{name}");
    }
    // The connection goes on.
    assert_eq!(client.get("/again").text(), "hello");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn content_goes_both_ways_whatever_its_frame() {
    let backend = Peer::start(async |mut call: Call| {
        let (content, _) = call.whole().await?;
        let length = content.len();
        let mut sends = call.begin(response(200))?;
        super::peer::send_all(&mut sends, content.into()).await?;
        assert!(length > 0);
        sends.send_data(Bytes::new(), true)
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    let content = "0123456789abcdef".repeat(40_000);
    client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", content.len()));
    client.send(&content);
    assert_eq!(client.response().text(), content);
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello, world");
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
    let heads = backend.heads();
    assert_eq!(heads[0].headers["content-length"], content.len().to_string());
    assert!(!heads[1].headers.contains_key("content-length"));
}

#[test]
fn a_response_without_content_has_none_in_http_1_either() {
    let backend = Peer::start(async |mut call: Call| {
        let code = call.head.uri.path()[1..].parse().unwrap();
        let mut head = response(code);
        if call.head.method == "HEAD" {
            head.headers_mut().insert("content-length", "12".parse().unwrap());
        }
        call.respond.send_response(head, true).map(|_| ())
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    let empty = client.get("/200");
    assert_eq!((empty.head.one("content-length"), empty.until_close), (Some("0"), false));
    for code in [204, 304] {
        let response = client.get(&format!("/{code}"));
        assert_eq!((response.status, response.head.one("content-length")), (code, None));
    }
    client.send("HEAD /200 HTTP/1.1\r\nHost: test\r\n\r\n");
    let response = client.try_response("HEAD").unwrap();
    assert_eq!(response.head.one("content-length"), Some("12"));
    assert_eq!(client.get("/200").status, 200);
}

#[test]
fn interim_responses_pass_and_a_switch_of_protocols_is_none() {
    let backend = Peer::start(async |mut call: Call| {
        if call.head.uri.path() == "/switch" {
            let _ = call.respond.send_informational(response(101));
        } else {
            let hints = Response::builder().status(103).header("link", "</a.css>").body(()).unwrap();
            call.respond.send_informational(hints)?;
        }
        call.reply(200, "done")
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let (code, head) = client.head();
    assert_eq!((code, head.one("link")), (103, Some("</a.css>")));
    assert_eq!(client.response().text(), "done");
    let response = client.get("/switch");
    assert!(matches!(response.status, 200 | 502), "{}", response.status);
}

#[test]
fn a_stream_that_is_reset_in_the_middle_cuts_the_client_off_and_one_before_its_head_is_a_502() {
    let backend = Peer::start(async |mut call: Call| {
        match call.head.uri.path() {
            "/whole" => return call.reply(200, "whole"),
            "/head" => {
                call.reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            _ => {}
        }
        let mut sends = call.begin(response(200))?;
        sends.send_data(Bytes::from_static(b"half"), false)?;
        // Once that is on its way.
        tokio::task::yield_now().await;
        sends.send_reset(Reason::INTERNAL_ERROR);
        Ok(())
    });
    let mut serin = front(backend.address(), "");
    assert_eq!(serin.client().get("/whole").text(), "whole");
    let response = serin.client().get("/head");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (502, Some("reset")));
    assert_eq!(backend.requests(), 2, "it was the backend's answer, and is not asked for once more");
    let mut client = serin.client();
    client.send("GET /half HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.try_response("GET").is_err(), "half a response is none");
    eventually("both are counted", || {
        let failures = |cause| serin.count("serin_failures_total", &[("backend", "stable"), ("cause", cause)]);
        failures("reset") + failures("truncated") == 2
    });
    assert_eq!(backend.connections(), 1, "the connection is none the worse for it");
}

#[test]
fn trailers_go_both_ways() {
    let backend = Peer::start(async |mut call: Call| {
        let (_, trailers) = call.whole().await?;
        let mut back = HeaderMap::new();
        back.insert("x-sum", trailers.unwrap()["x-sum"].clone());
        let mut sends = call.begin(response(200))?;
        sends.send_data(Bytes::from_static(b"content"), false)?;
        sends.send_trailers(back)
    });
    let mut serin = front(backend.address(), "");
    let mut client = serin.client();
    client
        .send("POST / HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: te\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("2\r\nhi\r\n0\r\nX-Sum: 42\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "content");
    assert_eq!(response.trailers, [("x-sum".to_owned(), "42".to_owned())]);
}
