//! Writes the heads that go out: the request to the backend, the response to the client.
//!
//! Nothing is edited in place and nothing passes unlooked at: every line is written from the parsed message, so a head
//! leaves with one version, one framing and the fields of its next hop alone (RFC 9110 section 7.6.1).

use super::field::{Field, FieldLines, list, named_by_connection};
use super::head::{BodyLength, RequestHead, ResponseHead, Version};
use super::rewrite::modified_path;
use super::upgrade::protocols;
use crate::plan::{Filters, HeaderChanges, Headers};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// What the proxy knows about a request besides its head.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The client came over TLS.
    pub secure: bool,
    /// Where the client connected to: the `Host` of a request that names none.
    pub local: SocketAddr,
    /// Which fields are added.
    pub headers: Headers,
    /// The id of a request that brings none.
    pub request_id: u128,
    /// What its rule does to it. Its changes have the last word, over the fields that are added here too.
    pub filters: Option<&'a Filters>,
}

/// What the proxy knows about a response besides its head.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// The client's version.
    pub version: Version,
    /// The client connection closes after this response.
    pub close: bool,
    /// How the body is framed for the client.
    pub transfer: Transfer,
    /// Add `Via`.
    pub via: bool,
    /// The `Date` of a response that has none (RFC 9110 section 6.6.1).
    pub date: &'a [u8],
    /// What its rule does to its fields. The changes have the last word, over the fields that are added here too.
    pub changes: Option<&'a HeaderChanges>,
}

/// How a message's body is framed for its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// As the sender's `Content-Length` says, or not at all.
    AsIs,
    /// In chunks.
    Chunked,
    /// By the connection's end.
    UntilClose,
    /// By the end of an HTTP/2 stream, with trailers before it if there are any.
    Stream,
}

impl Transfer {
    /// How a body that ended by `body` is framed for a client of this version.
    pub fn of(body: BodyLength, version: Version) -> Self {
        match (body, version) {
            (_, Version::Http2) => Self::Stream,
            (BodyLength::Sized(_) | BodyLength::Stream(Some(_)), _) => Self::AsIs,
            (_, Version::Http11) => Self::Chunked,
            (_, Version::Http10) => Self::UntilClose,
        }
    }
}

/// Appends the head that the backend is sent.
pub fn compose_request(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, inbound: &Inbound<'_>) {
    let rewrite = inbound.filters.map(|filters| &filters.rewrite);
    let changes = inbound.filters.map(|filters| &filters.request);
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    modified_path(out, head.path, rewrite.and_then(|rewrite| rewrite.path.as_ref()));
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    match rewrite.and_then(|rewrite| rewrite.hostname.as_deref()).or(head.authority) {
        Some(authority) => out.extend_from_slice(authority.as_bytes()),
        None => write!(out, "{}", inbound.local).expect("writing to memory"),
    }
    out.extend_from_slice(b"\r\n");
    let Headers { via, request_id, forwarded } = inbound.headers;
    let mut seen = Seen::default();
    for sent in head.fields.0 {
        let field = Field::of(sent.name);
        let kept = match field {
            Field::EndToEnd | Field::Date | Field::Via | Field::ContentLength => true,
            Field::RequestId => !std::mem::replace(&mut seen.request_id, true),
            Field::ForwardedProto => !std::mem::replace(&mut seen.proto, true),
            Field::ForwardedHost => !std::mem::replace(&mut seen.host, true),
            Field::ForwardedFor => {
                seen.route = true;
                !forwarded
            }
            Field::Host
            | Field::TransferEncoding
            | Field::Connection
            | Field::Te
            | Field::Expect
            | Field::Upgrade
            | Field::HopByHop => false,
        };
        let named = head.connection.names_fields && field != Field::ContentLength;
        if kept && !(named && named_by_connection(head.fields, sent.name)) {
            if dropped(changes, sent.name) {
                continue;
            }
            if head.crumbs && sent.name == "cookie" {
                if !std::mem::replace(&mut seen.cookie, true) {
                    cookie_line(out, head.fields);
                }
                continue;
            }
            line(out, sent.name.as_bytes(), sent.value);
        } else if kept {
            seen.forget(field);
        }
    }
    if matches!(head.body, BodyLength::Chunked | BodyLength::Stream(None)) {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if head.expects_continue {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    if head.upgrades {
        upgrade_line(out, head.fields);
    }
    match (head.upgrades, head.takes_trailers) {
        (false, false) => {}
        (false, true) => out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n"),
        (true, false) => out.extend_from_slice(b"connection: upgrade\r\n"),
        (true, true) => out.extend_from_slice(b"te: trailers\r\nconnection: te, upgrade\r\n"),
    }
    if forwarded {
        if !dropped(changes, "x-forwarded-for") {
            let before = if seen.route { head.fields } else { FieldLines(&[]) };
            forwarded_for(out, before, inbound.client);
        }
        if !seen.proto && !dropped(changes, "x-forwarded-proto") {
            if inbound.secure {
                out.extend_from_slice(b"x-forwarded-proto: https\r\n");
            } else {
                out.extend_from_slice(b"x-forwarded-proto: http\r\n");
            }
        }
        if let Some(authority) = head.authority.filter(|_| !seen.host && !dropped(changes, "x-forwarded-host")) {
            line(out, b"x-forwarded-host", authority.as_bytes());
        }
    }
    if request_id && !seen.request_id && !dropped(changes, "x-request-id") {
        out.extend_from_slice(b"x-request-id: ");
        uuid(out, inbound.request_id);
        out.extend_from_slice(b"\r\n");
    }
    if via && !dropped(changes, "via") {
        via_line(out, head.version);
    }
    append(out, changes);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head that the client is sent.
pub fn compose_response(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, outbound: &Outbound<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.code).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason.as_bytes());
    out.extend_from_slice(b"\r\n");
    let (mut has_date, mut has_length) = (false, false);
    // RFC 9110 section 8.6: neither a 1xx nor a 204 has one.
    let may_have_length = outbound.transfer == Transfer::AsIs && head.code >= 200 && head.code != 204;
    for sent in head.fields.0 {
        let field = Field::of(sent.name);
        let kept = match field {
            Field::ContentLength => may_have_length && !std::mem::replace(&mut has_length, true),
            Field::Connection | Field::TransferEncoding | Field::Te | Field::Upgrade | Field::HopByHop => false,
            Field::Date => !has_date,
            _ => true,
        };
        // RFC 9110 section 7.6.1: what every recipient needs to read the message is not for `Connection` to take away.
        let named = head.connection.names_fields && field != Field::ContentLength;
        let stays = !(named && named_by_connection(head.fields, sent.name));
        if kept && stays && !dropped(outbound.changes, sent.name) {
            has_date |= field == Field::Date;
            // A `Content-Length` that lists one value several times is passed on as that value.
            let repeated = if field == Field::ContentLength { list(sent.value).next() } else { None };
            line(out, sent.name.as_bytes(), repeated.unwrap_or(sent.value));
        }
    }
    if outbound.transfer == Transfer::Chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    if !has_date && head.code >= 200 && !dropped(outbound.changes, "date") {
        line(out, b"date", outbound.date);
    }
    if outbound.via && !dropped(outbound.changes, "via") {
        via_line(out, Version::Http11);
    }
    append(out, outbound.changes);
    if head.connection.upgrade {
        upgrade_of_response(out, head, outbound.version);
    }
    if outbound.close {
        out.extend_from_slice(b"connection: close\r\n");
    } else if outbound.version == Version::Http10 {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Which of the fields that are sent once have been, and whether an `X-Forwarded-For` came.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own")]
struct Seen {
    request_id: bool,
    proto: bool,
    host: bool,
    route: bool,
    cookie: bool,
}

impl Seen {
    /// The field was removed after all.
    fn forget(&mut self, field: Field) {
        match field {
            Field::RequestId => self.request_id = false,
            Field::ForwardedProto => self.proto = false,
            Field::ForwardedHost => self.host = false,
            _ => {}
        }
    }
}

/// Whether the rule takes the field `name` away.
pub(super) fn dropped(changes: Option<&HeaderChanges>, name: &str) -> bool {
    changes.is_some_and(|changes| changes.drops(name))
}

/// The fields that the rule adds.
fn append(out: &mut Vec<u8>, changes: Option<&HeaderChanges>) {
    for (name, value) in changes.into_iter().flat_map(HeaderChanges::appended) {
        line(out, name.as_bytes(), value.as_bytes());
    }
}

pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// One `Cookie` of the several that HTTP/2 lets a client send (RFC 9113 section 8.2.3).
fn cookie_line(out: &mut Vec<u8>, fields: FieldLines<'_, '_>) {
    out.extend_from_slice(b"cookie: ");
    for (place, crumb) in fields.0.iter().filter(|sent| sent.name == "cookie").enumerate() {
        if place > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(crumb.value);
    }
    out.extend_from_slice(b"\r\n");
}

/// The `Upgrade` of the two answers that must have one (RFC 9110 section 7.8); any other only advertises.
fn upgrade_of_response(out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, version: Version) {
    let must_say = matches!(head.code, 101 | 426) && version == Version::Http11;
    if must_say && protocols(head.fields).next().is_some() {
        upgrade_line(out, head.fields);
        out.extend_from_slice(b"connection: upgrade\r\n");
    }
}

/// One `Upgrade`, with all protocols that may be switched to; there must be one.
fn upgrade_line(out: &mut Vec<u8>, fields: FieldLines<'_, '_>) {
    out.extend_from_slice(b"upgrade: ");
    for (place, protocol) in protocols(fields).enumerate() {
        if place > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(protocol);
    }
    out.extend_from_slice(b"\r\n");
}

/// One `X-Forwarded-For`: everything that the client's had, then the client.
fn forwarded_for(out: &mut Vec<u8>, fields: FieldLines<'_, '_>, client: IpAddr) {
    out.extend_from_slice(b"x-forwarded-for: ");
    let named = |name: &str| named_by_connection(fields, name);
    for sent in fields.0.iter().filter(|sent| Field::of(sent.name) == Field::ForwardedFor && !named(sent.name)) {
        for member in list(sent.value) {
            out.extend_from_slice(member);
            out.extend_from_slice(b", ");
        }
    }
    match client {
        IpAddr::V4(address) => octets(out, address.octets()),
        IpAddr::V6(address) => write!(out, "{address}").expect("writing to memory"),
    }
    out.extend_from_slice(b"\r\n");
}

fn octets(out: &mut Vec<u8>, octets: [u8; 4]) {
    for (place, octet) in octets.into_iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

/// `received-protocol` and a pseudonym (RFC 9110 section 7.6.3).
fn via_line(out: &mut Vec<u8>, received: Version) {
    out.extend_from_slice(match received {
        Version::Http10 => b"via: 1.0 serin\r\n",
        Version::Http11 => b"via: 1.1 serin\r\n",
        Version::Http2 => b"via: 2.0 serin\r\n",
    });
}

/// A version 4 UUID from random bits (RFC 9562 section 5.4).
fn uuid(out: &mut Vec<u8>, random: u128) {
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = [b'-'; 36];
    for (place, byte) in UUID_PLACES.into_iter().zip(bits.to_be_bytes()) {
        text[place..place + 2].copy_from_slice(&HEX[usize::from(byte)]);
    }
    out.extend_from_slice(&text);
}

/// Where each byte of a UUID has its two digits.
const UUID_PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// A byte's two digits.
static HEX: [[u8; 2]; 256] = {
    let (digits, mut table, mut byte) = (b"0123456789abcdef", [[0; 2]; 256], 0);
    while byte < table.len() {
        table[byte] = [digits[byte >> 4], digits[byte & 0xf]];
        byte += 1;
    }
    table
};

#[cfg(test)]
#[path = "compose_tests.rs"]
mod tests;
