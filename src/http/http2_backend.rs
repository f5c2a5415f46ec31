//! Messages to and from a backend that speaks HTTP/2 (RFC 9113 section 8).
//!
//! A request is composed as HTTP/1.1, whatever the backend speaks, so that there is one place which decides what goes
//! out; here that is read again as HTTP/2 has it. A response is held to the rules that one over HTTP/1.1 is held to. The
//! [`h2`](https://docs.rs/h2) crate has refused before: upper case in names, fields about the connection, pseudo-header
//! fields that are wrong, and content that is not as long as its head says.

use super::field::{Connection, Field, FieldLines};
use super::head::{BodyLength, Facts, HeadLimits, MAX_FIELDS, Progress, RequestHead, ResponseHead, Version, slots};
use super::reply::Refusal;
use super::upgrade::protocols;
use super::websocket::accept;
use ::http::header::SEC_WEBSOCKET_KEY;
use ::http::uri::{PathAndQuery, Scheme, Uri};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use h2::ext::Protocol;

/// A request as HTTP/2 has it.
#[derive(Debug)]
pub struct Http2Request {
    /// Its head.
    pub head: Request<()>,
    /// What is asked for is a WebSocket, by extended CONNECT (RFC 8441 section 5): the stream goes on behind the head,
    /// whatever content the request has.
    pub connects: bool,
}

/// Why a request cannot be sent over HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inexpressible {
    /// There is no way to say where it goes.
    Target,
    /// The backend takes no `WebSocket` over HTTP/2.
    WebSocket,
}

impl Http2Request {
    /// What an HTTP/2 backend is sent for `head`, which was composed as HTTP/1.1. `secure`: the connection is encrypted;
    /// `takes_connect`: the backend has said that it takes extended CONNECT.
    ///
    /// A protocol that is offered besides WebSocket is left out, as a server may ignore any (RFC 9110 section 7.8).
    ///
    /// # Errors
    /// [`Inexpressible`].
    pub fn read(head: &[u8], secure: bool, takes_connect: bool) -> Result<Self, Inexpressible> {
        // The limits are for what comes from others; this was written here.
        let limits = HeadLimits { bytes: usize::MAX, fields: MAX_FIELDS };
        let mut slots = slots();
        let Ok(Progress::Complete(head, _)) = RequestHead::parse(head, &mut slots, limits) else {
            return Err(Inexpressible::Target);
        };
        let connects = head.upgrades && protocols(head.fields).any(|name| name.eq_ignore_ascii_case(b"websocket"));
        if connects && !takes_connect {
            return Err(Inexpressible::WebSocket);
        }
        let mut request = Request::new(());
        *request.version_mut() = ::http::Version::HTTP_2;
        *request.method_mut() = Method::from_bytes(head.method.as_bytes()).map_err(|_| Inexpressible::Target)?;
        *request.uri_mut() = uri(&head, secure).ok_or(Inexpressible::Target)?;
        *request.headers_mut() = fields(head.fields).ok_or(Inexpressible::Target)?;
        if connects {
            *request.method_mut() = Method::CONNECT;
            request.extensions_mut().insert(Protocol::from_static("websocket"));
            request.headers_mut().remove(SEC_WEBSOCKET_KEY);
        }
        Ok(Self { head: request, connects })
    }
}

fn uri(head: &RequestHead<'_, '_>, secure: bool) -> Option<Uri> {
    let target = match head.query {
        None => head.path.to_owned(),
        Some(query) => format!("{}?{query}", head.path),
    };
    let target = PathAndQuery::try_from(target.as_str()).or_else(|_| PathAndQuery::try_from(encoded(&target)));
    let scheme = if secure { Scheme::HTTPS } else { Scheme::HTTP };
    Uri::builder().scheme(scheme).authority(head.authority?).path_and_query(target.ok()?).build().ok()
}

/// The same target without characters that no URI has (RFC 3986 section 2), and some clients send as they are: the
/// `http` crate takes them in some places alone.
fn encoded(target: &str) -> String {
    let mut encoded = String::with_capacity(target.len() + 16);
    for character in target.chars() {
        match character {
            '"' => encoded.push_str("%22"),
            '<' => encoded.push_str("%3C"),
            '>' => encoded.push_str("%3E"),
            '`' => encoded.push_str("%60"),
            other => encoded.push(other),
        }
    }
    encoded
}

/// The fields that are not about one connection of HTTP/1.1 (RFC 9113 section 8.2.2), nor said elsewhere.
fn fields(lines: FieldLines<'_, '_>) -> Option<HeaderMap> {
    let mut fields = HeaderMap::with_capacity(lines.0.len());
    for line in lines.0 {
        // Of `TE`, nothing but `trailers` is ever composed, which HTTP/2 has too.
        let dropped = matches!(
            Field::of(line.name),
            Field::Host | Field::Connection | Field::TransferEncoding | Field::Upgrade | Field::HopByHop
        );
        if !dropped {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            fields.try_append(name, HeaderValue::from_bytes(line.value).ok()?).ok()?;
        }
    }
    Some(fields)
}

/// The field lines. Spaces around a value are malformed (RFC 9113 section 8.2.1).
fn field_lines<'h, 'b>(
    fields: &'b HeaderMap,
    lines: &'h mut Vec<httparse::Header<'b>>,
    limits: HeadLimits,
) -> Result<FieldLines<'h, 'b>, Refusal> {
    if fields.len() > limits.fields.min(MAX_FIELDS) {
        return Err(Refusal::TooManyFields);
    }
    lines.extend(fields.iter().map(|(name, value)| httparse::Header { name: name.as_str(), value: value.as_bytes() }));
    let is_padded = |line: &httparse::Header<'_>| line.value.trim_ascii().len() < line.value.len();
    if lines.iter().any(is_padded) { Err(Refusal::Malformed) } else { Ok(FieldLines(lines)) }
}

/// The value of the `Sec-WebSocket-Accept` that `request`, composed as HTTP/1.1, is answered; `None` when it has no key.
pub fn websocket_accept(request: &[u8]) -> Option<String> {
    let limits = HeadLimits { bytes: usize::MAX, fields: MAX_FIELDS };
    let mut slots = slots();
    let Ok(Progress::Complete(head, _)) = RequestHead::parse(request, &mut slots, limits) else { return None };
    let key = head.fields.0.iter().find(|line| line.name.eq_ignore_ascii_case(SEC_WEBSOCKET_KEY.as_str()))?;
    Some(accept(key.value))
}

impl<'h, 'b> ResponseHead<'h, 'b> {
    /// Reads the head of an HTTP/2 response, with `lines` for its fields, the answer to a request whose method is HEAD or
    /// is not; `over`: the stream has ended with it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_http2(
        response: &'b Response<()>,
        over: bool,
        lines: &'h mut Vec<httparse::Header<'b>>,
        limits: HeadLimits,
        to_head: bool,
    ) -> Result<Self, Refusal> {
        let facts = Facts::of_response(field_lines(response.headers(), lines, limits)?, Version::Http2)?;
        if facts.is_about_connection() {
            return Err(Refusal::Malformed);
        }
        let code = response.status().as_u16();
        // RFC 9113 section 8.6: there is no switching of protocols.
        if code == 101 {
            return Err(Refusal::Malformed);
        }
        let bodyless = to_head || code < 200 || code == 204 || code == 304;
        let length = facts.content_length;
        if over && !bodyless && length.is_none() {
            // What HTTP/2 says by the stream's end.
            lines.push(httparse::Header { name: "content-length", value: b"0" });
        }
        let body = if bodyless || over { BodyLength::Sized(0) } else { BodyLength::Stream(length) };
        let fields = FieldLines(lines);
        Ok(Self { code, reason: "", fields, body, persists: true, connection: Connection::default() })
    }

    /// The 101 that an HTTP/1.1 client knows this for, a 2xx to an extended CONNECT for a WebSocket (RFC 8441 section
    /// 5.1), with `lines` for its fields; `accept`: the value of its `Sec-WebSocket-Accept`.
    pub fn switch<'s>(
        &self,
        lines: &'s mut Vec<httparse::Header<'b>>,
        accept: Option<&'b str>,
    ) -> ResponseHead<'s, 'b> {
        let kept = |line: &&httparse::Header<'b>| !line.name.eq_ignore_ascii_case("sec-websocket-accept");
        lines.extend(self.fields.0.iter().filter(kept));
        lines.push(httparse::Header { name: "upgrade", value: b"websocket" });
        lines.extend(accept.map(|accept| httparse::Header { name: "sec-websocket-accept", value: accept.as_bytes() }));
        let connection = Connection { upgrade: true, ..Connection::default() };
        let (reason, fields) = ("Switching Protocols", FieldLines(lines));
        ResponseHead { code: 101, reason, fields, body: BodyLength::Sized(0), persists: true, connection }
    }
}

#[cfg(test)]
#[path = "http2_backend_tests.rs"]
mod tests;
