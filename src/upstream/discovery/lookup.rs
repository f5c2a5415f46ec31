//! Asks for a name once: the hosts file, then the name servers, along the search list.
//!
//! The two families and the names of the search list are asked for one by one, so that a failure is never taken for
//! an absence: a resolver that does it all in one call answers with whatever came last.

use super::known::{Answer, Family};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How a name is asked for.
pub(super) struct Lookup {
    resolver: Result<TokioResolver, NetError>,
    search: Vec<Name>,
    ndots: usize,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("search", &self.search).field("ndots", &self.ndots).finish_non_exhaustive()
    }
}

/// The hosts file has no TTL; it is read anew after this.
const HOSTS_TTL: Duration = Duration::from_secs(10);

impl Lookup {
    /// Asks `nameservers`, or the system's if there are none; the search list is the system's either way.
    pub(super) fn new(nameservers: &[SocketAddr]) -> Self {
        let (system, mut options) = system_conf::read_system_conf().unwrap_or_else(|error| {
            if nameservers.is_empty() {
                tracing::warn!(%error, "cannot read the system's name servers; asking 127.0.0.1, as resolv.conf(5) says");
            }
            (ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default())
        });
        let search = system.search().to_vec();
        let servers = match (nameservers, system.name_servers()) {
            ([], []) => vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())],
            ([], servers) => servers.to_vec(),
            (named, _) => named.iter().map(server).collect(),
        };
        // The TTL is obeyed by whoever asks again; a cache in between could only make an answer older.
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let ndots = options.ndots;
        let config = ResolverConfig::from_name_servers(servers);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        Self { resolver: builder.build(), search, ndots }
    }

    /// The addresses of `host`: an address, or a name, absolute when it ends in a dot.
    pub(super) async fn ask(&self, host: &str) -> Answer {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return by_family([ip], Duration::MAX);
        }
        let (name, resolver) = match (Name::from_utf8(host), &self.resolver) {
            (Ok(name), Ok(resolver)) => (name, resolver),
            (Err(error), _) => return both_failed(&format!("not a name: {error}")),
            (_, Err(error)) => return both_failed(&error.to_string()),
        };
        if let Some(answer) = in_hosts(&name) {
            return answer;
        }
        let mut failed = None;
        for candidate in candidates(&name, &self.search, self.ndots) {
            let answer = ask_both(resolver, candidate).await;
            if answer.iter().any(|family| matches!(family, Family::Found { .. })) {
                return answer;
            }
            if answer.iter().any(|family| matches!(family, Family::Failed { .. })) {
                failed = failed.or(Some(answer));
            }
        }
        failed.unwrap_or([Family::Absent, Family::Absent])
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// The names to try, in order: as resolv.conf(5) has it, the search list comes first for a name of few dots.
fn candidates(name: &Name, search: &[Name], ndots: usize) -> Vec<Name> {
    let mut absolute = name.clone();
    absolute.set_fqdn(true);
    if name.is_fqdn() || name.is_localhost() {
        return vec![absolute];
    }
    // A suffix that makes the name too long makes no name at all.
    let mut names: Vec<_> = search.iter().filter_map(|suffix| name.clone().append_domain(suffix).ok()).collect();
    let dots = usize::from(name.num_labels()).saturating_sub(1);
    let place = if dots >= ndots { 0 } else { names.len() };
    names.insert(place, absolute);
    names
}

async fn ask_both(resolver: &TokioResolver, name: Name) -> Answer {
    let (v4, v6) = tokio::join!(resolver.lookup(name.clone(), RecordType::A), resolver.lookup(name, RecordType::AAAA));
    [v4, v6].map(|answer| match answer {
        Ok(lookup) => family(lookup.answers()),
        Err(error) if is_absence(&error) => Family::Absent,
        Err(error) => Family::Failed { error: error.to_string() },
    })
}

/// Whether the name server said that there is nothing: no such name, or no such records.
fn is_absence(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(no_records)) = error else { return false };
    matches!(no_records.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
}

/// The addresses among `records`, for as long as the shortest-lived record on the way to them lasts.
fn family(records: &[Record]) -> Family {
    let ips: Vec<_> = records.iter().filter_map(|record| record.data.ip_addr()).collect();
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or_default();
    if ips.is_empty() { Family::Absent } else { Family::Found { ips, ttl: Duration::from_secs(ttl.into()) } }
}

/// What the hosts file has, if it has the name: then nobody else is asked.
fn in_hosts(name: &Name) -> Option<Answer> {
    // Without a hosts file there is nothing in it.
    let hosts = Hosts::from_system().ok()?;
    let lookups =
        [RecordType::A, RecordType::AAAA].map(|family| hosts.lookup_static_host(&Query::query(name.clone(), family)));
    let ips: Vec<_> = lookups
        .iter()
        .flatten()
        .flat_map(hickory_resolver::lookup::Lookup::answers)
        .filter_map(|record| record.data.ip_addr())
        .collect();
    (!ips.is_empty()).then(|| by_family(ips, HOSTS_TTL))
}

fn by_family(ips: impl IntoIterator<Item = IpAddr>, ttl: Duration) -> Answer {
    let (v4, v6): (Vec<_>, Vec<_>) = ips.into_iter().partition(IpAddr::is_ipv4);
    [v4, v6].map(|ips| if ips.is_empty() { Family::Absent } else { Family::Found { ips, ttl } })
}

fn both_failed(error: &str) -> Answer {
    [Family::Failed { error: error.to_owned() }, Family::Failed { error: error.to_owned() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(name: &str, search: &[&str], ndots: usize) -> Vec<String> {
        let search: Vec<_> = search.iter().map(|suffix| Name::from_utf8(suffix).unwrap()).collect();
        candidates(&Name::from_utf8(name).unwrap(), &search, ndots).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_search_list_is_tried_as_resolv_conf_says() {
        let search = ["shop.svc.cluster.local.", "svc.cluster.local."];
        let canary = ["canary.shop.svc.cluster.local.", "canary.svc.cluster.local.", "canary."];
        assert_eq!(names("canary", &search, 5), canary);
        assert_eq!(names("canary.", &search, 5), ["canary."]);
        let dotted = ["a.b.", "a.b.shop.svc.cluster.local.", "a.b.svc.cluster.local."];
        assert_eq!(names("a.b", &search, 1), dotted);
        assert_eq!(names("a.b", &[], 5), ["a.b."]);
        assert_eq!(names("localhost", &search, 5), ["localhost."]);
    }

    #[tokio::test]
    async fn an_address_and_localhost_need_no_name_server() {
        let nobody = Lookup::new(&[([127, 0, 0, 1], 9).into()]);
        let ip = |text: &str| Family::Found { ips: vec![text.parse().unwrap()], ttl: Duration::MAX };
        assert_eq!(nobody.ask("10.0.0.1").await, [ip("10.0.0.1"), Family::Absent]);
        assert_eq!(nobody.ask("[2001:db8::1]").await, [Family::Absent, ip("2001:db8::1")]);
        let answer = nobody.ask("localhost").await;
        let Family::Found { ips, .. } = &answer[0] else { panic!("{answer:?}") };
        assert!(ips.iter().all(IpAddr::is_loopback));
    }
}
