//! HTTP/2 messages (RFC 9113 section 8): a request's head as [`RequestHead`], which all that follows reads, and a
//! response's head as it is sent.
//!
//! What came over HTTP/2 is held to the same rules as what came over HTTP/1.1, since it may go on as HTTP/1.1. The
//! connection has refused before: upper case in names, fields about the connection, pseudo-header fields that are unknown,
//! repeated, missing or late, and content that is not as long as its head says.

use super::compose::{Outbound, dropped};
use super::field::{Connection, Field, FieldLines, list, named_by_connection};
use super::head::{BodyLength, Facts, HeadLimits, MAX_FIELDS, RequestHead, ResponseHead, Version};
use super::reply::Refusal;
use super::target::{Authority, Target};
use crate::net::RequestSection;
use crate::plan::HeaderChanges;
use ::http::header::{DATE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE, VIA};
use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

impl<'h, 'b> RequestHead<'h, 'b> {
    /// Reads the head of an HTTP/2 request, with `lines` for its fields; `bodyless`: its stream has ended with it.
    ///
    /// With a `key` it is an [extended CONNECT](extended_connect), and is read as the request that asks for the same in
    /// HTTP/1.1 (RFC 8441 section 5): a GET that offers to switch to WebSocket, with this key.
    ///
    /// # Errors
    /// What is wrong with it. [`Refusal::Malformed`] is a stream error (RFC 9113 section 8.1.1).
    pub fn of_http2(
        request: &'b RequestSection,
        bodyless: bool,
        lines: &'h mut Vec<httparse::Header<'b>>,
        limits: HeadLimits,
        key: Option<&'b str>,
    ) -> Result<Self, Refusal> {
        if request.is_too_large() {
            return Err(Refusal::HeadTooLarge);
        }
        if request.len() > limits.fields.min(MAX_FIELDS) {
            return Err(Refusal::TooManyFields);
        }
        lines.reserve(request.len() + 2);
        lines.extend(request.fields().map(|(name, value)| httparse::Header { name, value }));
        if let Some(key) = key {
            lines.retain(|line| line.name != SEC_WEBSOCKET_KEY.as_str());
            lines.push(httparse::Header { name: UPGRADE.as_str(), value: WEBSOCKET });
            lines.push(httparse::Header { name: SEC_WEBSOCKET_KEY.as_str(), value: key.as_bytes() });
        }
        let fields = FieldLines(lines);
        let method = if key.is_some() { "GET" } else { request.method() };
        let target = target(request, method)?;
        let length = method.len() + target.path.len() + target.query.map_or(0, str::len);
        if length + fields.0.iter().map(|line| line.name.len() + line.value.len() + 4).sum::<usize>() > limits.bytes {
            return Err(Refusal::HeadTooLarge);
        }
        let facts = Facts::of_request(fields, Version::Http2)?;
        // As a GET it has no content. A backend that does not switch would wait for as much as is announced, and take the
        // next request on its connection, somebody else's, for that.
        if key.is_some() && facts.content_length.is_some() {
            return Err(Refusal::Malformed);
        }
        let authority = authority(request, facts.host)?;
        Ok(Self {
            method,
            path: target.path,
            query: target.query,
            authority: Some(authority.whole),
            host: authority.host,
            version: Version::Http2,
            fields,
            // What follows an extended CONNECT is the protocol's.
            body: if bodyless || key.is_some() {
                BodyLength::Sized(0)
            } else {
                BodyLength::Stream(facts.content_length)
            },
            expects_continue: facts.expects_continue,
            takes_trailers: facts.takes_trailers,
            upgrades: key.is_some(),
            crumbs: fields.0.iter().filter(|line| line.name == "cookie").count() > 1,
            connection: Connection::default(),
        })
    }
}

/// Whether it is an extended CONNECT (RFC 8441 section 4).
///
/// # Errors
/// [`Refusal::Protocol`] when it is for anything but WebSocket.
pub fn extended_connect(request: &RequestSection) -> Result<bool, Refusal> {
    match request.protocol() {
        None => Ok(false),
        Some(protocol) if protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET) => Ok(true),
        Some(_) => Err(Refusal::Protocol),
    }
}

const WEBSOCKET: &[u8] = b"websocket";

/// A path, or `*` where that is one; never another address (RFC 9113 section 8.3.1). CONNECT has an authority for it
/// (section 8.5).
fn target<'b>(request: &'b RequestSection, method: &str) -> Result<Target<'b>, Refusal> {
    let target = request.target();
    let is_right = match method {
        "CONNECT" => request.authority().is_some(),
        _ => is_ours(request.scheme()) && (target.starts_with('/') || target == "*"),
    };
    if !is_right {
        return Err(Refusal::Malformed);
    }
    Target::parse(method, target).map_err(|refusal| match refusal {
        Refusal::Connect => refusal,
        _ => Refusal::Malformed,
    })
}

fn is_ours(scheme: Option<&str>) -> bool {
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// `:authority`, or else `Host`; one of them has to be there, and both must say the same (RFC 9113 section 8.3.1). Neither
/// may name no host (RFC 9110 section 4.2.1).
fn authority<'b>(request: &'b RequestSection, host: Option<Authority<'b>>) -> Result<Authority<'b>, Refusal> {
    let Some(authority) = request.authority() else {
        return host.filter(|host| !host.host.is_empty()).ok_or(Refusal::Malformed);
    };
    let authority = Authority::parse(authority.as_bytes()).filter(|authority| !authority.host.is_empty());
    authority
        .filter(|authority| host.is_none_or(|host| host.whole.eq_ignore_ascii_case(authority.whole)))
        .ok_or(Refusal::Malformed)
}

/// The head that an HTTP/2 client is sent; `None` when a field cannot be sent. For a 101 it is the 200 that answers an
/// extended CONNECT (RFC 8441 section 5.1).
pub fn response_head(head: &ResponseHead<'_, '_>, outbound: &Outbound<'_>) -> Option<Response<()>> {
    let mut response = Response::new(());
    let switches = head.code == 101;
    *response.status_mut() = if switches { StatusCode::OK } else { StatusCode::from_u16(head.code).ok()? };
    let fields = response.headers_mut();
    fields.reserve(head.fields.0.len() + 2);
    for sent in head.fields.0 {
        let field = Field::of(sent.name);
        let kept = match field {
            // RFC 9110 section 8.6: neither a 1xx nor a 204 has one.
            Field::ContentLength => head.code >= 200 && head.code != 204 && !fields.contains_key(sent.name),
            Field::Connection | Field::TransferEncoding | Field::Te | Field::Upgrade | Field::HopByHop => false,
            Field::Date => !fields.contains_key(DATE),
            _ if switches => !sent.name.eq_ignore_ascii_case(SEC_WEBSOCKET_ACCEPT.as_str()),
            _ => true,
        };
        let named = head.connection.names_fields && named_by_connection(head.fields, sent.name);
        if kept && !named && !dropped(outbound.changes, sent.name) {
            // A `Content-Length` that lists one value several times is passed on as that value.
            let repeated = if field == Field::ContentLength { list(sent.value).next() } else { None };
            append(fields, sent.name, repeated.unwrap_or(sent.value))?;
        }
    }
    let has_date = fields.contains_key(DATE) || dropped(outbound.changes, "date");
    if (head.code >= 200 || switches) && !has_date {
        fields.insert(DATE, HeaderValue::from_bytes(outbound.date).ok()?);
    }
    if outbound.via && !dropped(outbound.changes, "via") {
        fields.append(VIA, HeaderValue::from_static("1.1 serin"));
    }
    for (name, value) in outbound.changes.into_iter().flat_map(HeaderChanges::appended) {
        append(fields, name, value.as_bytes())?;
    }
    Some(response)
}

fn append(fields: &mut HeaderMap, name: &str, value: &[u8]) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    fields.try_append(name, HeaderValue::from_bytes(value).ok()?).ok().map(|_| ())
}

/// Appends the trailer fields that a proxy passes on to `out`, a line each: for HTTP/1.1.
pub fn compose_trailers(out: &mut Vec<u8>, trailers: &HeaderMap) {
    for (name, value) in trailers.iter().filter(|(name, _)| Field::of(name.as_str()).may_trail()) {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes().trim_ascii());
        out.extend_from_slice(b"\r\n");
    }
}

/// The trailer fields of lines such as [`compose_trailers`] and
/// [`Decoder::compose_trailers`](super::Decoder::compose_trailers) write; `None` when there are none.
pub fn trailers_of_lines(lines: &[u8]) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in lines.split(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\r")) {
        let (name, value) = line.split_at(memchr::memchr(b':', line)?);
        append(&mut trailers, std::str::from_utf8(name).ok()?, value[1..].trim_ascii())?;
    }
    (!trailers.is_empty()).then_some(trailers)
}

/// Those of `trailers` that a proxy passes on; `None` when there are none.
pub fn trailers_that_pass(mut trailers: HeaderMap) -> Option<HeaderMap> {
    let barred = |trailers: &HeaderMap| trailers.keys().find(|name| !Field::of(name.as_str()).may_trail()).cloned();
    while let Some(name) = barred(&trailers) {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then_some(trailers)
}
