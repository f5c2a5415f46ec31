//! How the connections of a listener begin: with a PROXY header from some, with a handshake or in clear.

use super::tls::{Acceptor, ServerConfig};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::sync::Arc;

/// How a listener's new connections begin. Shared by its owner, who changes it, and by the workers, who ask once a
/// connection.
#[derive(Debug, Default)]
pub struct Entrance {
    tls: Acceptor,
    proxies: ArcSwap<Vec<IpNet>>,
}

/// How one connection begins.
#[derive(Debug)]
pub struct Beginning {
    /// With a PROXY header, which must come. Otherwise none is looked for: anybody could write one.
    pub proxied: bool,
    /// Then with a handshake; `None` in clear.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Entrance {
    /// Of a handshake as `tls` says, or of none; after a PROXY header where the peer is in one of `proxies`.
    pub fn new(tls: Option<Arc<ServerConfig>>, proxies: &[IpNet]) -> Self {
        Self { tls: Acceptor::new(tls), proxies: ArcSwap::from_pointee(proxies.to_vec()) }
    }

    /// From now on connections begin like this.
    pub fn set(&self, tls: Option<Arc<ServerConfig>>, proxies: &[IpNet]) {
        self.tls.set(tls);
        self.proxies.store(Arc::new(proxies.to_vec()));
    }

    /// How a connection from `peer` begins now.
    pub fn of(&self, peer: SocketAddr) -> Beginning {
        // A socket for IPv6 that takes IPv4 too shows the latter in the former's clothes.
        let ip = peer.ip().to_canonical();
        Beginning { proxied: self.proxies.load().iter().any(|net| net.contains(&ip)), tls: self.tls.config() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_expected_from_the_listed_addresses_alone() {
        let proxies: Vec<IpNet> = ["10.0.0.0/8", "192.168.1.7/32", "fd00::/64"].map(|net| net.parse().unwrap()).into();
        let entrance = Entrance::new(None, &proxies);
        let expects = |ip: &str| entrance.of(SocketAddr::new(ip.parse().unwrap(), 1)).proxied;
        for ip in ["10.255.0.1", "192.168.1.7", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(expects(ip), "{ip}");
        }
        for ip in ["11.0.0.1", "192.168.1.8", "fd00:0:0:1::1", "::1", "::ffff:11.0.0.1"] {
            assert!(!expects(ip), "{ip}");
        }
        entrance.set(None, &[]);
        assert!(!expects("10.0.0.1"));
    }
}
