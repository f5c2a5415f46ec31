//! Reads a header: strictly, and never past its end.

use super::{Addresses, FIXED, MAX_HEADER, MAX_LINE, SIGNATURE};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// How far the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// All of them belong to a header that is not whole yet.
    Partial,
    /// A header is whole: what it says, and its length in bytes. `None` where it says nothing of a TCP connection (v1
    /// `UNKNOWN`, v2 `LOCAL`, a family that is not IP): the connection is then the proxy's own.
    Complete(Option<Addresses>, usize),
}

/// Why the bytes do not begin with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither version's beginning.
    #[error("the connection does not begin with a PROXY header")]
    Signature,
    /// Version 1, and not as the protocol has it.
    #[error("the line of the PROXY header is malformed")]
    Line,
    /// Version 1 without an end where it must have one.
    #[error("the line of the PROXY header has more than 107 bytes")]
    LongLine,
    /// The binary form with another version than 2.
    #[error("the PROXY header's version is neither 1 nor 2")]
    Version,
    /// Neither `LOCAL` nor `PROXY`.
    #[error("the PROXY header's command is unknown")]
    Command,
    /// An address family or a transport that does not exist.
    #[error("the PROXY header's address family is unknown")]
    Family,
    /// Too short for the addresses of its family.
    #[error("the PROXY header is too short for its addresses")]
    Short,
    /// Longer than [`MAX_HEADER`].
    #[error("the PROXY header is longer than 4096 bytes")]
    Long,
}

/// The header at the beginning of `bytes`; what follows it is not looked at.
///
/// # Errors
/// [`Malformed`], which nothing that follows would change; at the latest when [`MAX_HEADER`] bytes are there.
pub fn parse(bytes: &[u8]) -> Result<Progress, Malformed> {
    if agree(bytes, &SIGNATURE) {
        binary(bytes)
    } else if agree(bytes, b"PROXY ") {
        line(bytes)
    } else {
        Err(Malformed::Signature)
    }
}

/// Whether `bytes` begin with `expected`, or are its beginning.
fn agree(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(byte, expected)| byte == expected)
}

/// Version 1: `PROXY TCP4 source destination port port`, and CRLF.
fn line(bytes: &[u8]) -> Result<Progress, Malformed> {
    let seen = &bytes[..bytes.len().min(MAX_LINE)];
    // Its end has two bytes.
    let Some(end) = seen.iter().take(MAX_LINE - 1).position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if seen.len() + 2 <= MAX_LINE { Ok(Progress::Partial) } else { Err(Malformed::LongLine) };
    };
    match &seen[end..] {
        [b'\r', b'\n', ..] => {}
        [b'\r'] => return Ok(Progress::Partial),
        _ => return Err(Malformed::Line),
    }
    let content = std::str::from_utf8(&seen[..end]).map_err(|_| Malformed::Line)?;
    let mut words = content.split(' ').skip(1);
    let mut word = || words.next().ok_or(Malformed::Line);
    let is_v4 = match word()? {
        "TCP4" => true,
        "TCP6" => false,
        // Whatever follows says nothing.
        "UNKNOWN" => return Ok(Progress::Complete(None, end + 2)),
        _ => return Err(Malformed::Line),
    };
    let ips = [ip(word()?, is_v4)?, ip(word()?, is_v4)?];
    let ports = [port(word()?)?, port(word()?)?];
    if words.next().is_some() {
        return Err(Malformed::Line);
    }
    let [source, destination] = [0, 1].map(|end| SocketAddr::new(ips[end], ports[end]));
    Ok(Progress::Complete(Some(Addresses { source, destination }), end + 2))
}

/// An address of the family that the line names.
fn ip(text: &str, is_v4: bool) -> Result<IpAddr, Malformed> {
    // The standard library's parser takes no leading zeros in IPv4 addresses either.
    IpAddr::from_str(text).ok().filter(|ip| ip.is_ipv4() == is_v4).ok_or(Malformed::Line)
}

/// Decimal digits without leading zeros, which some would take for octal.
fn port(text: &str) -> Result<u16, Malformed> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(Malformed::Line)
}

/// Version 2.
fn binary(bytes: &[u8]) -> Result<Progress, Malformed> {
    let Some(&version_and_command) = bytes.get(12) else { return Ok(Progress::Partial) };
    if version_and_command >> 4 != 2 {
        return Err(Malformed::Version);
    }
    let is_local = match version_and_command & 0xf {
        0 => true,
        1 => false,
        _ => return Err(Malformed::Command),
    };
    let Some(&family_and_transport) = bytes.get(13) else { return Ok(Progress::Partial) };
    let (family, transport) = (family_and_transport >> 4, family_and_transport & 0xf);
    if !is_local && (family > 3 || transport > 2) {
        return Err(Malformed::Family);
    }
    let Some(&[high, low]) = bytes.get(14..FIXED) else { return Ok(Progress::Partial) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > MAX_HEADER {
        return Err(Malformed::Long);
    }
    let least = match family {
        _ if is_local => 0,
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    if length < least {
        return Err(Malformed::Short);
    }
    let Some(content) = bytes.get(FIXED..FIXED + length) else { return Ok(Progress::Partial) };
    let addresses = match (family, transport) {
        _ if is_local => None,
        (1, 1) => binary_addresses::<4>(content),
        (2, 1) => binary_addresses::<16>(content),
        // Not a TCP connection over IP: nothing is said that could be used.
        _ => None,
    };
    Ok(Progress::Complete(addresses, FIXED + length))
}

/// Two addresses of `N` bytes, then two ports; what follows are extensions, which are passed over.
fn binary_addresses<const N: usize>(content: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = content.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (ports, _) = rest.split_first_chunk::<4>()?;
    let of = |ip: [u8; N], high, low| SocketAddr::new(ip.into(), u16::from_be_bytes([high, low]));
    Some(Addresses { source: of(*source, ports[0], ports[1]), destination: of(*destination, ports[2], ports[3]) })
}
