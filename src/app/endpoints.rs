//! The endpoints of every backend: what the file lists, and what discovery found last.

use super::tls::TlsFiles;
use crate::plan::{Endpoint, Endpoints, Plan};
use crate::upstream::{Discovered, Discovery};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What is known of the backends' addresses.
pub(super) struct KnownEndpoints {
    discovery: Discovery,
    nameservers: Vec<SocketAddr>,
    found: HashMap<(String, u16), Vec<SocketAddr>>,
    /// The endpoints in force, by the backend's name: an address that stays keeps its health.
    endpoints: HashMap<Arc<str>, Arc<[Endpoint]>>,
    /// Names that have not been looked up once.
    awaited: BTreeSet<(String, u16)>,
}

impl KnownEndpoints {
    /// Begins to look up the names of `plan`; results go to `results`.
    pub(super) fn new(plan: &Plan, tls: &TlsFiles, results: mpsc::Sender<Discovered>) -> Self {
        let mut known = Self {
            discovery: Discovery::new(&plan.dns.nameservers, results),
            nameservers: plan.dns.nameservers.clone(),
            found: HashMap::new(),
            endpoints: HashMap::new(),
            awaited: BTreeSet::new(),
        };
        known.apply(plan, tls);
        known.awaited = names(plan);
        known
    }

    /// Takes up another plan: names that stay go on being looked up as they were.
    pub(super) fn apply(&mut self, plan: &Plan, tls: &TlsFiles) {
        if self.nameservers != plan.dns.nameservers {
            self.discovery.use_nameservers(&plan.dns.nameservers);
            self.nameservers.clone_from(&plan.dns.nameservers);
        }
        let names = names(plan);
        self.found.retain(|name, _| names.contains(name));
        self.awaited.retain(|name| names.contains(name));
        self.discovery.watch(&names);
        self.settle(plan, tls);
    }

    /// Takes in what was found.
    pub(super) fn found(&mut self, discovered: Discovered, plan: &Plan, tls: &TlsFiles) {
        let name = (discovered.host, discovered.port);
        if names(plan).contains(&name) {
            self.awaited.remove(&name);
            self.found.insert(name, discovered.addresses);
            self.settle(plan, tls);
        }
    }

    /// The endpoints of each backend, in the order of [`BackendId`](crate::plan::BackendId)s.
    pub(super) fn of(&self, plan: &Plan) -> Vec<Arc<[Endpoint]>> {
        plan.backends.iter().map(|backend| Arc::clone(&self.endpoints[&backend.name])).collect()
    }

    /// The names that have no first answer yet.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &str> {
        self.awaited.iter().map(|(host, _)| host.as_str())
    }

    /// Waits no longer for first answers.
    pub(super) fn stop_waiting(&mut self) {
        self.awaited.clear();
    }

    fn settle(&mut self, plan: &Plan, tls: &TlsFiles) {
        let mut before = std::mem::take(&mut self.endpoints);
        for backend in &plan.backends {
            let known = before.remove(&backend.name).unwrap_or_default();
            let connector = tls.backend(&backend.name);
            let addresses: &[SocketAddr] = match &backend.endpoints {
                Endpoints::Static(addresses) => addresses,
                Endpoints::Dns { host, port } => {
                    self.found.get(&(host.clone(), *port)).map(Vec::as_slice).unwrap_or_default()
                }
            };
            let endpoint = |address: &SocketAddr| {
                let kept = known.iter().find(|endpoint| endpoint.address == *address);
                let endpoint = kept.cloned().unwrap_or_else(|| Endpoint::new(*address));
                let (protocol, proxy_protocol) = (backend.protocol, backend.proxy_protocol);
                Endpoint { tls: connector.clone(), protocol, proxy_protocol, ..endpoint }
            };
            self.endpoints.insert(Arc::clone(&backend.name), addresses.iter().map(endpoint).collect());
        }
    }
}

fn names(plan: &Plan) -> BTreeSet<(String, u16)> {
    let dns = |endpoints: &Endpoints| match endpoints {
        Endpoints::Dns { host, port } => Some((host.clone(), *port)),
        Endpoints::Static(_) => None,
    };
    plan.backends.iter().filter_map(|backend| dns(&backend.endpoints)).collect()
}
