//! Where a redirected client is sent, as `HTTPRoute`'s `HTTPRequestRedirectFilter` has it.

use super::head::RequestHead;
use super::rewrite::modified_path;
use crate::plan::{Redirect, Scheme};
use std::io::Write;
use std::net::SocketAddr;

/// Appends the `Location` for a request that came to `local`, over TLS if `secure`. What the redirect does not say is as
/// the client had it, the query always.
///
/// The port, where it is not given, is that of a scheme that is given, and otherwise the one that the client named: the
/// listener's as it is seen from outside, whatever translates ports in between.
pub fn location(out: &mut Vec<u8>, redirect: &Redirect, head: &RequestHead<'_, '_>, secure: bool, local: SocketAddr) {
    let asked = if secure { Scheme::Https } else { Scheme::Http };
    let scheme = redirect.scheme.unwrap_or(asked);
    let named = head.authority.filter(|_| !head.host.is_empty());
    let of_client = match named {
        Some(authority) => authority[head.host.len()..].strip_prefix(':').and_then(|port| port.parse().ok()),
        None => Some(local.port()),
    };
    let port = redirect.port.or_else(|| if redirect.scheme.is_some() { None } else { of_client });
    let host = redirect.hostname.as_deref().or(named.map(|_| head.host));
    let mut write = |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("writing to memory");
    write(format_args!("{}://", scheme.as_str()));
    match (host, local) {
        (Some(host), _) => write(format_args!("{host}")),
        (None, SocketAddr::V4(local)) => write(format_args!("{}", local.ip())),
        (None, SocketAddr::V6(local)) => write(format_args!("[{}]", local.ip())),
    }
    if let Some(port) = port.filter(|&port| port != scheme.port()) {
        write(format_args!(":{port}"));
    }
    // `OPTIONS *` is about the whole server, which a URL cannot say.
    let path = if head.path == "*" { "/" } else { head.path };
    modified_path(out, path, redirect.path.as_ref());
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HeadLimits, Progress, Reply, slots};
    use super::*;
    use crate::plan::{HeaderChanges, PathModifier};

    const AS_ASKED: Redirect = Redirect { scheme: None, hostname: None, path: None, port: None, code: 302 };

    fn located(redirect: &Redirect, secure: bool, request: &str) -> String {
        let mut slots = slots();
        let limits = HeadLimits { bytes: 1_024, fields: 10 };
        let Ok(Progress::Complete(head, _)) = RequestHead::parse(request.as_bytes(), &mut slots, limits) else {
            panic!()
        };
        let mut out = Vec::new();
        location(&mut out, redirect, &head, secure, "10.0.0.1:8080".parse().unwrap());
        String::from_utf8(out).unwrap()
    }

    fn get(target: &str, host: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    }

    #[test]
    fn the_port_is_the_given_one_or_the_schemes_or_the_clients_and_is_left_out_where_it_goes_without_saying() {
        let (http, https) = (Some(Scheme::Http), Some(Scheme::Https));
        for (scheme, port, secure, host, expected) in [
            (None, None, false, "a", "http://a/x?y"),
            (None, None, false, "a:80", "http://a/x?y"),
            (None, None, false, "a:8080", "http://a:8080/x?y"),
            (None, None, true, "a:443", "https://a/x?y"),
            (None, None, true, "a:8443", "https://a:8443/x?y"),
            (https, None, false, "a:8080", "https://a/x?y"),
            (http, None, true, "a:8443", "http://a/x?y"),
            (http, None, false, "a:8080", "http://a/x?y"),
            (https, Some(443), false, "a:8080", "https://a/x?y"),
            (https, Some(80), false, "a", "https://a:80/x?y"),
            (None, Some(80), false, "a:8080", "http://a/x?y"),
            (None, Some(8080), false, "a", "http://a:8080/x?y"),
            (None, Some(443), true, "a:8443", "https://a/x?y"),
            (None, None, false, "[::1]:8080", "http://[::1]:8080/x?y"),
            (None, None, false, "a:", "http://a/x?y"),
            (None, None, false, "", "http://10.0.0.1:8080/x?y"),
        ] {
            let redirect = Redirect { scheme, port, ..AS_ASKED };
            assert_eq!(located(&redirect, secure, &get("/x?y", host)), expected, "{scheme:?} {port:?} {secure} {host}");
        }
    }

    #[test]
    fn host_and_path_are_as_given_and_the_query_stays() {
        let hostname = Some("b.example".into());
        for (hostname, path, target, expected) in [
            (hostname.clone(), None, "/x", "http://b.example:81/x"),
            (None, Some(PathModifier::Full("/".into())), "/x?y=%20", "http://a:81/?y=%20"),
            (hostname, Some(PathModifier::prefix("/x", "/z")), "/x/y?", "http://b.example:81/z/y?"),
            (None, None, "//evil.example/x", "http://a:81//evil.example/x"),
        ] {
            let redirect = Redirect { hostname, path, ..AS_ASKED };
            assert_eq!(located(&redirect, false, &get(target, "a:81")), expected);
        }
        assert_eq!(located(&AS_ASKED, false, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "http://a/");
        assert_eq!(located(&AS_ASKED, false, "GET /x HTTP/1.0\r\n\r\n"), "http://10.0.0.1:8080/x");
    }

    #[test]
    fn the_rules_changes_are_made_to_the_answer() {
        let changes = HeaderChanges::new(&[("X-A", "1")], &[], &["x-serin-reason"]);
        let reply = Reply::redirect(308, b"http://a/", b"today", Some(&changes));
        let mut out = Vec::new();
        reply.compose(&mut out, true);
        let expected = "HTTP/1.1 308 Permanent Redirect\r\nlocation: http://a/\r\ncontent-length: 0\r\ndate: today\r\n\
                        X-A: 1\r\nconnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let names: Vec<_> = reply.head().headers().iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["location", "content-length", "date", "x-a"]);
    }
}
