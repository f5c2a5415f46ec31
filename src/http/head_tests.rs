//! One reading of a head, or none.

use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 100 };

fn refusal(text: &str) -> Option<Refusal> {
    let mut scan = Scan::default();
    if let Err(refusal) = scan.find_end(text.as_bytes()) {
        return Some(refusal);
    }
    RequestHead::parse(text.as_bytes(), &mut slots(), LIMITS).err()
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let with = |fields: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n");
    for (text, expected) in [
        (with("content-length: +5"), Refusal::ContentLength),
        (with("content-length: 5, 5"), Refusal::ContentLength),
        (with("content-length: 5\r\ncontent-length: 5"), Refusal::ContentLength),
        (with("content-length:"), Refusal::ContentLength),
        (with("content-length: 99999999999999999999"), Refusal::ContentLength),
        (with("content-length: 5\r\ntransfer-encoding: chunked"), Refusal::TwoLengths),
        (with("transfer-encoding: gzip"), Refusal::TransferCoding),
        (with("transfer-encoding: chunked, gzip"), Refusal::TransferEncoding),
        (with("transfer-encoding: chunked\r\ntransfer-encoding: chunked"), Refusal::TransferEncoding),
        (with("transfer-encoding:"), Refusal::TransferEncoding),
        (with("transfer-encoding: \"chunked\""), Refusal::TransferCoding),
        (with("a: b\r\n folded"), Refusal::Malformed),
        (with("a : b"), Refusal::Malformed),
        (with("a: b\rc"), Refusal::Malformed),
        (with("a: b\nc: d"), Refusal::BareLineFeed),
        (with("a: \0"), Refusal::Malformed),
        (with("host: b"), Refusal::Host),
        (with("expect: coffee"), Refusal::Expectation),
        ("GET / HTTP/1.1\r\n\r\n".into(), Refusal::Host),
        ("GET http://a/ HTTP/1.1\r\n\r\n".into(), Refusal::Host),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n".into(), Refusal::Host),
        ("GET / HTTP/1.1\r\nhost: user@a\r\n\r\n".into(), Refusal::Host),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n".into(), Refusal::Host),
        ("GET / HTTP/1.1\r\nhost: a:b\r\n\r\n".into(), Refusal::Host),
        ("GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".into(), Refusal::TransferEncoding),
        ("GET a HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Target),
        ("GET /#f HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Target),
        ("GET http:/// HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Target),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Target),
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Malformed),
        ("GET  / HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Malformed),
        ("G@T / HTTP/1.1\r\nhost: a\r\n\r\n".into(), Refusal::Malformed),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n".into(), Refusal::Version),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n".into(), Refusal::Connect),
        (with(&"a: b\r\n".repeat(100)), Refusal::TooManyFields),
    ] {
        assert_eq!(refusal(&text), Some(expected), "{text:?}");
    }
}

#[test]
fn a_response_that_could_be_read_in_two_ways_is_refused() {
    for (text, expected) in [
        ("HTTP/1.1 099 OK\r\n\r\n", Some(Refusal::Malformed)),
        ("HTTP/1.1 000 OK\r\n\r\n", Some(Refusal::Malformed)),
        ("HTTP/1.1 100 OK\r\n\r\n", None),
        ("HTTP/1.1 200 OK\n\r\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\n\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\na: b\r\n\r\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na:\nc: d\r\n\r\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na: b\n\r\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na: b\r\n\n", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na: b\n\nc", Some(Refusal::BareLineFeed)),
        ("HTTP/1.1 200 OK\r\na:\r\nc: \t d \r\n\r\nbody\n", None),
    ] {
        let parsed = ResponseHead::parse(text.as_bytes(), &mut slots(), LIMITS, false).err();
        assert_eq!(parsed, expected, "{text:?}");
    }
}

#[test]
fn garbage_is_refused_before_its_head_is_over() {
    assert_eq!(refusal("\x16\x03\x01\x02"), Some(Refusal::Malformed));
    assert_eq!(refusal("GET / HT"), None);
}

#[test]
fn a_target_in_absolute_form_names_the_host() {
    let text = b"GET http://b.example:81?x=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut slots = slots();
    let Ok(Progress::Complete(head, length)) = RequestHead::parse(text, &mut slots, LIMITS) else { panic!() };
    assert_eq!(
        (head.path, head.query, head.authority, head.host),
        ("/", Some("x=1"), Some("b.example:81"), "b.example")
    );
    assert_eq!(length, text.len());
}

#[test]
fn the_host_is_the_authority_without_its_port() {
    for (authority, host) in [("a", "a"), ("a:80", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]"), ("", "")] {
        let text = format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        let mut slots = slots();
        let Ok(Progress::Complete(head, _)) = RequestHead::parse(text.as_bytes(), &mut slots, LIMITS) else { panic!() };
        assert_eq!(head.host, host);
    }
}

#[test]
fn a_responses_body_ends_as_section_6_3_of_rfc_9112_says() {
    let body = |text: &str, to_head| match ResponseHead::parse(text.as_bytes(), &mut slots(), LIMITS, to_head) {
        Ok(Progress::Complete(head, _)) => Ok((head.body, head.persists)),
        Ok(Progress::Partial) => panic!("partial"),
        Err(refusal) => Err(refusal),
    };
    let until_close = (BodyLength::UntilClose, false);
    let none = (BodyLength::Sized(0), true);
    assert_eq!(body("HTTP/1.1 200 OK\r\n\r\n", false), Ok(until_close));
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", false), Ok((BodyLength::Sized(5), true)));
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n", false), Ok((BodyLength::Sized(5), true)));
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true), Ok(none));
    assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n", false), Ok(none));
    assert_eq!(body("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", false), Ok(none));
    assert_eq!(body("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false), Ok((BodyLength::Chunked, true)));
    assert_eq!(body("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", false), Ok((BodyLength::Sized(5), false)));
    assert_eq!(body("HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n", false), Err(Refusal::ContentLength));
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(body(both, false), Err(Refusal::TwoLengths));
}
