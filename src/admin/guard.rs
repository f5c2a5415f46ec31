//! Who may change something.
//!
//! With a token file, whoever shows the token. Without one, whoever is on this machine: but a browser on this machine
//! also runs other people's scripts, so a request that a page could have made is refused. A page can send its request
//! to a name that it makes resolve to 127.0.0.1; it cannot keep that name out of `Host`, nor `Origin` away.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// Why a request may not change anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("this needs the header `Authorization: Bearer TOKEN` with the token of admin.tokenFile")]
    NoToken,
    #[error("the token is not the one of admin.tokenFile")]
    WrongToken,
    #[error("admin.tokenFile {} cannot be read, so nobody may change anything: {source}", path.display())]
    UnreadableToken { path: PathBuf, source: std::io::Error },
    #[error("admin.tokenFile {} holds no token, so nobody may change anything", path.display())]
    EmptyToken { path: PathBuf },
    #[error("without admin.tokenFile in the config this works from the machine itself only; you came from {0}")]
    NotLoopback(IpAddr),
    #[error("without admin.tokenFile in the config, the Host must be an IP address or localhost")]
    ForeignHost,
    #[error("without admin.tokenFile in the config, a request with an Origin is refused: a web page may have sent it")]
    FromPage,
}

/// A token longer than this is no token but the wrong file.
const LONGEST_TOKEN: u64 = 4 * 1024;

/// Whether `request`, which came from `peer`, may change something. The token's file is read each time, so that a
/// rotated token counts from the next request on.
pub(super) fn check(request: &Parts, peer: SocketAddr, token_file: Option<&Path>) -> Result<(), Denied> {
    match token_file {
        Some(path) => check_token(&request.headers, path),
        None => check_local(request, peer.ip().to_canonical()),
    }
}

fn check_token(headers: &HeaderMap, path: &Path) -> Result<(), Denied> {
    let token = read_token(path).map_err(|source| Denied::UnreadableToken { path: path.into(), source })?;
    let token = token.trim_ascii();
    if token.is_empty() {
        return Err(Denied::EmptyToken { path: path.into() });
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes())).ok_or(Denied::NoToken)?;
    if bool::from(shown.ct_eq(token)) { Ok(()) } else { Err(Denied::WrongToken) }
}

fn read_token(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut token = Vec::new();
    std::fs::File::open(path)?.take(LONGEST_TOKEN + 1).read_to_end(&mut token)?;
    if token.len() as u64 > LONGEST_TOKEN {
        return Err(std::io::Error::other("it is longer than 4 KiB"));
    }
    Ok(token)
}

/// The credentials of the scheme `Bearer`, which is written in any case (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer".len())?;
    let apart = token.first().is_some_and(|byte| *byte == b' ');
    (scheme.eq_ignore_ascii_case(b"bearer") && apart).then(|| token.trim_ascii())
}

fn check_local(request: &Parts, peer: IpAddr) -> Result<(), Denied> {
    if !peer.is_loopback() {
        return Err(Denied::NotLoopback(peer));
    }
    let mut hosts =
        request.headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default()).peekable();
    let target = request.uri.authority().map(axum::http::uri::Authority::as_str);
    if hosts.peek().is_none() || !hosts.chain(target).all(is_local_authority) {
        return Err(Denied::ForeignHost);
    }
    if request.headers.contains_key(header::ORIGIN) {
        return Err(Denied::FromPage);
    }
    Ok(())
}

/// Whether `authority` names an address, or localhost, with a port or without: nothing that a name server is asked for.
fn is_local_authority(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || bracketed
            .map_or_else(|| host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()), |ip| ip.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn request(fields: &[(&str, &str)]) -> Parts {
        let builder = fields.iter().fold(Request::post("/"), |builder, (name, value)| builder.header(*name, *value));
        builder.body(()).unwrap().into_parts().0
    }

    fn peer(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn without_a_token_only_this_machine_may() {
        let local = request(&[("host", "127.0.0.1:9900")]);
        for ip in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(check(&local, peer(ip), None).is_ok(), "{ip}");
        }
        for ip in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "0.0.0.0"] {
            assert!(matches!(check(&local, peer(ip), None), Err(Denied::NotLoopback(_))), "{ip}");
        }
    }

    #[test]
    fn without_a_token_what_a_web_page_can_send_is_refused() {
        for host in ["localhost", "LocalHost:9900", "127.0.0.1", "[::1]:9900", "[::1]", "10.1.2.3:80"] {
            assert!(check(&request(&[("host", host)]), peer("::1"), None).is_ok(), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9900", "localhost.evil.example", "127.0.0.1.evil.example", "", "a@127.0.0.1"]
        {
            let denied = check(&request(&[("host", host)]), peer("::1"), None);
            assert!(matches!(denied, Err(Denied::ForeignHost)), "{host}");
        }
        assert!(matches!(check(&request(&[]), peer("::1"), None), Err(Denied::ForeignHost)));
        let two = request(&[("host", "localhost"), ("host", "evil.example")]);
        assert!(matches!(check(&two, peer("::1"), None), Err(Denied::ForeignHost)));
        let mut absolute = request(&[("host", "localhost")]);
        absolute.uri = "http://evil.example/".parse().unwrap();
        assert!(matches!(check(&absolute, peer("::1"), None), Err(Denied::ForeignHost)));
        for origin in ["http://evil.example", "null", "http://localhost:9900"] {
            let page = request(&[("host", "localhost"), ("origin", origin)]);
            assert!(matches!(check(&page, peer("::1"), None), Err(Denied::FromPage)), "{origin}");
        }
    }

    #[test]
    fn with_a_token_only_who_shows_it_may_wherever_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "secret\n").unwrap();
        let shows = |value| check(&request(&[("authorization", value)]), peer("10.0.0.1"), Some(&path));
        for good in ["Bearer secret", "bearer secret", "Bearer  secret "] {
            assert!(shows(good).is_ok(), "{good}");
        }
        for wrong in ["Bearer secre", "Bearer secrets", "Bearer Secret", "Bearer x", "Bearer "] {
            assert!(matches!(shows(wrong), Err(Denied::WrongToken)), "{wrong}");
        }
        for none in ["secret", "Basic secret", "Bearersecret", "Bearer"] {
            assert!(matches!(shows(none), Err(Denied::NoToken)), "{none}");
        }
        let local = check(&request(&[("host", "localhost")]), peer("127.0.0.1"), Some(&path));
        assert!(matches!(local, Err(Denied::NoToken)), "this machine needs it as well");
    }

    #[test]
    fn a_rotated_token_counts_at_once_and_a_missing_one_admits_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let shows = |value| check(&request(&[("authorization", value)]), peer("127.0.0.1"), Some(&path));
        assert!(matches!(shows("Bearer "), Err(Denied::UnreadableToken { .. })));
        std::fs::write(&path, " \n").unwrap();
        assert!(matches!(shows("Bearer "), Err(Denied::EmptyToken { .. })));
        std::fs::write(&path, "one").unwrap();
        assert!(shows("Bearer one").is_ok());
        std::fs::write(&path, "two").unwrap();
        assert!(shows("Bearer one").is_err());
        assert!(shows("Bearer two").is_ok());
        std::fs::write(&path, vec![b'a'; 5_000]).unwrap();
        assert!(matches!(shows("Bearer a"), Err(Denied::UnreadableToken { .. })));
    }
}
