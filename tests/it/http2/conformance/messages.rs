//! Sections 5.1 and 8: what a request is, and what is none.

use super::*;

pub(super) fn rows() -> Vec<Row> {
    [courses(), field_lines(), pseudo_header_fields()].concat()
}

fn trailers(fields: &[(&str, &str)]) -> Vec<Frame> {
    vec![Frame::headers(1, fields, true)]
}

/// Sections 5.1 and 8.1.
fn courses() -> Vec<Row> {
    let [method, ..] = request("GET", "/");
    let length = |n| Frame::headers(1, &[&request("POST", "/")[..], &[("content-length", n)]].concat(), false);
    let malformed =
        || vec![Frame::headers(1, &[&request("POST", "/")[..], &[("connection", "close")]].concat(), false)];
    vec![
        ("5.1", "DATA behind the end", after(get(1), vec![Frame::data(1, *b"x", false)]), CLOSED),
        ("5.1", "HEADERS behind the end", after(get(1), get(1)), USED),
        ("5.1", "HEADERS behind a reset", after(open(), after(vec![Frame::reset(1, 8)], get(1))), USED),
        ("5.1", "DATA behind a reset", after(open(), vec![Frame::reset(1, 8), Frame::data(1, *b"x", true)]), CLOSED),
        ("5.1", "DATA behind our reset", after(malformed(), vec![Frame::data(1, *b"x", true)]), MALFORMED),
        ("5.1", "RST_STREAM behind our reset", after(malformed(), vec![Frame::reset(1, 8)]), &[Nothing]),
        ("5.1", "WINDOW_UPDATE behind our reset", after(malformed(), vec![Frame::window_update(1, 1)]), MALFORMED),
        ("5.1", "trailers behind our reset", after(malformed(), trailers(&[("a", "b")])), MALFORMED),
        ("8.1", "trailers", after(open(), trailers(&[("a", "b")])), &[Answer(200)]),
        (
            "8.1",
            "trailers behind content",
            after(open(), after(vec![Frame::data(1, *b"x", false)], trailers(&[("a", "b")]))),
            &[Answer(200)],
        ),
        (
            "8.1",
            "trailers that do not end the stream",
            after(open(), vec![Frame::headers(1, &[("a", "b")], false)]),
            MALFORMED,
        ),
        (
            "8.1",
            "a pseudo-header field in trailers",
            after(open(), vec![Frame::headers(1, &[method], true)]),
            MALFORMED,
        ),
        ("8.1.1", "more content than announced", vec![length("2"), Frame::data(1, *b"abc", true)], MALFORMED),
        ("8.1.1", "less content than announced", vec![length("4"), Frame::data(1, *b"abc", true)], MALFORMED),
        (
            "8.1.1",
            "no content where some was announced",
            vec![Frame::headers(1, &[&request("POST", "/")[..], &[("content-length", "4")]].concat(), true)],
            MALFORMED,
        ),
        (
            "8.1.1",
            "content as announced, in two frames",
            vec![length("4"), Frame::data(1, *b"ab", false), Frame::data(1, *b"cd", true)],
            &[Answer(200)],
        ),
        ("8.1.1", "a length that is none", fields(&[("content-length", "x")]), MALFORMED),
        ("8.1.1", "two lengths that differ", fields(&[("content-length", "0"), ("content-length", "1")]), MALFORMED),
        ("8.1.1", "trailers where content was announced", after(vec![length("4")], trailers(&[("a", "b")])), MALFORMED),
    ]
}

/// Section 8.2.
fn field_lines() -> Vec<Row> {
    vec![
        ("8.2.1", "an upper-case name", fields(&[("X-Upper", "1")]), MALFORMED),
        ("8.2.1", "a space in a name", fields(&[("a b", "1")]), MALFORMED),
        ("8.2.1", "a colon in a name", fields(&[("a:b", "1")]), MALFORMED),
        ("8.2.1", "a line's end in a name", fields(&[("a\r\nb", "1")]), MALFORMED),
        ("8.2.1", "an empty name", fields(&[("", "1")]), MALFORMED),
        ("8.2.1", "a line's end in a value", fields(&[("a", "1\r\nb: 2")]), MALFORMED),
        ("8.2.1", "a LF in a value", fields(&[("a", "1\n2")]), MALFORMED),
        ("8.2.1", "a CR in a value", fields(&[("a", "1\r2")]), MALFORMED),
        ("8.2.1", "a DEL in a name", fields(&[("a\x7f", "1")]), MALFORMED),
        ("8.2.1", "a NUL in a name", fields(&[("a\0", "1")]), MALFORMED),
        ("8.2.1", "a name beyond ASCII", fields(&[("\u{e9}", "1")]), MALFORMED),
        ("8.2.1", "an upper-case name in trailers", after(open(), trailers(&[("X-Upper", "1")])), MALFORMED),
        ("8.2.1", "a LF in a value of trailers", after(open(), trailers(&[("a", "1\n2")])), MALFORMED),
        ("8.2.1", "a NUL in a value", fields(&[("a", "1\0")]), MALFORMED),
        ("8.2.1", "a space before a value", fields(&[("a", " 1")]), MALFORMED),
        ("8.2.1", "a space behind a value", fields(&[("a", "1 ")]), MALFORMED),
        ("8.2.1", "a tab before a value", fields(&[("a", "\t1")]), MALFORMED),
        ("8.2.1", "a tab behind a value", fields(&[("a", "1\t")]), MALFORMED),
        ("8.2.2", "Connection", fields(&[("connection", "close")]), MALFORMED),
        ("8.2.2", "Connection in trailers", after(open(), trailers(&[("connection", "close")])), MALFORMED),
        ("8.2.2", "Keep-Alive", fields(&[("keep-alive", "1")]), MALFORMED),
        ("8.2.2", "Proxy-Connection", fields(&[("proxy-connection", "close")]), MALFORMED),
        ("8.2.2", "Transfer-Encoding", fields(&[("transfer-encoding", "chunked")]), MALFORMED),
        ("8.2.2", "Upgrade", fields(&[("upgrade", "h2c")]), MALFORMED),
        ("8.2.2", "TE of anything but trailers", fields(&[("te", "gzip, trailers")]), MALFORMED),
        ("8.2.2", "TE of trailers", fields(&[("te", "trailers")]), &[Answer(200)]),
    ]
}

/// Sections 8.3 to 8.5.
fn pseudo_header_fields() -> Vec<Row> {
    let [method, scheme, authority, path] = request("GET", "/");
    vec![
        ("8.3", "an unknown pseudo-header field", pseudo(&[method, scheme, authority, path, (":x", "1")]), MALFORMED),
        (
            "8.3",
            "a response's pseudo-header field",
            pseudo(&[method, scheme, authority, path, (":status", "200")]),
            MALFORMED,
        ),
        ("8.3", "an upper-case pseudo-header field", pseudo(&[method, scheme, authority, (":Path", "/")]), MALFORMED),
        (
            "8.3",
            "a pseudo-header field behind another field",
            pseudo(&[method, scheme, authority, ("a", "b"), path]),
            MALFORMED,
        ),
        ("8.3.1", "no method", pseudo(&[scheme, authority, path]), MALFORMED),
        ("8.3.1", "no scheme", pseudo(&[method, authority, path]), MALFORMED),
        ("8.3.1", "no path", pseudo(&[method, scheme, authority]), MALFORMED),
        ("8.3.1", "an empty path", pseudo(&[method, scheme, authority, (":path", "")]), MALFORMED),
        ("8.3.1", "two methods", pseudo(&[method, method, scheme, authority, path]), MALFORMED),
        ("8.3.1", "two schemes", pseudo(&[method, scheme, scheme, authority, path]), MALFORMED),
        ("8.3.1", "two paths", pseudo(&[method, scheme, authority, path, path]), MALFORMED),
        ("8.3.1", "two authorities", pseudo(&[method, scheme, authority, authority, path]), MALFORMED),
        ("8.3.1", "no authority and no Host", pseudo(&[method, scheme, path]), MALFORMED),
        ("8.3.1", "an empty authority", pseudo(&[method, scheme, (":authority", ""), path]), MALFORMED),
        ("8.3.1", "an empty Host alone", pseudo(&[method, scheme, path, ("host", "")]), MALFORMED),
        ("8.3.1", "two Hosts", pseudo(&[method, scheme, path, ("host", "test"), ("host", "test")]), REFUSED),
        ("8.3.1", "Host instead of the authority", pseudo(&[method, scheme, path, ("host", "test")]), &[Answer(200)]),
        ("8.3.1", "Host and the same authority", fields(&[("host", "TEST")]), &[Answer(200)]),
        ("8.3.1", "Host and another authority", fields(&[("host", "other")]), MALFORMED),
        ("8.3.1", "user information", pseudo(&[method, scheme, (":authority", "user@test"), path]), MALFORMED),
        ("8.3.1", "a path that begins with no slash", pseudo(&[method, scheme, authority, (":path", "a")]), MALFORMED),
        (
            "8.3.1",
            "a whole address for a path",
            pseudo(&[method, scheme, authority, (":path", "http://a/")]),
            MALFORMED,
        ),
        ("8.3.1", "an asterisk for GET", pseudo(&[method, scheme, authority, (":path", "*")]), MALFORMED),
        (
            "8.3.1",
            "an asterisk for OPTIONS",
            pseudo(&[(":method", "OPTIONS"), scheme, authority, (":path", "*")]),
            &[Answer(200)],
        ),
        ("8.3.1", "a space in the path", pseudo(&[method, scheme, authority, (":path", "/a b")]), MALFORMED),
        ("8.3.1", "a line's end in the path", pseudo(&[method, scheme, authority, (":path", "/a\r\nb")]), MALFORMED),
        ("8.3.1", "a method that is none", pseudo(&[(":method", "G T"), scheme, authority, path]), MALFORMED),
        ("8.5", "CONNECT", pseudo(&[(":method", "CONNECT"), authority]), &[Answer(405)]),
        ("8.5", "CONNECT without an authority", pseudo(&[(":method", "CONNECT")]), MALFORMED),
        ("8.5", "CONNECT with a path", pseudo(&[(":method", "CONNECT"), authority, path]), MALFORMED),
        ("8.5", "CONNECT with a scheme", pseudo(&[(":method", "CONNECT"), scheme, authority]), MALFORMED),
        (
            "8.5",
            "CONNECT with a scheme and a path",
            pseudo(&[(":method", "CONNECT"), scheme, authority, path]),
            MALFORMED,
        ),
    ]
}
