//! The responses that Serin makes itself.

use super::compose::line;
use super::grpc;
use crate::plan::HeaderChanges;
use ::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::fmt;
use std::io::Write;

/// Why a client's request is not read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a request line and header fields.
    #[error("the message is not HTTP/1.1")]
    Malformed,
    /// A line that ends in LF alone.
    #[error("a line ends in LF without CR")]
    BareLineFeed,
    /// Not HTTP/1.0 or HTTP/1.1.
    #[error("only HTTP/1.0 and HTTP/1.1 are spoken here")]
    Version,
    /// No `Host`, more than one, or one that is not an authority.
    #[error("exactly one valid Host field is needed")]
    Host,
    /// Not a path, and not an absolute `http` or `https` address.
    #[error("the request target is not valid")]
    Target,
    /// Not one number.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// `Content-Length` and `Transfer-Encoding` together.
    #[error("Content-Length and Transfer-Encoding are both present")]
    TwoLengths,
    /// `Transfer-Encoding` where it may not be, or `chunked` twice.
    #[error("Transfer-Encoding does not end in one chunked")]
    TransferEncoding,
    /// A transfer coding that is not `chunked`.
    #[error("the only transfer coding understood is chunked")]
    TransferCoding,
    /// A body that is not in chunks, though it should be.
    #[error("the chunked body is malformed")]
    Chunk,
    /// An `Expect` that is not `100-continue`.
    #[error("the only expectation understood is 100-continue")]
    Expectation,
    /// The method CONNECT: this is no tunnel.
    #[error("CONNECT is not offered here")]
    Connect,
    /// An extended CONNECT for another protocol than WebSocket.
    #[error("the only protocol that can be connected to is websocket")]
    Protocol,
    /// More bytes of head than the limit.
    #[error("the header section is too large")]
    HeadTooLarge,
    /// More header fields than the limit.
    #[error("there are too many header fields")]
    TooManyFields,
    /// The head did not come in time.
    #[error("the request did not arrive in time")]
    TooSlow,
}

impl Refusal {
    /// The status code of the answer.
    pub fn code(self) -> u16 {
        match self {
            Self::Connect => 405,
            Self::TooSlow => 408,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::TransferCoding | Self::Protocol => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}

/// Why Serin answers a request that it understood; the value of `x-serin-reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What the client sent was refused.
    Refused(Refusal),
    /// No rule matches.
    NoRoute,
    /// Every weight of the rule is 0.
    NoWeight,
    /// None of the rule's backends has an endpoint that may be used.
    NoEndpoint,
    /// The backend has as much under way as it may have.
    Overload,
    /// No connection to the backend could be opened.
    ConnectFailed,
    /// No connection to the backend was open in time.
    ConnectTimeout,
    /// The backend closed the connection before it answered.
    Reset,
    /// The backend's answer is not HTTP/1.1.
    BadResponse,
    /// The backend's answer did not come in time.
    ResponseHeadTimeout,
    /// The request's own time ran out.
    RequestTimeout,
    /// The backend's answer broke off, which only an answer that says how it ended in its trailers can still say.
    BrokenOff,
    /// The backend takes no `WebSocket` over HTTP/2.
    NoWebSocket,
    /// The client asks more often than it may.
    RateLimited {
        /// When it may ask again, in seconds; at least 1.
        retry_after: u32,
    },
    /// The request's body is larger than it may be.
    BodyTooLarge,
}

impl Reason {
    /// The status code of the answer.
    pub fn code(self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NoRoute => 404,
            Self::BodyTooLarge => 413,
            Self::RateLimited { .. } => 429,
            Self::NoWeight => 500,
            Self::NoWebSocket => 501,
            Self::Reset | Self::BadResponse | Self::BrokenOff => 502,
            Self::NoEndpoint | Self::Overload | Self::ConnectFailed => 503,
            Self::ConnectTimeout | Self::ResponseHeadTimeout | Self::RequestTimeout => 504,
        }
    }

    /// The value of `x-serin-reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::NoRoute => "no-route",
            Self::NoWeight => "no-weight",
            Self::NoEndpoint => "no-endpoint",
            Self::Overload => "overload",
            Self::ConnectFailed => "connect-failed",
            Self::ConnectTimeout => "connect-timeout",
            Self::Reset => "reset",
            Self::BadResponse => "bad-response",
            Self::ResponseHeadTimeout => "response-head-timeout",
            Self::RequestTimeout => "request-timeout",
            Self::BrokenOff => "broken-off",
            Self::NoWebSocket => "no-websocket",
            Self::RateLimited { .. } => "rate-limited",
            Self::BodyTooLarge => "body-too-large",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Refused(_) => "the request was refused",
            Self::NoRoute => "no rule matches this request",
            Self::NoWeight => "every backend of this rule has weight 0",
            Self::NoEndpoint => "the backend has no endpoint",
            Self::Overload => "the backend has as much under way as it may have",
            Self::ConnectFailed => "could not connect to the backend",
            Self::ConnectTimeout => "the backend did not accept the connection in time",
            Self::Reset => "the backend closed the connection before it answered",
            Self::BadResponse => "the backend's answer is not valid HTTP",
            Self::ResponseHeadTimeout => "the backend did not answer in time",
            Self::RequestTimeout => "the request took longer than it may",
            Self::BrokenOff => "the backend broke off its answer",
            Self::NoWebSocket => "the backend takes no WebSockets",
            Self::RateLimited { .. } => "there are more requests from this client than there may be",
            Self::BodyTooLarge => "the request's body is larger than it may be",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            reason => f.write_str(reason.sentence()),
        }
    }
}

/// What asks for an answer of Serin's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A HEAD, whose answer has no content.
    Head,
    /// A gRPC request: its answer is one in gRPC's way, of a head alone (`Trailers-Only`), under the status 200.
    Grpc,
    /// Any other.
    Plain,
}

/// A whole response of Serin's own.
#[derive(Debug)]
pub struct Reply<'a> {
    says: Says<'a>,
    /// One line of text, unless what asked wants to be told otherwise; or nothing.
    body: String,
    asked: Asked,
    /// In seconds, where that is said.
    retry_after: Option<String>,
    date: &'a [u8],
    changes: Option<&'a HeaderChanges>,
}

#[derive(Debug, Clone, Copy)]
enum Says<'a> {
    Reason(Reason),
    Location(u16, &'a [u8]),
}

impl<'a> Reply<'a> {
    /// The answer that says `reason`; `date` is the `Date` field's value. `changes` are what the request's rule does to
    /// the fields of responses, and have the last word.
    pub fn new(reason: Reason, asked: Asked, date: &'a [u8], changes: Option<&'a HeaderChanges>) -> Self {
        let body = if asked == Asked::Grpc { String::new() } else { format!("{} {reason}\n", reason.code()) };
        let retry_after = match reason {
            Reason::RateLimited { retry_after } => Some(retry_after.to_string()),
            _ => None,
        };
        Self { says: Says::Reason(reason), body, asked, retry_after, date, changes }
    }

    /// The answer with this code that sends the client to `location`; it has no content, whatever asks.
    pub fn redirect(code: u16, location: &'a [u8], date: &'a [u8], changes: Option<&'a HeaderChanges>) -> Self {
        let (body, asked) = (String::new(), Asked::Plain);
        Self { says: Says::Location(code, location), body, asked, retry_after: None, date, changes }
    }

    /// Appends it to `out` as HTTP/1.1.
    pub fn compose(&self, out: &mut Vec<u8>, close: bool) {
        let code = self.code();
        let phrase = StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("");
        write!(out, "HTTP/1.1 {code} {phrase}\r\n").expect("writing to memory");
        let close = close.then_some(("connection", &b"close"[..]));
        for (name, value) in self.fields(self.body.len().to_string().as_bytes()).chain(close) {
            line(out, name.as_bytes(), value);
        }
        for (name, value) in &self.trailers() {
            line(out, name.as_str().as_bytes(), value.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.content());
    }

    /// Its head for HTTP/2.
    pub fn head(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(self.code()).expect("it is one");
        for (name, value) in self.fields(self.body.len().to_string().as_bytes()) {
            let name =
                HeaderName::from_bytes(name.as_bytes()).expect("it was written here, or checked with the config");
            response.headers_mut().append(name, HeaderValue::from_bytes(value).expect("as its name was"));
        }
        response.headers_mut().extend(self.trailers());
        response
    }

    /// Its content, which is empty where there is to be none.
    pub fn content(&self) -> &[u8] {
        if self.asked == Asked::Plain { self.body.as_bytes() } else { &[] }
    }

    fn code(&self) -> u16 {
        match self.says {
            Says::Location(code, _) => code,
            Says::Reason(_) if self.asked == Asked::Grpc => 200,
            Says::Reason(reason) => reason.code(),
        }
    }

    /// What tells a gRPC caller how it went.
    fn trailers(&self) -> HeaderMap {
        match self.says {
            Says::Reason(reason) if self.asked == Asked::Grpc => grpc::trailers(reason),
            Says::Reason(_) | Says::Location(..) => HeaderMap::new(),
        }
    }

    fn fields<'f>(&'f self, length: &'f [u8]) -> impl Iterator<Item = (&'f str, &'f [u8])> {
        let allow: &[u8] = b"GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";
        let (label, kind, location): (_, Option<&[u8]>, _) = match self.says {
            Says::Location(_, location) => ("redirect", None, Some(location)),
            Says::Reason(reason) if self.asked == Asked::Grpc => (reason.label(), Some(b"application/grpc"), None),
            Says::Reason(reason) => (reason.label(), Some(b"text/plain"), None),
        };
        let fields: [(&'f str, Option<&'f [u8]>); 7] = [
            ("location", location),
            ("content-type", kind),
            ("content-length", Some(length)),
            ("x-serin-reason", Some(label.as_bytes())),
            ("allow", (self.code() == 405).then_some(allow)),
            ("retry-after", self.retry_after.as_deref().map(str::as_bytes)),
            ("date", Some(self.date)),
        ];
        let stays = |name: &str| self.changes.is_none_or(|changes| !changes.drops(name));
        let own = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let added = self.changes.into_iter().flat_map(HeaderChanges::appended);
        own.filter(move |(name, _)| stays(name)).chain(added.map(|(name, value)| (name, value.as_bytes())))
    }
}
