//! HTTP/1.1 as the RFCs let a sender write it, read by a parser that shares nothing with the one under test.
//!
//! Whatever has a second reading is an error: RFC 9112 lets recipients accept some of it, and others do not.

/// A message with its one reading.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The three parts of the first line.
    pub(super) start: [String; 3],
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

/// What is at the beginning of some bytes.
#[derive(Debug)]
pub(super) enum Reading {
    /// A message, and its length.
    Whole(Message, usize),
    /// The beginning of one; with what is known of it once its head is whole.
    Incomplete(Option<Message>),
    /// A message whose body is all that comes until the connection ends.
    UntilEnd(Message),
}

/// How a body ends.
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilEnd,
}

/// Fields that are for one hop, and that a proxy keeps to itself (RFC 9110 section 7.6.1).
const HOP_BY_HOP: &[&str] =
    &["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "http2-settings"];
/// Fields that must come in time to be of use: they frame, route, or are trusted (RFC 9110 section 6.5.1).
const NEVER_LATE: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "te",
    "upgrade",
    "expect",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

impl Message {
    /// Every value of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice()).collect()
    }

    /// The value of a field that is there at most once.
    fn one(&self, name: &str) -> Result<Option<&[u8]>, String> {
        match self.all(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("{name} more than once: {self:?}")),
        }
    }

    /// The members of a list, in small letters.
    fn list(&self, name: &str) -> Vec<String> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).to_ascii_lowercase();
        let members = |value: String| value.split(',').map(|member| member.trim().to_owned()).collect::<Vec<_>>();
        self.all(name).into_iter().flat_map(|value| members(text(value))).collect()
    }

    /// What both directions have in common.
    fn check(&self) -> Result<(), String> {
        for name in HOP_BY_HOP {
            if !self.all(name).is_empty() {
                return Err(format!("{name} is for one hop: {self:?}"));
            }
        }
        let connection = self.list("connection");
        if let Some(other) = connection.iter().find(|o| !["te", "upgrade", "close", "keep-alive"].contains(&o.as_str()))
        {
            return Err(format!("Connection names {other:?}: {self:?}"));
        }
        for name in ["te", "upgrade"] {
            if self.one(name)?.is_some() != connection.iter().any(|option| option == name) {
                return Err(format!("{name} and Connection do not say the same: {self:?}"));
            }
        }
        if self.one("te")?.is_some_and(|te| te != b"trailers") {
            return Err(format!("TE is for this hop: {self:?}"));
        }
        let carries_http = |name: &String| ["h2", "h2c", "http", "tls"].contains(&name.split('/').next().unwrap_or(""));
        if self.list("upgrade").iter().any(carries_http) {
            return Err(format!("an upgrade to what is HTTP again: {self:?}"));
        }
        Ok(())
    }

    fn framing(&self) -> Result<Option<Framing>, String> {
        match (self.one("transfer-encoding")?, self.one("content-length")?) {
            (Some(_), Some(_)) => Err(format!("two framings: {self:?}")),
            (Some(coding), None) if coding == b"chunked" => Ok(Some(Framing::Chunked)),
            (Some(_), None) => Err(format!("a coding that is not chunked: {self:?}")),
            (None, Some(digits)) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
                let digits = String::from_utf8_lossy(digits);
                digits.parse().map(|length| Some(Framing::Length(length))).map_err(|_| format!("a length: {self:?}"))
            }
            (None, Some(_)) => Err(format!("a length that is no number: {self:?}")),
            (None, None) => Ok(None),
        }
    }

    /// A whole message, or the beginning of one, whose head ends at `head` in `bytes`.
    fn with_body(mut self, bytes: &[u8], head: usize, framing: &Framing) -> Result<Reading, String> {
        let rest = &bytes[head..];
        match *framing {
            Framing::UntilEnd => {
                self.body = rest.to_vec();
                Ok(Reading::UntilEnd(self))
            }
            Framing::None => Ok(Reading::Whole(self, head)),
            Framing::Length(length) if rest.len() < length => Ok(Reading::Incomplete(Some(self))),
            Framing::Length(length) => {
                self.body = rest[..length].to_vec();
                Ok(Reading::Whole(self, head + length))
            }
            Framing::Chunked => match chunks(rest)? {
                None => Ok(Reading::Incomplete(Some(self))),
                Some((body, length)) => {
                    self.body = body;
                    Ok(Reading::Whole(self, head + length))
                }
            },
        }
    }
}

/// The request at the beginning of `bytes`.
pub(super) fn request(bytes: &[u8]) -> Result<Reading, String> {
    let Some((message, length)) = head(bytes)? else { return Ok(Reading::Incomplete(None)) };
    let [method, target, version] = &message.start;
    let is_target = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let is_form = target.starts_with('/') || (target == "*" && method == "OPTIONS");
    if !is_token(method.as_bytes()) || !is_target || !is_form || version != "HTTP/1.1" {
        return Err(format!("a request line: {:?}", message.start));
    }
    let host = message.one("host")?.ok_or_else(|| format!("no Host: {message:?}"))?;
    if !host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)) {
        return Err(format!("a Host: {message:?}"));
    }
    message.check()?;
    let framing = message.framing()?.unwrap_or(Framing::None);
    message.with_body(bytes, length, &framing)
}

/// The response at the beginning of `bytes`, to HEAD or not.
pub(super) fn response(bytes: &[u8], to_head: bool) -> Result<Reading, String> {
    let Some((message, length)) = head(bytes)? else { return Ok(Reading::Incomplete(None)) };
    let [version, code, _] = &message.start;
    if version != "HTTP/1.1" || code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) || code.starts_with('0') {
        return Err(format!("a status line: {:?}", message.start));
    }
    message.check()?;
    let framing = message.framing()?;
    let is_interim = code.starts_with('1');
    if (is_interim || code == "204") && framing.is_some() {
        return Err(format!("RFC 9112 section 6.1 and RFC 9110 section 8.6 allow no framing here: {message:?}"));
    }
    let framing = match framing {
        _ if is_interim || to_head || code == "204" || code == "304" => Framing::None,
        Some(framing) => framing,
        None => Framing::UntilEnd,
    };
    message.with_body(bytes, length, &framing)
}

/// A head and its length, if it is whole.
fn head(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = &bytes[..end];
    let crooked = |what: &str| format!("{what}: {:?}", String::from_utf8_lossy(text));
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|window| window == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    if lines.iter().any(|line| line.iter().any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)) {
        return Err(crooked("a control character"));
    }
    let start = String::from_utf8(lines[0].to_vec()).map_err(|_| crooked("a start line"))?;
    let mut parts = start.splitn(3, ' ').map(str::to_owned);
    let mut part = || parts.next().ok_or_else(|| crooked("a start line"));
    let start = [part()?, part()?, part()?];
    let fields = lines[1..].iter().map(|line| field(line)).collect::<Result<_, _>>()?;
    Ok(Some((Message { start, fields, body: Vec::new() }, end + 4)))
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let crooked = || format!("a field: {:?}", String::from_utf8_lossy(line));
    let colon = line.iter().position(|&byte| byte == b':').ok_or_else(crooked)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err(crooked());
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.trim_ascii().to_vec()))
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A chunked body and its length, if it is whole: no extensions, since a proxy that writes its own chunks has none.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&bytes[at..])? else { return Ok(None) };
        at += line.len() + 2;
        let digits =
            std::str::from_utf8(line).ok().filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let size = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| format!("a chunk's size: {:?}", String::from_utf8_lossy(line)))?;
        if size == 0 {
            break;
        }
        let Some(chunk) = bytes[at..].get(..size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        at += size;
        match bytes[at..].get(..2) {
            None => return Ok(None),
            Some(b"\r\n") => at += 2,
            Some(other) => return Err(format!("behind a chunk: {other:?}")),
        }
    }
    loop {
        let Some(line) = line(&bytes[at..])? else { return Ok(None) };
        at += line.len() + 2;
        if line.is_empty() {
            return Ok(Some((body, at)));
        }
        let (name, _) = field(line)?;
        let name = name.to_ascii_lowercase();
        if NEVER_LATE.contains(&name.as_str()) || HOP_BY_HOP.contains(&name.as_str()) {
            return Err(format!("a trailer: {name}"));
        }
    }
}

/// A line without its end, if that has come.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
    let line = &bytes[..at];
    if line.iter().any(|&byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        Err(format!("a control character: {:?}", String::from_utf8_lossy(line)))
    } else {
        Ok(Some(line))
    }
}
