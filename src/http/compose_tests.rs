//! What a proxy passes on, byte by byte.

use super::super::{HeadLimits, Progress, slots};
use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 100 };

fn forwarded(headers: Headers, text: &str) -> String {
    let mut slots = slots();
    let Ok(Progress::Complete(head, _)) = RequestHead::parse(text.as_bytes(), &mut slots, LIMITS) else { panic!() };
    let inbound = Inbound {
        secure: false,
        client: IpAddr::from([10, 0, 0, 7]),
        local: SocketAddr::from(([10, 0, 0, 1], 80)),
        headers,
        request_id: u128::MAX,
    };
    let mut out = Vec::new();
    compose_request(&mut out, &head, &inbound);
    String::from_utf8(out).unwrap()
}

fn answered(outbound: Outbound<'_>, text: &str) -> String {
    let mut slots = slots();
    let Ok(Progress::Complete(head, _)) = ResponseHead::parse(text.as_bytes(), &mut slots, LIMITS, false) else {
        panic!()
    };
    let mut out = Vec::new();
    compose_response(&mut out, &head, &outbound);
    String::from_utf8(out).unwrap()
}

const NONE: Headers = Headers { via: false, request_id: false, forwarded: false };
const ALL: Headers = Headers { via: true, request_id: true, forwarded: true };

#[test]
fn only_end_to_end_fields_go_on() {
    let sent = "GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: close, X-Named\r\nX-Named: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\
                Proxy-Connection: a\r\nProxy-Authorization: a\r\nTE: gzip, trailers\r\nTrailer: x\r\ntraceparent: 00-1\r\n\r\n";
    let expected =
        "GET /a?b HTTP/1.1\r\nhost: a\r\nTrailer: x\r\ntraceparent: 00-1\r\nte: trailers\r\nconnection: te\r\n\r\n";
    assert_eq!(forwarded(NONE, sent), expected);
}

#[test]
fn an_upgrade_goes_on_in_one_line_without_what_carries_http() {
    let sent = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c, foo/2\r\nConnection: X-Named, Upgrade, HTTP2-Settings\r\n\
                HTTP2-Settings: AAMA\r\nX-Named: 1\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let expected = "GET / HTTP/1.1\r\nhost: a\r\nSec-WebSocket-Version: 13\r\nupgrade: foo/2, websocket\r\n";
    assert_eq!(forwarded(NONE, &format!("{sent}\r\n")), format!("{expected}connection: upgrade\r\n\r\n"));
    let with_te = forwarded(NONE, &format!("{sent}TE: trailers\r\n\r\n"));
    assert_eq!(with_te, format!("{expected}te: trailers\r\nconnection: te, upgrade\r\n\r\n"));
}

#[test]
fn a_response_says_to_what_is_switched_where_it_must_and_nowhere_else() {
    let outbound = |version| Outbound { version, close: false, transfer: Transfer::AsIs, via: false, date: b"today" };
    let sent = |code| format!("HTTP/1.1 {code} X\r\nUpgrade: h2c, foo\r\nConnection: upgrade\r\nDate: then\r\n\r\n");
    let upgrade = "upgrade: foo\r\nconnection: upgrade\r\n";
    for (code, version, end) in [
        (101, Version::Http11, upgrade),
        (426, Version::Http11, upgrade),
        (200, Version::Http11, ""),
        (426, Version::Http10, "connection: keep-alive\r\n"),
    ] {
        let got = answered(outbound(version), &sent(code));
        assert_eq!(got, format!("HTTP/1.1 {code} X\r\nDate: then\r\n{end}\r\n"));
    }
}

#[test]
fn what_the_proxy_knows_is_added() {
    let sent = "POST / HTTP/1.0\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\
                content-length: 3\r\n\r\n";
    let expected = "POST / HTTP/1.1\r\nhost: 10.0.0.1:80\r\nX-Forwarded-Proto: https\r\ncontent-length: 3\r\n\
                    x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.7\r\n\
                    x-request-id: ffffffff-ffff-4fff-bfff-ffffffffffff\r\nvia: 1.0 serin\r\n\r\n";
    assert_eq!(forwarded(ALL, sent), expected);
}

#[test]
fn a_connection_field_cannot_take_the_framing_or_the_host_away() {
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length, host, x-request-id\r\nContent-Length: 3\r\n\
                X-Request-Id: chosen\r\n\r\n";
    let got = forwarded(Headers { request_id: true, ..NONE }, sent);
    assert!(got.contains("host: a\r\n") && got.contains("Content-Length: 3\r\n"), "{got}");
    assert!(!got.contains("chosen") && got.contains("x-request-id: ffff"), "{got}");
}

#[test]
fn a_response_has_one_framing_and_a_date() {
    let outbound = |version, close, transfer| Outbound { version, close, transfer, via: false, date: b"today" };
    let sent =
        "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nA: b\r\n\r\n";
    assert_eq!(
        answered(outbound(Version::Http11, false, Transfer::Chunked), sent),
        "HTTP/1.1 200 Fine\r\nA: b\r\ntransfer-encoding: chunked\r\ndate: today\r\n\r\n"
    );
    assert_eq!(
        answered(outbound(Version::Http10, true, Transfer::UntilClose), sent),
        "HTTP/1.1 200 Fine\r\nA: b\r\ndate: today\r\nconnection: close\r\n\r\n"
    );
    let sized = "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nDate: then\r\n\r\n";
    assert_eq!(
        answered(outbound(Version::Http10, false, Transfer::AsIs), sized),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: then\r\nconnection: keep-alive\r\n\r\n"
    );
    let named = "HTTP/1.1 200 OK\r\nConnection: content-length, date\r\nContent-Length: 5\r\nDate: then\r\n\r\n";
    assert_eq!(
        answered(outbound(Version::Http11, false, Transfer::AsIs), named),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndate: today\r\n\r\n",
        "the length is not for `Connection` to take away"
    );
    let no_content = "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nDate: then\r\n\r\n";
    let got = answered(outbound(Version::Http11, false, Transfer::AsIs), no_content);
    assert_eq!(got, "HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n");
}
