//! Which header fields concern a proxy, and the lists that some of them hold.

use crate::plan::Fields;

/// What a header field is to a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `Host`.
    Host,
    /// `Content-Length`.
    ContentLength,
    /// `Transfer-Encoding`.
    TransferEncoding,
    /// `Connection`.
    Connection,
    /// `TE`.
    Te,
    /// `Expect`.
    Expect,
    /// `Date`.
    Date,
    /// `Via`.
    Via,
    /// `X-Forwarded-For`.
    ForwardedFor,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `X-Forwarded-Host`.
    ForwardedHost,
    /// `X-Request-Id`.
    RequestId,
    /// `Upgrade`.
    Upgrade,
    /// Another field that is meant for this hop alone (RFC 9110 section 7.6.1).
    HopByHop,
    /// Any other: passed on as it is.
    EndToEnd,
}

impl Field {
    /// What the field `name` is. Looks at the length and the first letter before it compares: nearly every field that
    /// is none of these differs from them in one of the two.
    pub fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        match (name.len(), first) {
            (2, b't') if same(name, b"te") => Self::Te,
            (3, b'v') if same(name, b"via") => Self::Via,
            (4, b'h') if same(name, b"host") => Self::Host,
            (4, b'd') if same(name, b"date") => Self::Date,
            (6, b'e') if same(name, b"expect") => Self::Expect,
            (7, b'u') if same(name, b"upgrade") => Self::Upgrade,
            (10, b'c') if same(name, b"connection") => Self::Connection,
            (10, b'k') if same(name, b"keep-alive") => Self::HopByHop,
            (12, b'x') if same(name, b"x-request-id") => Self::RequestId,
            (14, b'c') if same(name, b"content-length") => Self::ContentLength,
            (14, b'h') if same(name, b"http2-settings") => Self::HopByHop,
            (15, b'x') if same(name, b"x-forwarded-for") => Self::ForwardedFor,
            (16, b'x') if same(name, b"x-forwarded-host") => Self::ForwardedHost,
            (16, b'p') if same(name, b"proxy-connection") => Self::HopByHop,
            (17, b't') if same(name, b"transfer-encoding") => Self::TransferEncoding,
            (17, b'x') if same(name, b"x-forwarded-proto") => Self::ForwardedProto,
            (18, b'p') if same(name, b"proxy-authenticate") => Self::HopByHop,
            (19, b'p') if same(name, b"proxy-authorization") => Self::HopByHop,
            _ => Self::EndToEnd,
        }
    }

    /// Whether a trailer section may hold it: nothing that frames, routes or controls may come late (RFC 9110
    /// section 6.5.1).
    pub fn may_trail(self) -> bool {
        matches!(self, Self::EndToEnd | Self::RequestId)
    }
}

/// Whether `name` is `known`, which is in lower case. All bytes at once: setting the bit that tells the cases apart
/// changes nothing else that a token could be mistaken by.
fn same<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(name).is_ok_and(|name| {
        name.iter().zip(known).fold(0, |differences, (byte, known)| differences | ((byte | 0x20) ^ known)) == 0
    })
}

/// The parsed field lines of a message.
#[derive(Debug, Clone, Copy)]
pub struct FieldLines<'h, 'b>(pub &'h [httparse::Header<'b>]);

impl Fields for FieldLines<'_, '_> {
    fn any(&self, name: &str, mut found: impl FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|line| line.name.eq_ignore_ascii_case(name) && found(line.value))
    }
}

/// The members of a comma-separated list, trimmed; empty ones are left out (RFC 9110 section 5.6.1).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// What all `Connection` fields of a message say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own that the field lists")]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// The `Upgrade` field is meant for this hop.
    pub(super) upgrade: bool,
    /// Other fields are named that are to be removed.
    pub(super) names_fields: bool,
}

impl Connection {
    pub(super) fn add(&mut self, value: &[u8]) {
        if same(value, b"keep-alive") {
            // What nearly every one says.
            self.keep_alive = true;
            return;
        }
        for option in list(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else {
                self.names_fields = true;
            }
        }
    }

    /// Whether the sender keeps the connection open after this message (RFC 9112 section 9.3).
    pub(super) fn persists(self, version: super::Version) -> bool {
        !self.close && (version != super::Version::Http10 || self.keep_alive)
    }
}

/// Whether a `Connection` field of `lines` names the field `name`.
pub(super) fn named_by_connection(lines: FieldLines<'_, '_>, name: &str) -> bool {
    lines.any("connection", |value| list(value).any(|option| option.eq_ignore_ascii_case(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_in_any_case_and_by_its_whole_name() {
        for (name, field) in [
            ("Host", Field::Host),
            ("CONTENT-length", Field::ContentLength),
            ("TE", Field::Te),
            ("X-Forwarded-For", Field::ForwardedFor),
            ("Proxy-Authorization", Field::HopByHop),
            ("Upgrade", Field::Upgrade),
            ("HTTP2-Settings", Field::HopByHop),
            ("Hosts", Field::EndToEnd),
            ("Hast", Field::EndToEnd),
            ("Content_Length", Field::EndToEnd),
            ("", Field::EndToEnd),
        ] {
            assert_eq!(Field::of(name), field, "{name}");
        }
    }
}
