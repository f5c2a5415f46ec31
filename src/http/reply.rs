//! The responses that Serin makes itself.

use super::compose::{append, line};
use crate::plan::HeaderChanges;
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
            Self::TransferCoding => 501,
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
}

impl Reason {
    /// The status code of the answer.
    pub fn code(self) -> u16 {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::NoRoute => 404,
            Self::NoWeight => 500,
            Self::Reset | Self::BadResponse => 502,
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
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Refused(_) => "",
            Self::NoRoute => "no rule matches this request",
            Self::NoWeight => "every backend of this rule has weight 0",
            Self::NoEndpoint => "the backend has no endpoint",
            Self::Overload => "the backend has as much under way as it may have",
            Self::ConnectFailed => "the backend refused the connection",
            Self::ConnectTimeout => "the backend did not accept the connection in time",
            Self::Reset => "the backend closed the connection before it answered",
            Self::BadResponse => "the backend's answer is not valid HTTP/1.1",
            Self::ResponseHeadTimeout => "the backend did not answer in time",
            Self::RequestTimeout => "the request took longer than it may",
        }
    }
}

/// How a response of Serin's own is sent.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// The connection closes after it.
    pub close: bool,
    /// It answers HEAD, and so has no body.
    pub to_head: bool,
    /// The value of `Date`.
    pub date: &'a [u8],
    /// What the request's rule does to the fields of responses. The changes have the last word.
    pub changes: Option<&'a HeaderChanges>,
}

/// Appends a whole response to `out`: one line of text, which a response to HEAD leaves out.
pub fn compose_reply(out: &mut Vec<u8>, reason: Reason, reply: &Reply<'_>) {
    let code = reason.code();
    let body = match reason {
        Reason::Refused(refusal) => format!("{code} {refusal}\n"),
        _ => format!("{code} {}\n", reason.sentence()),
    };
    let length = itoa::Buffer::new().format(body.len()).to_owned();
    let allow = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";
    let fields = [
        ("content-type", "text/plain".as_bytes()),
        ("content-length", length.as_bytes()),
        ("x-serin-reason", reason.label().as_bytes()),
        ("allow", allow.as_bytes()),
    ];
    let fields = &fields[..if code == 405 { 4 } else { 3 }];
    compose_own(out, code, fields, reply);
    if !reply.to_head {
        out.extend_from_slice(body.as_bytes());
    }
}

/// Appends the head of a response of Serin's own, with these fields and those that every one has.
pub(super) fn compose_own(out: &mut Vec<u8>, code: u16, fields: &[(&str, &[u8])], reply: &Reply<'_>) {
    let phrase = ::http::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or("");
    write!(out, "HTTP/1.1 {code} {phrase}\r\n").expect("writing to memory");
    for (name, value) in fields.iter().copied().chain([("date", reply.date)]) {
        if !reply.changes.is_some_and(|changes| changes.drops(name)) {
            line(out, name.as_bytes(), value);
        }
    }
    append(out, reply.changes);
    if reply.close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}
