//! What a client asks for (RFC 9113 section 8.3.1), held to what HTTP/2 itself says of a message: which fields there are,
//! in which order, and which characters they may be of. What they mean is the business of the room above.

use super::hpack::FieldSection;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The field section that begins a request.
#[derive(Debug)]
pub struct RequestSection {
    section: FieldSection,
    /// Where the pseudo-header fields are.
    pseudo: [Option<u8>; PSEUDO.len()],
    /// Where the other fields begin.
    regular: usize,
    content_length: Option<u64>,
}

/// A message that is none (RFC 9113 section 8.1.1): an error of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

const PSEUDO: [&[u8]; 5] = [b":method", b":scheme", b":authority", b":path", b":protocol"];
const METHOD: usize = 0;
const SCHEME: usize = 1;
const AUTHORITY: usize = 2;
const PATH: usize = 3;
const PROTOCOL: usize = 4;

impl RequestSection {
    pub(super) fn new(section: FieldSection) -> Result<Self, Malformed> {
        let mut pseudo = [None; PSEUDO.len()];
        let mut regular = 0;
        for (name, value) in section.fields().take_while(|(name, _)| name.first() == Some(&b':')) {
            let kind = PSEUDO.iter().position(|known| *known == name).ok_or(Malformed)?;
            let is_right = if kind == METHOD { is_token(value) } else { value.iter().all(u8::is_ascii_graphic) };
            if !is_right || pseudo[kind].replace(u8::try_from(regular).map_err(|_| Malformed)?).is_some() {
                return Err(Malformed);
            }
            regular += 1;
        }
        let content_length = checked(&section, regular)?;
        let request = Self { section, pseudo, regular, content_length };
        // Of one that is too large some fields are missing.
        if request.is_too_large() || request.has_what_it_needs() { Ok(request) } else { Err(Malformed) }
    }

    /// RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4.
    fn has_what_it_needs(&self) -> bool {
        let [has_scheme, has_path] = [SCHEME, PATH].map(|kind| self.pseudo(kind).is_some_and(|text| !text.is_empty()));
        match (self.method(), self.protocol()) {
            ("", _) => false,
            ("CONNECT", None) => self.pseudo[SCHEME].is_none() && self.pseudo[PATH].is_none(),
            (method, Some(_)) if method != "CONNECT" => false,
            _ => has_scheme && has_path,
        }
    }

    fn pseudo(&self, kind: usize) -> Option<&str> {
        self.pseudo[kind].map(|index| text(self.section.field(usize::from(index)).1))
    }

    /// Whether the section is larger than it may be. Some of its fields are missing then, whichever.
    pub fn is_too_large(&self) -> bool {
        self.section.is_too_large()
    }

    /// The method; empty when it is missing.
    pub fn method(&self) -> &str {
        self.pseudo(METHOD).unwrap_or("")
    }

    /// What it says of how it would be sent, `http` or `https`; CONNECT says nothing.
    pub fn scheme(&self) -> Option<&str> {
        self.pseudo(SCHEME)
    }

    /// Where it goes, if it says that here and not in `Host` alone.
    pub fn authority(&self) -> Option<&str> {
        self.pseudo(AUTHORITY)
    }

    /// The path and the query, or `*`; empty for CONNECT.
    pub fn target(&self) -> &str {
        self.pseudo(PATH).unwrap_or("")
    }

    /// The protocol that an extended CONNECT is for (RFC 8441 section 4).
    pub fn protocol(&self) -> Option<&str> {
        self.pseudo(PROTOCOL)
    }

    /// How much content there will be, if it says so.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The names and values of all other fields, in order. A name is a token in lower case, a value has no spaces around
    /// it, and neither has anything that would end a line.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.section.fields().skip(self.regular).map(|(name, value)| (text(name), value))
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find_map(|(field, value)| (field == name).then_some(value))
    }

    /// How many other fields there are.
    pub fn len(&self) -> usize {
        self.section.len() - self.regular
    }

    /// Whether there are no other fields.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The fields behind the content.
pub(super) fn trailers(section: &FieldSection) -> Result<HeaderMap, Malformed> {
    checked(section, 0)?;
    if section.is_too_large() {
        return Err(Malformed);
    }
    let mut trailers = HeaderMap::with_capacity(section.len());
    for (name, value) in section.fields() {
        let name = HeaderName::from_bytes(name).map_err(|_| Malformed)?;
        trailers.try_append(name, HeaderValue::from_bytes(value).map_err(|_| Malformed)?).map_err(|_| Malformed)?;
    }
    Ok(trailers)
}

/// Checks the fields from `first` on (RFC 9113 section 8.2): the content's length, if one of them says it.
fn checked(section: &FieldSection, first: usize) -> Result<Option<u64>, Malformed> {
    let mut content_length = None;
    for (name, value) in section.fields().skip(first) {
        let is_right = !name.is_empty()
            && name.iter().all(|&byte| NAME_BYTES[usize::from(byte)])
            && value.iter().all(|&byte| byte >= b' ' && byte != 0x7f || byte == b'\t')
            && value.trim_ascii().len() == value.len();
        if !is_right {
            return Err(Malformed);
        }
        match name {
            // RFC 9113 section 8.2.2.
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                return Err(Malformed);
            }
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => return Err(Malformed),
            b"content-length" => {
                let length = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
                let length = length.and_then(|digits| digits.parse::<u64>().ok()).ok_or(Malformed)?;
                if content_length.replace(length).is_some_and(|before| before != length) {
                    return Err(Malformed);
                }
            }
            _ => {}
        }
    }
    Ok(content_length)
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| NAME_BYTES[usize::from(byte)] || byte.is_ascii_uppercase())
}

fn text(checked: &[u8]) -> &str {
    std::str::from_utf8(checked).expect("it was checked to be ASCII")
}

/// What a field's name is written with: a token (RFC 9110 section 5.6.2) without upper case.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    let mut place = 0;
    while place < allowed.len() {
        table[allowed[place] as usize] = true;
        place += 1;
    }
    table
};
