//! What an HTTP/2 backend is sent, and which of its answers are taken.

use super::*;
use ::http::response::Builder;

fn request(head: &str) -> Result<Http2Request, Inexpressible> {
    Http2Request::read(head.as_bytes(), true, true)
}

#[test]
fn what_is_about_one_connection_of_http_1_is_left_out_and_the_rest_is_kept() {
    let head = "PUT /a/../b?c=%2F&d HTTP/1.1\r\nhost: a.example:81\r\nAccept: x\r\nACCEPT: y\r\ncontent-length: 3\r\n\
        transfer-encoding: chunked\r\n\r\n";
    assert!(request(head).is_err(), "nothing with two lengths is ever composed");
    let head = head.replace("content-length: 3\r\n", "te: trailers\r\nconnection: te\r\nexpect: 100-continue\r\n");
    let Http2Request { head, connects } = request(&head).unwrap();
    assert_eq!(
        (head.method().as_str(), head.uri().to_string().as_str()),
        ("PUT", "https://a.example:81/a/../b?c=%2F&d")
    );
    let fields: Vec<_> = head.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let expected = [("accept", "x"), ("accept", "y"), ("te", "trailers"), ("expect", "100-continue")];
    assert_eq!(fields, expected);
    assert!(!connects && head.extensions().is_empty());
}

#[test]
fn a_target_is_what_it_was_but_for_characters_that_none_has() {
    let target = |target: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        request(&head).map(|request| request.head.uri().path_and_query().unwrap().to_string())
    };
    for same in ["/", "//a//b", "/%zz", "/a|b^c{d}", "/?", "/?a?b", "/a;b=c,d", "/?x={\\}|^`"] {
        assert_eq!(target(same).unwrap(), same);
    }
    assert_eq!(target("/<a>`?q=\"b\"<>").unwrap(), "/%3Ca%3E%60?q=%22b%22%3C%3E");
    assert_eq!(request("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").unwrap().head.uri().path(), "*");
    assert_eq!(target(&format!("/{}", "a".repeat(70_000))), Err(Inexpressible::Target));
    let no_host = request("GET / HTTP/1.1\r\nhost: \r\n\r\n");
    assert_eq!(no_host.unwrap_err(), Inexpressible::Target);
}

#[test]
fn a_websocket_is_an_extended_connect_where_that_is_taken_and_other_upgrades_are_left_out() {
    let head = |upgrade: &str| {
        format!(
            "GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-key: abc\r\nsec-websocket-version: 13\r\n\
             upgrade: {upgrade}\r\nconnection: upgrade\r\n\r\n"
        )
    };
    let connect = request(&head("foo, WebSocket")).unwrap();
    assert!(connect.connects);
    assert_eq!(connect.head.method(), Method::CONNECT);
    assert_eq!(connect.head.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
    assert_eq!(connect.head.headers().keys().collect::<Vec<_>>(), ["sec-websocket-version"]);
    assert_eq!(connect.head.uri().to_string(), "https://a/chat");
    let refused = Http2Request::read(head("websocket").as_bytes(), false, false);
    assert_eq!(refused.unwrap_err(), Inexpressible::WebSocket);
    let other = Http2Request::read(head("foo/2").as_bytes(), false, false).unwrap();
    assert!(!other.connects && other.head.method() == Method::GET && !other.head.headers().contains_key("upgrade"));
}

/// What a head, of these fields, says of its body, and its fields as they are passed on; or what is wrong with it.
fn read(response: Builder, over: bool, to_head: bool) -> Result<(BodyLength, Vec<(String, String)>), Refusal> {
    let (response, limits) = (response.body(()).unwrap(), HeadLimits { bytes: 1_024, fields: 4 });
    let mut lines = Vec::new();
    let head = ResponseHead::of_http2(&response, over, &mut lines, limits, to_head)?;
    let text = |line: &httparse::Header<'_>| (line.name.to_owned(), String::from_utf8(line.value.to_vec()).unwrap());
    Ok((head.body, head.fields.0.iter().map(text).collect()))
}

fn with(code: u16) -> Builder {
    Response::builder().status(code)
}

#[test]
fn a_body_ends_with_its_stream_and_one_that_is_none_has_the_length_0() {
    let length = |response, over, to_head| read(response, over, to_head).unwrap().0;
    assert_eq!(length(with(200), false, false), BodyLength::Stream(None));
    assert_eq!(length(with(200).header("content-length", "7"), false, false), BodyLength::Stream(Some(7)));
    for (code, over, to_head) in [(200, true, false), (204, false, false), (304, false, false), (200, false, true)] {
        assert_eq!(length(with(code), over, to_head), BodyLength::Sized(0), "{code} {over} {to_head}");
    }
    // An HTTP/1.1 client has to be told, where nothing else says so.
    let fields = |response, over, to_head| read(response, over, to_head).unwrap().1;
    assert_eq!(fields(with(200), true, false), [("content-length".to_owned(), "0".to_owned())]);
    assert_eq!(fields(with(200).header("content-length", "0"), true, false).len(), 1);
    for (code, to_head) in [(204, false), (304, false), (200, true)] {
        assert_eq!(fields(with(code), true, to_head), []);
    }
}

#[test]
fn a_response_is_held_to_the_rules_of_http_1() {
    let refused = |response| read(response, false, false).unwrap_err();
    assert_eq!(refused(with(101)), Refusal::Malformed);
    assert_eq!(refused(with(200).header("connection", "close")), Refusal::Malformed);
    assert_eq!(refused(with(200).header("content-length", "1").header("content-length", "2")), Refusal::ContentLength);
    assert_eq!(refused(with(200).header("content-length", "+1")), Refusal::ContentLength);
    assert!(read(with(200).header("transfer-encoding", "chunked"), false, false).is_err());
    let many = (0..5).fold(with(200), |response, n| response.header(format!("x-{n}"), "a"));
    assert_eq!(refused(many), Refusal::TooManyFields);
}

#[test]
fn a_2xx_to_a_connect_is_the_101_that_the_client_waits_for() {
    let response =
        with(200).header("sec-websocket-protocol", "chat").header("sec-websocket-accept", "x").body(()).unwrap();
    let (mut lines, mut switch_lines) = (Vec::new(), Vec::new());
    let limits = HeadLimits { bytes: 1_024, fields: 4 };
    let head = ResponseHead::of_http2(&response, false, &mut lines, limits, false).unwrap();
    let switch = head.switch(&mut switch_lines, Some("right"));
    assert_eq!((switch.code, switch.body), (101, BodyLength::Sized(0)));
    let fields: Vec<_> = switch.fields.0.iter().map(|line| (line.name, line.value)).collect();
    let expected: [(&str, &[u8]); 3] =
        [("sec-websocket-protocol", b"chat"), ("upgrade", b"websocket"), ("sec-websocket-accept", b"right")];
    assert_eq!(fields, expected);
}
