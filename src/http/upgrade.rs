//! Which protocols a connection may be switched to (RFC 9110 section 7.8).
//!
//! After a switch a proxy sees bytes and no messages. Of the protocols that a client offers, those that would carry
//! HTTP requests again are therefore not passed on: requests inside them would be matched by no rule, counted for no
//! version, and could bring the forwarded fields that backends trust. That is how `h2c` is used to get past a proxy's
//! rules (RFC 9113 section 3.1 deprecates it anyway). Leaving them out is always right: a server may ignore an
//! `Upgrade`, and a client must expect that.

use super::field::{Field, FieldLines, list};

/// The protocols that `Upgrade` fields name, in their order, each with its version; what is no protocol, or must not be
/// switched to, is left out.
pub(super) fn protocols<'f>(fields: FieldLines<'f, 'f>) -> impl Iterator<Item = &'f [u8]> {
    let named = fields.0.iter().filter(|line| Field::of(line.name) == Field::Upgrade);
    named.flat_map(|line| list(line.value)).filter(|protocol| may_switch(protocol))
}

/// Whether `answer`, the fields of a 101, names at least one protocol and none that `request` did not offer.
pub(super) fn accepts(answer: FieldLines<'_, '_>, request: FieldLines<'_, '_>) -> bool {
    let named = || answer.0.iter().filter(|line| Field::of(line.name) == Field::Upgrade);
    let mut chosen = named().flat_map(|line| list(line.value)).peekable();
    chosen.peek().is_some()
        && chosen.all(|chosen| protocols(request).any(|offered| offered.eq_ignore_ascii_case(chosen)))
}

/// A name, or a name and a version, that stands for no form of HTTP and for no layer that HTTP continues in.
fn may_switch(protocol: &[u8]) -> bool {
    let mut parts = protocol.splitn(2, |&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    let carries_http =
        [&b"h2c"[..], b"h2", b"h3", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known));
    is_token(name) && parts.next().is_none_or(is_token) && !carries_http
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'h>(values: &[&'h str]) -> Vec<httparse::Header<'h>> {
        values.iter().map(|value| httparse::Header { name: "Upgrade", value: value.as_bytes() }).collect()
    }

    #[test]
    fn what_would_carry_requests_past_the_proxy_and_what_is_no_protocol_is_left_out() {
        for (values, kept) in [
            (&["websocket"][..], "websocket"),
            (&["h2c"], ""),
            (&["H2C, WebSocket"], "WebSocket"),
            (&["h2c/1", "foo/2 , bar", "HTTP/2.0, TLS/1.0,h2"], "foo/2 bar"),
            (&["http-like, tls1, h2cx"], "http-like tls1 h2cx"),
            (&["web socket, \"websocket\", a/b/c, a/, /b, ,, websocket;h2c, ok"], "ok"),
            (&[""], ""),
            (&[], ""),
        ] {
            let fields = lines(values);
            let got: Vec<_> = protocols(FieldLines(&fields)).map(|name| std::str::from_utf8(name).unwrap()).collect();
            assert_eq!(got.join(" "), kept, "{values:?}");
        }
    }

    #[test]
    fn a_switch_is_accepted_to_what_was_offered_alone() {
        for (offered, answered, accepted) in [
            (&["websocket"][..], &["WebSocket"][..], true),
            (&["foo/2, websocket"], &["foo/2"], true),
            (&["a, b"], &["b", "a"], true),
            (&["a, b"], &["b, c"], false),
            (&["foo/2"], &["foo/1"], false),
            (&["foo/2"], &["foo"], false),
            (&["websocket"], &[""], false),
            (&["websocket"], &[], false),
            (&["websocket, h2c"], &["h2c"], false),
            (&["websocket"], &["websocket, h2c"], false),
            (&[], &["websocket"], false),
        ] {
            let (request, answer) = (lines(offered), lines(answered));
            assert_eq!(accepts(FieldLines(&answer), FieldLines(&request)), accepted, "{offered:?} {answered:?}");
        }
    }
}
