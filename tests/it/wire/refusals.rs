//! What two parsers could read in two ways is not passed on (RFC 9112 sections 2.2, 3, 5, 6, 7.1 and 11.2).
//!
//! The backend reads strictly and keeps every byte. Behind each refused request comes another one, `/smuggled`: if it
//! ever shows up at the backend, the proxy and somebody else disagreed about where the first one ended.

use crate::harness::{Backend, Client, Serin, everything_to};
use std::time::{Duration, Instant};

/// What must become of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Answered with one of these codes, then closed.
    Refused(&'static [u16]),
    /// The same with 400, or forwarded as this body alone and the connection closed after.
    OneReading(&'static str),
}
use Fate::{OneReading, Refused};

const BAD: Fate = Refused(&[400]);
const VERSION: Fate = Refused(&[400, 505]);
const CODING: Fate = Refused(&[400, 501]);

/// Heads: the request line and the fields, without the empty line. A body follows where the framing may allow one.
const HEADS: &[(&str, &str, Fate)] = &[
    ("length with a sign", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: +5", BAD),
    ("negative length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: -5", BAD),
    ("hexadecimal length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0x5", BAD),
    ("empty length", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length:", BAD),
    ("length with a space", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5 5", BAD),
    ("length with a tail", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5abc", BAD),
    ("length with a fraction", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5.0", BAD),
    ("length with a vertical tab", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: \x0b5", BAD),
    ("length over 64 bits", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 18446744073709551621", BAD),
    (
        "length over 128 bits",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999999999999999999999999999999999999999",
        BAD,
    ),
    ("two lengths in one field", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 6", BAD),
    ("two lengths", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6", BAD),
    ("two lengths, one bad", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: x", BAD),
    ("two lengths on a GET", "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: 40", BAD),
    ("length list with a hole", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5,", OneReading("hello")),
    ("the same length twice in one field", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5", OneReading("hello")),
    (
        "the same length twice",
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 5",
        OneReading("hello"),
    ),
    ("chunked, identity", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, identity", CODING),
    ("identity", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity", CODING),
    (
        "identity with a length",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: identity\r\nContent-Length: 5",
        CODING,
    ),
    ("gzip alone", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip", CODING),
    ("chunked, chunked", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, chunked", BAD),
    ("chunked twice", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", BAD),
    (
        "chunked then identity",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        CODING,
    ),
    ("xchunked", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: xchunked", CODING),
    ("chunkedx", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunkedx", CODING),
    ("quoted chunked", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \"chunked\"", CODING),
    ("chunked with a parameter", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked;a=b", CODING),
    ("chunked after a vertical tab", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: \x0bchunked", CODING),
    ("empty coding", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:", CODING),
    ("chunked on 1.0", "POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked", BAD),
    (
        "chunked on 1.0 with keep-alive",
        "POST / HTTP/1.0\r\nHost: t\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        BAD,
    ),
    ("folded field", "GET / HTTP/1.1\r\nHost: t\r\nX-A: b\r\n c", BAD),
    ("folded with a tab", "GET / HTTP/1.1\r\nHost: t\r\nX-A: b\r\n\tc", BAD),
    ("folded coding", "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding:\r\n chunked", BAD),
    ("first field folded", "GET / HTTP/1.1\r\n Host: t\r\nHost: t", BAD),
    ("space before the colon", "GET / HTTP/1.1\r\nHost: t\r\nX-A : b", BAD),
    ("tab before the colon", "GET / HTTP/1.1\r\nHost: t\r\nX-A\t: b", BAD),
    ("space before the length's colon", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length : 5", BAD),
    (
        "space before the coding's colon",
        "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding : chunked\r\nContent-Length: 5",
        BAD,
    ),
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: t\r\nX-A: b\rX-B: c", BAD),
    ("bare CR before CRLF", "GET / HTTP/1.1\r\nHost: t\r\nX-A: b\r", BAD),
    ("bare CR in a name", "GET / HTTP/1.1\r\nHost: t\r\nX\rA: b", BAD),
    ("bare CR in the target", "GET /\rx HTTP/1.1\r\nHost: t", BAD),
    ("bare LF after the request line", "GET / HTTP/1.1\nHost: t", BAD),
    ("bare LF after a field", "GET / HTTP/1.1\r\nHost: t\nX-A: b", BAD),
    ("bare LF hides a length", "POST / HTTP/1.1\r\nHost: t\r\nX-A: b\nContent-Length: 5", BAD),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: t\r\nX-A: b\0c", BAD),
    ("NUL in a name", "GET / HTTP/1.1\r\nHost: t\r\nX\0A: b", BAD),
    ("no Host", "GET / HTTP/1.1\r\nX-A: b", BAD),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b", BAD),
    ("the same Host twice", "GET / HTTP/1.1\r\nHost: t\r\nHost: t", BAD),
    ("two Hosts under an absolute target", "GET http://t/ HTTP/1.1\r\nHost: a\r\nHost: b", BAD),
    ("Host with a space", "GET / HTTP/1.1\r\nHost: a b", BAD),
    ("Host with a path", "GET / HTTP/1.1\r\nHost: a/b", BAD),
    ("Host with a user", "GET / HTTP/1.1\r\nHost: a@b", BAD),
    ("Host with a bad port", "GET / HTTP/1.1\r\nHost: a:b", BAD),
    ("Host with half a bracket", "GET / HTTP/1.1\r\nHost: [::1", BAD),
    ("Host with a query", "GET / HTTP/1.1\r\nHost: a?b", BAD),
    ("bad method", "G(T / HTTP/1.1\r\nHost: t", BAD),
    ("empty method", " / HTTP/1.1\r\nHost: t", BAD),
    ("no version", "GET /\r\nHost: t", BAD),
    ("no target", "GET HTTP/1.1\r\nHost: t", BAD),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: t", BAD),
    ("a tab for a space", "GET\t/ HTTP/1.1\r\nHost: t", BAD),
    ("space in the target", "GET / /smuggled HTTP/1.1\r\nHost: t", BAD),
    ("target without a slash", "GET x HTTP/1.1\r\nHost: t", BAD),
    ("target with a control byte", "GET /\x01 HTTP/1.1\r\nHost: t", BAD),
    ("target with a DEL", "GET /\x7f HTTP/1.1\r\nHost: t", BAD),
    ("asterisk on a GET", "GET * HTTP/1.1\r\nHost: t", BAD),
    ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: t", VERSION),
    ("HTTP/0.9", "GET / HTTP/0.9\r\nHost: t", VERSION),
    ("HTTP/1.10", "GET / HTTP/1.10\r\nHost: t", VERSION),
    ("http/1.1", "GET / http/1.1\r\nHost: t", VERSION),
    ("HTTP/1,1", "GET / HTTP/1,1\r\nHost: t", VERSION),
    ("ICY/1.1", "GET / ICY/1.1\r\nHost: t", VERSION),
    ("field without a colon", "GET / HTTP/1.1\r\nHost: t\r\nabc", BAD),
    ("field without a name", "GET / HTTP/1.1\r\nHost: t\r\n: x", BAD),
    ("field with a bad name", "GET / HTTP/1.1\r\nHost: t\r\nX(y): z", BAD),
    ("field with a name outside ASCII", "GET / HTTP/1.1\r\nHost: t\r\nX\u{e9}: z", BAD),
    ("garbage", "\u{1}\u{2}\u{3}", BAD),
];

/// Chunked bodies, after a well-formed head.
const CHUNKS: &[(&str, &str, Fate)] = &[
    ("0x5", "0x5\r\nhello\r\n0\r\n\r\n", BAD),
    ("sign", "+5\r\nhello\r\n0\r\n\r\n", BAD),
    ("negative", "-5\r\nhello\r\n0\r\n\r\n", BAD),
    ("not hexadecimal", "g\r\nhello\r\n0\r\n\r\n", BAD),
    ("empty size", "\r\nhello\r\n0\r\n\r\n", BAD),
    ("extension without a size", ";a=b\r\nhello\r\n0\r\n\r\n", BAD),
    ("over 64 bits", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n", BAD),
    ("wraps to 5", "10000000000000005\r\nhello\r\n0\r\n\r\n", BAD),
    ("leading space", " 5\r\nhello\r\n0\r\n\r\n", BAD),
    ("two sizes", "5 5\r\nhello\r\n0\r\n\r\n", BAD),
    ("no CRLF after the data", "5\r\nhello0\r\n\r\n", BAD),
    ("wrong bytes after the data", "5\r\nhelloXX0\r\n\r\n", BAD),
    ("bare LF after the size", "5\nhello\r\n0\r\n\r\n", BAD),
    ("bare LF after the data", "5\r\nhello\n0\r\n\r\n", BAD),
    ("bare CR after the data", "5\r\nhello\r0\r\n\r\n", BAD),
    ("bare CR after the size", "5\rhello\r\n0\r\n\r\n", BAD),
    ("bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", BAD),
    ("bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", BAD),
    ("NUL in an extension", "5;a\0b\r\nhello\r\n0\r\n\r\n", BAD),
    ("bare LF after the last size", "5\r\nhello\r\n0\n\r\n", BAD),
    ("bare LF at the end", "5\r\nhello\r\n0\r\n\n", BAD),
    ("trailer with a space before the colon", "5\r\nhello\r\n0\r\nX-A : b\r\n\r\n", BAD),
    ("folded trailer", "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n", BAD),
    ("bare LF in a trailer", "5\r\nhello\r\n0\r\nX-A: b\nX-B: c\r\n\r\n", BAD),
    ("trailer without a colon", "5\r\nhello\r\n0\r\nabc\r\n\r\n", BAD),
];

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n";

fn recorder() -> (Serin, Backend) {
    let backend = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    (Serin::start(&everything_to(backend.address())), backend)
}

/// Sends one request with `/smuggled` behind it, and says what was wrong with what came of it.
fn judge(serin: &mut Serin, backend: &Backend, name: &str, bytes: &[u8], fate: Fate) -> Result<(), String> {
    let fail = |what: String| Err(format!("{name}: {what}"));
    let before = backend.requests().len();
    let mut client = serin.client();
    client.set_patience(Duration::from_secs(3));
    if let Err(e) = client.wire.send(&[bytes, SMUGGLED.as_bytes()].concat()) {
        return fail(format!("cannot send: {e}"));
    }
    let response = match client.try_response("GET") {
        Ok(response) => response,
        Err(e) => return fail(format!("no answer: {e}")),
    };
    let refused = match fate {
        Refused(codes) => codes.contains(&response.status),
        OneReading(_) => response.status == 400,
    };
    let read = matches!(fate, OneReading(_)) && response.status == 200;
    if !refused && !read {
        return fail(format!("answered with {}", response.status));
    }
    match client.wire.closed() {
        Ok(rest) if rest.is_empty() => {}
        Ok(rest) => return fail(format!("more after the answer: {:?}", String::from_utf8_lossy(&rest))),
        Err(e) => return fail(format!("not closed: {e}")),
    }
    let new = backend.requests().split_off(before);
    match (fate, &new[..]) {
        (_, []) if refused => Ok(()),
        (OneReading(body), [request]) if read && request.body == body.as_bytes() => Ok(()),
        _ => fail(format!("the backend received {new:?}")),
    }
}

/// Runs a whole table and reports all that went wrong in it.
fn judge_all(table: &[(&str, Vec<u8>, Fate)]) {
    let (mut serin, backend) = recorder();
    let mut wrong: Vec<_> =
        table.iter().filter_map(|(name, bytes, fate)| judge(&mut serin, &backend, name, bytes, *fate).err()).collect();
    wrong.extend(backend.crooked());
    let smuggled = |raw: &Vec<u8>| raw.windows(9).any(|w| w == b"/smuggled");
    wrong.extend(
        backend.raw().iter().filter(|r| smuggled(r)).map(|r| format!("smuggled: {:?}", String::from_utf8_lossy(r))),
    );
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let response = serin.client().get("/after");
    assert_eq!(response.status, 200, "the proxy is none the worse");
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let with_body = |head: &str| match head {
        _ if head.contains("Transfer-Encoding") => "5\r\nhello\r\n0\r\n\r\n",
        _ if head.contains("Content-Length") => "hello",
        _ => "",
    };
    let table: Vec<_> = HEADS
        .iter()
        .map(|(n, head, fate)| (*n, format!("{head}\r\n\r\n{}", with_body(head)).into_bytes(), *fate))
        .collect();
    judge_all(&table);
}

#[test]
fn a_length_beside_chunked_is_refused_or_read_as_chunked_alone() {
    let fields = [
        ("length first", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("coding first", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ("length of zero", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        ("in capitals", "CONTENT-LENGTH: 5\r\nTRANSFER-ENCODING: CHUNKED"),
    ];
    let table = fields.map(|(name, fields)| {
        let bytes = format!("POST / HTTP/1.1\r\nHost: t\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n").into_bytes();
        (name, bytes, OneReading("hello"))
    });
    judge_all(&table);
}

#[test]
fn a_malformed_chunked_body_is_refused_and_never_ends_at_the_backend() {
    let head = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    let table: Vec<_> =
        CHUNKS.iter().map(|(n, body, fate)| (*n, format!("{head}{body}").into_bytes(), *fate)).collect();
    judge_all(&table);
}

#[test]
fn bytes_outside_utf_8_are_no_way_around() {
    let line =
        |target: &[u8], field: &[u8]| [b"GET /", target, b" HTTP/1.1\r\nHost: t\r\n", field, b"\r\n\r\n"].concat();
    judge_all(&[
        ("target", line(b"\xff", b"A: b"), BAD),
        ("name", line(b"", b"A\xff: b"), BAD),
        ("method", b"G\xffT / HTTP/1.1\r\nHost: t\r\n\r\n".to_vec(), BAD),
        ("host", b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n".to_vec(), BAD),
    ]);
}

#[test]
fn a_head_over_the_limits_gets_431() {
    const LARGE: Fate = Refused(&[431]);
    let fields = |n: usize| (0..n).fold(String::new(), |all, i| all + &format!("x-{i}: v\r\n"));
    let head = |more: &str| format!("GET / HTTP/1.1\r\nHost: t\r\n{more}\r\n").into_bytes();
    judge_all(&[
        ("one field of 70 KiB", head(&format!("x: {}\r\n", "v".repeat(70 * 1024))), LARGE),
        ("80 fields of 1 KiB", head(&format!("x: {}\r\n", "v".repeat(1_020)).repeat(80)), LARGE),
        ("a megabyte", head(&format!("x: {}\r\n", "v".repeat(1 << 20))), LARGE),
        ("101 fields", head(&fields(100)), LARGE),
        ("1,000 fields", head(&fields(999)), LARGE),
        (
            "a target of 70 KiB",
            format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "a".repeat(70 * 1024)).into_bytes(),
            Refused(&[414, 431]),
        ),
    ]);
    let (mut serin, _backend) = recorder();
    let mut client = serin.client();
    client.send(head(&fields(90)));
    assert_eq!(client.response().status, 200, "91 fields are within");
    client.send(head(&format!("x: {}\r\n", "v".repeat(60 * 1024))));
    assert_eq!(client.response().status, 200, "60 KiB are within");
}

#[test]
fn connect_gets_405() {
    let (mut serin, backend) = recorder();
    for target in ["other.example:443", "/", "127.0.0.1:80"] {
        let mut client = serin.client();
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"));
        let (status, _) = client.head();
        assert!(status == 405 || (target == "/" && status == 400), "{target}: {status}");
    }
    assert!(backend.raw().is_empty());
}

#[test]
fn a_tls_hello_is_refused_at_once() {
    let backend = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut serin = Serin::start(&format!("{}timeouts: {{ headerRead: 60s }}\n", everything_to(backend.address())));
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x5c\x5c\x00\xff\xfe";
    for bytes in [&hello[..], &hello[..3], b"\0\0\0\0", b"\xff\xfe\xfd"] {
        let began = Instant::now();
        let mut client: Client = serin.client();
        client.send(bytes);
        assert_eq!(client.response().status, 400);
        client.assert_closed();
        assert!(began.elapsed() < Duration::from_secs(5), "it waited for more: {:?}", began.elapsed());
    }
    assert!(backend.raw().is_empty());
}

#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let (mut serin, _backend) = recorder();
    for _ in 0..10 {
        let mut client = serin.client();
        client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: +5\r\n\r\n");
        for _ in 0..20 {
            client.send([b'x'; 10_000]);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(client.response().status, 400);
        client.wire.finish();
        // A close with unread bytes would be a reset, which takes the answer away from clients less quick than this.
        assert_eq!(client.wire.until_end().expect("an orderly end"), b"");
    }
}

#[test]
fn a_host_or_path_that_no_route_has_gets_404() {
    let backend = Backend::replying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let mut serin = Serin::start(&format!(
        r#"
backends: [{{ name: stable, version: "1", endpoints: {{ static: ["{}"] }} }}]
routes:
  - name: web
    hostnames: [known.example]
    rules:
      - name: api
        matches: [{{ path: {{ type: PathPrefix, value: /api }} }}]
        backendRefs: [{{ name: stable }}]
"#,
        backend.address()
    ));
    let mut client = serin.client();
    for (host, path, code) in [
        ("known.example", "/api/x", 200),
        ("KNOWN.example:80", "/api", 200),
        ("known.example", "/apix", 404),
        ("unknown.example", "/api", 404),
        ("known.example", "/api", 200),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, code, "{host}{path}");
    }
    assert_eq!(backend.requests().len(), 3);
}
