//! Where a request is for: its target (RFC 9112 section 3.2), and the authority that the target or `Host` names.

use super::reply::Refusal;

/// A request target's parts (RFC 9112 section 3.2).
pub(super) struct Target<'b> {
    pub(super) authority: Option<Authority<'b>>,
    pub(super) path: &'b str,
    pub(super) query: Option<&'b str>,
}

impl<'b> Target<'b> {
    pub(super) fn parse(method: &str, target: &'b str) -> Result<Self, Refusal> {
        if method == "CONNECT" {
            return Err(Refusal::Connect);
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal::Target);
        }
        if target == "*" && method == "OPTIONS" {
            return Ok(Self { authority: None, path: target, query: None });
        }
        let (authority, rest) = if target.starts_with('/') {
            (None, target)
        } else {
            let after = strip_scheme(target).ok_or(Refusal::Target)?;
            let end = after.find(['/', '?']).unwrap_or(after.len());
            let (authority, rest) = after.split_at(end);
            let authority = Authority::parse(authority.as_bytes()).filter(|authority| !authority.host.is_empty());
            (Some(authority.ok_or(Refusal::Target)?), rest)
        };
        // `memchr`, since `split_once` looks at one character at a time.
        let (path, query) = match memchr::memchr(b'?', rest.as_bytes()) {
            Some(mark) => (&rest[..mark], Some(&rest[mark + 1..])),
            None => (rest, None),
        };
        let path = match path {
            // RFC 9112 section 3.2.4: the last proxy writes it as an asterisk.
            "" if method == "OPTIONS" && query.is_none() => "*",
            "" => "/",
            path => path,
        };
        Ok(Self { authority, path, query })
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// `uri-host [ ":" port ]` (RFC 9110 section 4.2.1), taken apart; may be empty, as `Host` may be. No user information.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'b> {
    pub(super) whole: &'b str,
    pub(super) host: &'b str,
}

impl<'b> Authority<'b> {
    pub(super) fn parse(bytes: &'b [u8]) -> Option<Self> {
        let of_name = |byte: u8| HOST_BYTES[usize::from(byte)];
        let host = if bytes.first() == Some(&b'[') {
            let end = bytes.iter().position(|&byte| byte == b']')?;
            bytes[1..end].iter().all(|&byte| of_name(byte) || b"[:".contains(&byte)).then_some(end + 1)?
        } else {
            bytes.iter().position(|&byte| !of_name(byte)).unwrap_or(bytes.len())
        };
        let port_is_right = match &bytes[host..] {
            [] => true,
            [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !port_is_right {
            return None;
        }
        let whole = std::str::from_utf8(bytes).ok()?;
        Some(Self { whole, host: &whole[..host] })
    }
}

/// What a registered name or an IPv4 address is written with (RFC 3986 section 3.2.2).
static HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+;=";
    let mut place = 0;
    while place < allowed.len() {
        table[allowed[place] as usize] = true;
        place += 1;
    }
    table
};
