//! What one client may have: connections, and requests in a time. The one thing beside the snapshot that workers share,
//! since a client's connections are spread over them; where no such limit is set, nobody looks at it.

mod open;
mod rates;

pub(super) use open::{Held, OpenConnections};
pub(super) use rates::Rates;

use std::net::{IpAddr, Ipv6Addr};

/// What is known of the clients.
#[derive(Debug, Default)]
pub(super) struct PerClient {
    pub(super) open: OpenConnections,
    pub(super) rates: Rates,
}

/// Whom a limit takes for one client: an IPv4 address, or the first half of an IPv6 address, since of the second half
/// everybody has as many as he likes (RFC 4291 section 2.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(IpAddr);

impl ClientKey {
    pub(super) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_half_an_ipv6_one() {
        let same = |a: &str, b: &str| ClientKey::of(a.parse().unwrap()) == ClientKey::of(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:0:0:2") && same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }
}
