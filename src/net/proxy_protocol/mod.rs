//! The PROXY protocol, versions 1 and 2: a header before everything else on a connection, in which a proxy says whose
//! connection it is (`HAProxy`'s `proxy-protocol.txt`).
//!
//! Pure: bytes in, addresses out, and back. What is read here comes from whoever may connect, so nothing is guessed: a
//! header is whole, a beginning of one, or wrong, and which it is never changes by what follows.

mod compose;
mod parse;
#[cfg(test)]
mod tests;

pub use parse::{Malformed, Progress, parse};

use std::net::SocketAddr;

/// Which form a header is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// The two ends of the connection that a header is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Who connected: the client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

impl Addresses {
    /// The same with IPv4 addresses as such, where a socket or a header shows their IPv6 form.
    #[must_use]
    pub fn canonical(self) -> Self {
        let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
        Self { source: canonical(self.source), destination: canonical(self.destination) }
    }
}

/// The longest header that is read, in bytes. Version 2 could announce 64 KiB; what real proxies add to the addresses
/// (names, certificates' subjects, identifiers) is a few hundred bytes.
pub const MAX_HEADER: usize = 4_096;

/// What every header of version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The bytes of version 2 before the addresses: signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// The longest line of version 1, its end included.
const MAX_LINE: usize = 107;
