//! Bodies and trailers, in both directions.

use crate::harness::{Request, front};
use std::fmt::Write as _;

/// A body whose every byte tells where it is from.
fn body_of(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i * 31 % 251).expect("below 251")).collect()
}

/// The body cut into chunks of odd sizes, with an extension here and there.
fn chunked(body: &[u8], trailers: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    for size in [1, 2, 3, 15, 16, 17, 255, 4_097, 65_537].iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at((*size).min(rest.len()));
        let extension = if size % 2 == 0 { ";name=value;q=\"a b\"" } else { "" };
        out.extend(format!("{:X}{extension}\r\n", chunk.len()).bytes());
        out.extend_from_slice(chunk);
        out.extend(b"\r\n");
        rest = after;
    }
    out.extend(format!("0\r\n{trailers}\r\n").bytes());
    out
}

/// The request's body as a response: sized, or chunked when the target says so.
fn echo(request: &Request) -> Vec<u8> {
    let mut response = Vec::from(&b"HTTP/1.1 200 OK\r\n"[..]);
    if request.target().contains("chunked") {
        response.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        response.extend(chunked(&request.body, "x-sum: 42\r\nX-Two: b\r\n"));
    } else {
        response.extend(format!("Content-Length: {}\r\n\r\n", request.body.len()).bytes());
        response.extend(&request.body);
    }
    response
}

#[test]
fn a_body_of_any_size_and_framing_arrives_whole_both_ways() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(echo(&request));
        }
    });
    let mut client = serin.client();
    let mut expected = 0;
    for length in [0, 1, 2, 100, 8_191, 8_192, 16_385, 1_000_003] {
        let body = body_of(length);
        for reply in ["/sized", "/chunked"] {
            client.send(format!("POST {reply} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"));
            client.send(&body);
            let response = client.response();
            assert!(response.body == body && response.status == 200, "{length} {reply} sized");

            client.send(format!("PUT {reply} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"));
            client.send(chunked(&body, ""));
            let response = client.response();
            assert!(response.body == body && response.status == 200, "{length} {reply} chunked");
            expected += 2;
        }
    }
    assert_eq!(backend.crooked(), Vec::<String>::new());
    assert_eq!(backend.requests().len(), expected);
    assert_eq!(backend.connections(), 1, "one connection serves them all");
}

#[test]
fn the_kind_of_framing_is_kept() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(echo(&request));
        }
    });
    let mut client = serin.client();
    client.send("POST /sized HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response().head.one("content-length"), Some("3"));
    client.send("POST /chunked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.response().head.one("transfer-encoding"), Some("chunked"));
    client.get("/sized");
    let heads: Vec<_> = backend.requests().into_iter().map(|r| r.head).collect();
    assert_eq!(heads[0].one("content-length"), Some("3"));
    assert!(heads[1].lists("transfer-encoding", "chunked"));
    assert_eq!((heads[2].one("content-length"), heads[2].one("transfer-encoding")), (None, None));
}

#[test]
fn trailers_go_both_ways() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(echo(&request));
        }
    });
    let mut client = serin.client();
    for round in 0..3 {
        client.send(
            "POST /chunked HTTP/1.1\r\nHost: t\r\nTE: trailers\r\nConnection: TE\r\nTrailer: x-check\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Check: abc\r\nx-more: \r\n\r\n",
        );
        let response = client.response();
        let as_text = |trailers: &[(String, String)]| {
            trailers.iter().fold(String::new(), |mut all, (n, v)| {
                write!(all, "{}={v};", n.to_ascii_lowercase()).expect("a String takes all");
                all
            })
        };
        assert_eq!(as_text(&response.trailers), "x-sum=42;x-two=b;", "round {round}");
        let request = backend.requests().pop().unwrap();
        assert_eq!(as_text(&request.trailers), "x-check=abc;x-more=;", "round {round}");
        assert_eq!(request.head.one("trailer"), Some("x-check"));
    }
}

#[test]
fn chunk_extensions_never_change_what_is_read() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            conn.send(echo(&request));
        }
    });
    let mut client = serin.client();
    let extensions = ["5;a", "5 ", "5;a=b", "5;a=\"b;c\"", "5 ; a = b", "05", "000000005", "5;a=\"\\\"\""];
    for extension in extensions {
        client.send(format!(
            "POST /sized HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n{extension}\r\nhello\r\n0;x=y\r\n\r\n"
        ));
        assert_eq!(client.response().text(), "hello", "{extension}");
    }
    assert_eq!(backend.crooked(), Vec::<String>::new());
}

#[test]
fn a_body_is_streamed_not_collected() {
    let (mut serin, _backend) = front(|conn| {
        let Some(_head) = conn.head() else { return };
        // Each side waits for the other's last piece before it sends its own next one.
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Ok(Some(chunk)) = conn.wire.chunk() {
            let text = String::from_utf8(chunk).expect("text");
            conn.send(format!("{:x}\r\n{text}\r\n", text.len()));
        }
        conn.wire.exactly(2).expect("no trailers");
        conn.send("0\r\n\r\n");
    });
    let mut client = serin.client();
    client.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().0, 200);
    for word in ["one", "two", "three", "four"] {
        client.send(format!("{:x}\r\n{word}\r\n", word.len()));
        assert_eq!(client.wire.chunk().unwrap().unwrap(), word.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert!(client.wire.chunk().unwrap().is_none());
}

#[test]
fn a_message_in_single_bytes_is_the_same_message() {
    let (mut serin, backend) = front(|conn| {
        while let Some(request) = conn.request() {
            for byte in echo(&request) {
                conn.send([byte]);
            }
        }
    });
    let mut client = serin.client();
    let request = "POST /chunked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n\
                   5;x=y\r\nhello\r\n3\r\n a \r\n0\r\nx-t: 1\r\n\r\n";
    for byte in request.bytes() {
        client.send([byte]);
    }
    let response = client.response();
    assert_eq!((response.status, response.text().as_str(), response.trailers.len()), (200, "hello a ", 2));
    let received = backend.only_request();
    assert_eq!((received.body.as_slice(), received.trailers.len()), (&b"hello a "[..], 1));
    assert_eq!(backend.crooked(), Vec::<String>::new());
}
