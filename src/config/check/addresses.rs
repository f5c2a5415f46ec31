//! Addresses: of listeners, endpoints and name servers.

use super::{Check, all, items};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{Admin, Dns, Listener};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

impl Check<'_> {
    /// The listeners, each with a name and an address of its own; and the addresses as far as they are right.
    pub(super) fn listeners(self, list: Option<&Vec<At<raw::Listener>>>) -> (Option<Vec<Listener>>, Vec<Taken>) {
        let mut taken: Vec<Taken> = Vec::new();
        let Some(list) = list else { return (None, taken) };
        let mut names = super::names::Names::new("listener");
        let listeners = all(list.iter().enumerate().map(|(index, at)| {
            let raw = at.get()?;
            let name = self.name(&raw.name, at.place);
            if let Some(name) = &name {
                names.declare(name, raw.name.place, index, self);
            }
            let tls = self.server_tls(raw.tls.as_ref());
            let proxies = self.proxies(raw.proxy_protocol.as_ref());
            let address = self.free_address(&raw.address, at.place, &taken)?;
            taken.push((address, raw.address.place));
            Some(Listener { name: name?, address, tls: tls?, proxies: proxies? })
        }));
        (listeners, taken)
    }

    /// The address of a listener; reports one that another listener takes.
    fn free_address(self, at: &At<raw::AddressText>, owner: Place, taken: &[Taken]) -> Option<SocketAddr> {
        let address = self.socket_address(&at.need("address", owner, self.problems)?.0, at.place)?;
        if let Some((other, first)) = taken.iter().find(|(other, _)| overlap(*other, address)) {
            let problem = Problem::new(at.place, format!("`{address}` is taken by another listener"));
            self.report(problem.label("the second one").also(*first, format!("`{other}` takes it")));
        }
        Some(address)
    }

    /// The operators' listener; its address must not be a listener's.
    pub(super) fn admin(self, admin: Option<&raw::Admin>, taken: &[Taken]) -> Option<Admin> {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 9900));
        let address = if let Some(at) = admin.and_then(|admin| admin.address.as_ref()) {
            self.free_address(at, at.place, taken)
        } else {
            if let Some((other, place)) = taken.iter().find(|(other, _)| overlap(*other, default)) {
                let problem = Problem::new(*place, format!("`{other}` is where the admin listener is"));
                let help = "give `admin` another `address`, or the listener";
                self.report(problem.label(format!("`{default}` is taken by default")).help(help));
            }
            Some(default)
        };
        let token_file = admin
            .and_then(|admin| admin.token_file.as_ref())
            .map_or(Some(None), |at| self.path(at, "tokenFile").map(Some));
        let tls = self.server_tls(admin.and_then(|admin| admin.tls.as_ref()));
        Some(Admin { address: address?, token_file: token_file?, tls: tls? })
    }

    /// The name servers, each once.
    pub(super) fn dns(self, dns: Option<&raw::Dns>) -> Option<Dns> {
        let list = dns.and_then(|dns| super::value(dns.nameservers.as_ref()));
        let nameservers = all(items(list).map(|(at, text)| match text.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::from((ip, 53))),
            Err(_) => self.socket_address(text, at.place).and_then(|address| self.port_given(address, at.place)),
        }))?;
        Some(Dns { nameservers })
    }

    /// The addresses of `endpoints.static`: at least one, each once.
    pub(super) fn static_endpoints(
        self,
        list: &At<Vec<At<raw::AddressText>>>,
        owner: Place,
    ) -> Option<Vec<SocketAddr>> {
        let place = list.place;
        let list = list.need("static", owner, self.problems)?;
        self.length("static", list.len(), place)?;
        let mut seen: Vec<(SocketAddr, Place)> = Vec::new();
        all(list.iter().map(|at| {
            let address = self.socket_address(&at.get()?.0, at.place)?;
            let address = self.port_given(address, at.place)?;
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == address) {
                let problem = Problem::new(at.place, format!("`{address}` is there twice"));
                self.report(problem.label("the second one").also(*first, "the first one"));
            }
            seen.push((address, at.place));
            Some(address)
        }))
    }

    /// The name and the port of `endpoints.dns`.
    pub(super) fn dns_endpoints(self, at: &At<String>, owner: Place) -> Option<(String, u16)> {
        let text = at.need("dns", owner, self.problems)?;
        let refuse = |title: String, help: &str| {
            self.report(Problem::new(at.place, title).label("a name and a port").help(help));
            None
        };
        if text.parse::<SocketAddr>().is_ok() || text.parse::<IpAddr>().is_ok() {
            return refuse(format!("`{text}` is an address, not a name"), &format!("write `static: [\"{text}\"]`"));
        }
        let port_help = format!("as in `{}:8080`", text.split(':').next().unwrap_or_default());
        let Some((host, port)) = text.rsplit_once(':') else {
            return refuse(format!("`{text}` has no port"), &port_help);
        };
        let Some(port) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
            return refuse(format!("`{port}` is no port"), "a port is a number from 1 to 65535");
        };
        if !is_host_name(host.strip_suffix('.').unwrap_or(host)) {
            return refuse(format!("`{host}` is no host name"), &format!("as in `my-service:{port}`"));
        }
        Some((host.to_ascii_lowercase(), port))
    }

    /// An IP address and a port.
    fn socket_address(self, text: &str, place: Place) -> Option<SocketAddr> {
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let help = match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("every address is `0.0.0.0:{port}`, or `[::]:{port}` with IPv6"),
            Some(("localhost", port)) => format!("write `127.0.0.1:{port}`"),
            Some((ip, port)) if ip.parse::<std::net::Ipv6Addr>().is_ok() && !ip.ends_with(':') => {
                format!("write `[{ip}]:{port}`")
            }
            Some((name, port)) if is_host_name(name) && !name.ends_with(|c: char| c.is_ascii_digit()) => {
                format!("a name is for a backend's `endpoints: {{ dns: \"{name}:{port}\" }}`")
            }
            None if text.parse::<IpAddr>().is_ok() => format!("add a port, as in `{text}:8080`"),
            _ => "as in `127.0.0.1:8080` or `[::1]:8080`".into(),
        };
        let problem = Problem::new(place, format!("`{}` is no address and port", text.escape_debug()));
        self.report(problem.label("an IP address and a port").help(help));
        None
    }

    /// Port 0 is for listeners: nobody can connect to it.
    fn port_given(self, address: SocketAddr, place: Place) -> Option<SocketAddr> {
        if address.port() == 0 {
            self.report(Problem::new(place, "nobody can connect to port 0").label("a port from 1 to 65535"));
        }
        (address.port() != 0).then_some(address)
    }
}

/// An address that a listener takes, and where the file says so.
pub(super) type Taken = (SocketAddr, Place);

/// Whether two sockets cannot both listen; port 0 is a free one, so never in the way. `[::]` takes IPv4 too.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip() == narrow.ip() || (wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4()))
    };
    a.port() == b.port() && a.port() != 0 && (covers(a, b) || covers(b, a))
}

/// Labels of letters, digits, `-` and `_`, joined by dots (RFC 1123, and the `_` that is used all the same).
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
