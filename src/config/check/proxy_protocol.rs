//! The PROXY protocol: from whom, and to whom.

use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::net::IpNet;
use crate::net::proxy_protocol::Version;
use std::net::IpAddr;
use std::sync::Arc;

impl Check<'_> {
    /// The proxies that a listener's PROXY headers come from; none where nothing is said. `None`: something was reported.
    pub(super) fn proxies(self, at: Option<&At<raw::ProxyProtocol>>) -> Option<Arc<[IpNet]>> {
        let Some(at) = at else { return Some(Arc::default()) };
        let raw = at.need("proxyProtocol", at.place, self.problems)?;
        let list = self.filled("from", &raw.from, at.place)?;
        let mut seen: Vec<(IpNet, Place)> = Vec::new();
        let networks = all(list.iter().map(|at| {
            let network = self.network(at.get()?, at.place)?;
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == network) {
                let problem = Problem::new(at.place, format!("`{network}` is there twice"));
                self.report(problem.label("the second one").also(*first, "the first one"));
            }
            seen.push((network, at.place));
            Some(network)
        }));
        networks.map(Into::into)
    }

    /// The header that a backend is sent.
    pub(super) fn proxy_protocol(at: Option<&At<raw::ProxyProtocolVersion>>) -> Option<Version> {
        value(at).map(|version| match version {
            raw::ProxyProtocolVersion::V1 => Version::V1,
            raw::ProxyProtocolVersion::V2 => Version::V2,
        })
    }

    /// An address, or a network of them.
    fn network(self, text: &str, place: Place) -> Option<IpNet> {
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let Ok(network) = parsed else {
            let problem = Problem::new(place, format!("`{}` is no address and no network", text.escape_debug()));
            self.report(problem.label("an IP address or a CIDR").help("as in `10.0.0.0/8` or `192.168.1.7`"));
            return None;
        };
        if network.trunc() != network {
            let problem = Problem::new(place, format!("`{text}` has bits behind its prefix"));
            let whole = format!("`{}` is the whole network, `{}` the one address", network.trunc(), network.addr());
            self.report(problem.label("either a network or an address").help(whole));
            return None;
        }
        if let IpNet::V6(v6) = network
            && v6.addr().to_ipv4_mapped().is_some()
        {
            let problem = Problem::new(place, format!("`{text}` is an IPv4 address written as an IPv6 one"));
            self.report(problem.label("write it as IPv4").help("clients with IPv4 addresses are always seen as such"));
            return None;
        }
        Some(network)
    }
}
