//! Reads message heads: where one ends, what it says, and whether it can be read in one way only.

use super::field::{Connection, Field, FieldLines, list};
use super::reply::Refusal;
use super::target::{Authority, Target};
use super::upgrade::{accepts, protocols};
use std::mem::MaybeUninit;

/// The most header fields that can be parsed; the config's limit is at most this.
pub const MAX_FIELDS: usize = 256;

/// Room for the parsed fields of one message, on the stack.
pub type Slots<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_FIELDS];

/// Empty [`Slots`].
pub fn slots<'b>() -> Slots<'b> {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
}

/// A message's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// How a body's end is found (RFC 9112 section 6.3, RFC 9113 section 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// After this many bytes; 0 is no body.
    Sized(u64),
    /// By its chunks.
    Chunked,
    /// When the connection closes; responses only.
    UntilClose,
    /// When its HTTP/2 stream ends, after as many bytes as the head says, if it says so.
    Stream(Option<u64>),
}

/// How much head a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes, start line included.
    pub bytes: usize,
    /// Header fields; at most [`MAX_FIELDS`].
    pub fields: usize,
}

/// How far the head at the beginning of a buffer has come.
#[derive(Debug)]
pub enum Progress<T> {
    /// More bytes are needed.
    Partial,
    /// The head, and its length in bytes.
    Complete(T, usize),
}

/// Looks for the end of a head as its bytes arrive, each byte once.
#[derive(Debug, Default)]
pub struct Scan {
    seen: usize,
}

/// A request's head, refused unless it has one reading.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a header field states")]
pub struct RequestHead<'h, 'b> {
    /// The method, as sent.
    pub method: &'b str,
    /// The path of the target, or `*`.
    pub path: &'b str,
    /// What follows the path's `?`, if there is one.
    pub query: Option<&'b str>,
    /// Where the request goes: the target's authority, or else `Host`. `None` from HTTP/1.0 clients alone.
    pub authority: Option<&'b str>,
    /// The authority without its port; empty when there is none.
    pub host: &'b str,
    /// The client's version.
    pub version: Version,
    /// The header fields, as sent.
    pub fields: FieldLines<'h, 'b>,
    /// How the body ends; never [`BodyLength::UntilClose`].
    pub body: BodyLength,
    /// The client waits for a 100 before it sends the body.
    pub expects_continue: bool,
    /// The client takes trailers.
    pub takes_trailers: bool,
    /// The client offers to switch to another protocol, one that is passed on.
    pub upgrades: bool,
    /// Its `Cookie` lines are parts of one (RFC 9113 section 8.2.3).
    pub(super) crumbs: bool,
    pub(super) connection: Connection,
}

/// A response's head, refused unless it has one reading.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// The status code, 100 to 999.
    pub code: u16,
    /// The reason phrase; may be empty.
    pub reason: &'b str,
    /// The header fields, as sent.
    pub fields: FieldLines<'h, 'b>,
    /// How the body ends.
    pub body: BodyLength,
    /// The backend keeps the connection open after this response.
    pub persists: bool,
    pub(super) connection: Connection,
}

impl Scan {
    /// Looks at what has come to `bytes` since the last call: the length of the head if it is whole.
    ///
    /// # Errors
    /// [`Refusal::BareLineFeed`]: RFC 9112 section 2.2 lets a recipient take a lone LF for a line's end, and others do
    /// not, which is two readings.
    pub fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        for found in memchr::memchr_iter(b'\n', &bytes[self.seen..]) {
            let at = self.seen + found;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refusal::BareLineFeed);
            }
            if bytes[..at - 1].ends_with(b"\r\n") {
                return Ok(Some(at + 1));
            }
        }
        self.seen = bytes.len();
        Ok(None)
    }
}

impl<'h, 'b> RequestHead<'h, 'b> {
    /// Reads the head at the beginning of `bytes`, which has been found whole or is looked at for early errors.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &'b [u8], slots: &'h mut Slots<'b>, limits: HeadLimits) -> Result<Progress<Self>, Refusal> {
        let mut request = httparse::Request::new(&mut []);
        let slots = &mut slots[..limits.fields.min(MAX_FIELDS)];
        let length = match request.parse_with_uninit_headers(bytes, slots) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(Progress::Partial),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
            Err(httparse::Error::Version) => return Err(version_refusal(bytes)),
            Err(_) => return Err(Refusal::Malformed),
        };
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(Refusal::Malformed);
        };
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        let fields = FieldLines(request.headers);
        let facts = Facts::of_request(fields, version)?;
        let target = Target::parse(method, target)?;
        // RFC 9112 section 3.2: also where the target names another one.
        if facts.host.is_none() && version == Version::Http11 {
            return Err(Refusal::Host);
        }
        let authority = target.authority.or(facts.host);
        let head = Self {
            method,
            path: target.path,
            query: target.query,
            authority: authority.map(|authority| authority.whole),
            host: authority.map_or("", |authority| authority.host),
            version,
            fields,
            body: facts.request_body(),
            expects_continue: facts.expects_continue && version == Version::Http11,
            takes_trailers: facts.takes_trailers,
            // RFC 9110 section 7.8: in an HTTP/1.0 request an `Upgrade` is ignored, as is one that `Connection` does not name.
            upgrades: facts.connection.upgrade && version == Version::Http11 && protocols(fields).next().is_some(),
            crumbs: false,
            connection: facts.connection,
        };
        Ok(Progress::Complete(head, length))
    }

    /// Whether the client keeps the connection open after this request.
    pub fn persists(&self) -> bool {
        self.connection.persists(self.version)
    }
}

impl<'h, 'b> ResponseHead<'h, 'b> {
    /// Reads the head at the beginning of `bytes`, the answer to a request whose method is HEAD or is not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(
        bytes: &'b [u8],
        slots: &'h mut Slots<'b>,
        limits: HeadLimits,
        to_head: bool,
    ) -> Result<Progress<Self>, Refusal> {
        let mut response = httparse::Response::new(&mut []);
        let slots = &mut slots[..limits.fields.min(MAX_FIELDS)];
        let config = httparse::ParserConfig::default();
        let length = match config.parse_response_with_uninit_headers(&mut response, bytes, slots) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(Progress::Partial),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
            Err(_) => return Err(Refusal::Malformed),
        };
        let (Some(code), Some(minor)) = (response.code, response.version) else { return Err(Refusal::Malformed) };
        // RFC 9110 section 15: the first digit is the class, and there is none of 0.
        if code < 100 {
            return Err(Refusal::Malformed);
        }
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        let fields = FieldLines(response.headers);
        if has_bare_line_feed(&bytes[..length], fields) {
            return Err(Refusal::BareLineFeed);
        }
        let facts = Facts::of_response(fields, version)?;
        let bodyless = to_head || code < 200 || code == 204 || code == 304;
        let body = match (bodyless, facts.chunked, facts.content_length) {
            (true, _, _) => BodyLength::Sized(0),
            (false, true, _) => BodyLength::Chunked,
            (false, false, Some(length)) => BodyLength::Sized(length),
            (false, false, None) => BodyLength::UntilClose,
        };
        let persists = facts.connection.persists(version) && body != BodyLength::UntilClose;
        let reason = response.reason.unwrap_or("");
        Ok(Progress::Complete(Self { code, reason, fields, body, persists, connection: facts.connection }, length))
    }
}

impl ResponseHead<'_, '_> {
    /// Whether this 101 switches to a protocol that was offered by `request`, the whole head that the backend was sent.
    pub fn switches(&self, request: &[u8]) -> bool {
        // The limits are for what comes from others; this was written here.
        let limits = HeadLimits { bytes: usize::MAX, fields: MAX_FIELDS };
        let mut slots = slots();
        let parsed = RequestHead::parse(request, &mut slots, limits);
        // RFC 9110 section 7.8: whoever sends `Upgrade` says in `Connection` that it is for this hop.
        self.connection.upgrade
            && matches!(parsed, Ok(Progress::Complete(head, _)) if head.upgrades && accepts(self.fields, head.fields))
    }
}

/// What the header fields say about the message itself.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that a header field states")]
pub(super) struct Facts<'b> {
    pub(super) host: Option<Authority<'b>>,
    pub(super) content_length: Option<u64>,
    has_transfer_encoding: bool,
    chunked: bool,
    pub(super) expects_continue: bool,
    pub(super) takes_trailers: bool,
    connection: Connection,
}

impl<'b> Facts<'b> {
    pub(super) fn of_request(fields: FieldLines<'_, 'b>, version: Version) -> Result<Self, Refusal> {
        let mut facts = Self::default();
        for line in fields.0 {
            match Field::of(line.name) {
                Field::Host => {
                    let host = Authority::parse(line.value).ok_or(Refusal::Host)?;
                    if facts.host.replace(host).is_some() {
                        return Err(Refusal::Host);
                    }
                }
                Field::ContentLength if facts.content_length.is_some() => return Err(Refusal::ContentLength),
                Field::ContentLength => facts.content_length = Some(content_length(line.value)?),
                Field::TransferEncoding => facts.transfer_encoding(line.value)?,
                Field::Connection => facts.connection.add(line.value),
                Field::Te => facts.takes_trailers |= list(line.value).any(|te| te.eq_ignore_ascii_case(b"trailers")),
                Field::Expect => {
                    if !line.value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Refusal::Expectation);
                    }
                    facts.expects_continue = true;
                }
                _ => {}
            }
        }
        facts.check_framing(version)?;
        Ok(facts)
    }

    pub(super) fn of_response(fields: FieldLines<'_, 'b>, version: Version) -> Result<Self, Refusal> {
        let mut facts = Self::default();
        for line in fields.0 {
            match Field::of(line.name) {
                Field::ContentLength => {
                    // A list of the same value may be read as that value (RFC 9110 section 8.6).
                    let mut members = line.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                    members.try_for_each(|member| match facts.content_length.replace(content_length(member)?) {
                        Some(before) if Some(before) != facts.content_length => Err(Refusal::ContentLength),
                        _ => Ok(()),
                    })?;
                }
                Field::TransferEncoding => facts.transfer_encoding(line.value)?,
                Field::Connection => facts.connection.add(line.value),
                _ => {}
            }
        }
        facts.check_framing(version)?;
        Ok(facts)
    }

    /// Only `chunked`, and only once: other codings are not ours to undo, and a proxy that passes on what it cannot
    /// read leaves the framing to somebody else's parser.
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.has_transfer_encoding = true;
        for coding in list(value) {
            if self.chunked {
                return Err(Refusal::TransferEncoding);
            }
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferCoding);
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn check_framing(&self, version: Version) -> Result<(), Refusal> {
        match self.has_transfer_encoding {
            true if !self.chunked || version == Version::Http10 => Err(Refusal::TransferEncoding),
            true if self.content_length.is_some() => Err(Refusal::TwoLengths),
            _ => Ok(()),
        }
    }

    /// Whether any field is about a connection of HTTP/1.1.
    pub(super) fn is_about_connection(&self) -> bool {
        self.has_transfer_encoding || self.connection != Connection::default()
    }

    fn request_body(&self) -> BodyLength {
        if self.chunked { BodyLength::Chunked } else { BodyLength::Sized(self.content_length.unwrap_or(0)) }
    }
}

/// Whether it is another version that is asked for, or a space in the target that makes its rest look like one.
fn version_refusal(bytes: &[u8]) -> Refusal {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or(bytes);
    let mut parts = line.splitn(3, |&byte| byte == b' ').skip(2);
    if parts.next().is_some_and(|version| version.starts_with(b"HTTP/") && !version.contains(&b' ')) {
        Refusal::Version
    } else {
        Refusal::Malformed
    }
}

/// Whether a line of `head`, whose parsed lines are `fields`, ends in LF alone: as [`Scan`] finds it in requests, but
/// looked for where lines can end alone, at the beginnings of the next ones.
fn has_bare_line_feed(head: &[u8], fields: FieldLines<'_, '_>) -> bool {
    let begins = |line: &httparse::Header<'_>| line.name.as_ptr().addr() - head.as_ptr().addr();
    // Where a line begins, another one has ended.
    let alone = |begins: usize| begins < 2 || head[begins - 2] != b'\r';
    !head.ends_with(b"\r\n\r\n") || fields.0.iter().any(|line| alone(begins(line)))
}

/// Digits alone (RFC 9110 section 8.6).
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    let number = value.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { number.checked_mul(10)?.checked_add(u64::from(digit)) }
    });
    number.filter(|_| !value.is_empty()).ok_or(Refusal::ContentLength)
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
