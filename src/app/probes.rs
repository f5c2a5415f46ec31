//! Whether a side that gets no traffic could take some.
//!
//! Of a side that is served from, the requests say whether its endpoints take connections. A canary before its first
//! step, and a stable while the canary has everything, have no requests: they are asked, with a connection that is closed
//! at once: over TLS, if that is how requests would come.

use crate::plan::{BackendId, Endpoint};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// From the start of one round to that of the next.
const INTERVAL: Duration = Duration::from_millis(500);
/// For one connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last answers.
pub(super) struct Probes {
    asked: BTreeSet<BackendId>,
    /// `None` while the first answer is on its way.
    answers: BTreeMap<SocketAddr, Option<bool>>,
    under_way: BTreeSet<SocketAddr>,
    next_round: Instant,
    results: mpsc::UnboundedReceiver<(SocketAddr, bool)>,
    sender: mpsc::UnboundedSender<(SocketAddr, bool)>,
}

impl Probes {
    pub(super) fn new() -> Self {
        let (sender, results) = mpsc::unbounded_channel();
        Self {
            asked: BTreeSet::new(),
            answers: BTreeMap::new(),
            under_way: BTreeSet::new(),
            next_round: Instant::now(),
            results,
            sender,
        }
    }

    /// Asks the endpoints of `backends`, and no others, from now on. Inside a runtime; waits for nothing.
    pub(super) fn ask(&mut self, backends: BTreeSet<BackendId>, endpoints: &[Arc<[Endpoint]>]) {
        while let Ok((address, reached)) = self.results.try_recv() {
            self.under_way.remove(&address);
            if let Some(answer) = self.answers.get_mut(&address) {
                *answer = Some(reached);
            }
        }
        let wanted = || backends.iter().flat_map(|backend| endpoints[backend.index()].iter());
        let addresses: BTreeSet<SocketAddr> = wanted().map(|endpoint| endpoint.address).collect();
        let another = self.asked != backends || addresses.iter().any(|address| !self.answers.contains_key(address));
        self.answers.retain(|address, _| addresses.contains(address));
        addresses.iter().for_each(|address| {
            self.answers.entry(*address).or_default();
        });
        self.asked = backends;
        if !another && Instant::now() < self.next_round {
            return;
        }
        self.next_round = Instant::now() + INTERVAL;
        let endpoints: Vec<Endpoint> = self.asked.iter().flat_map(|b| endpoints[b.index()].iter().cloned()).collect();
        for endpoint in endpoints {
            if self.under_way.insert(endpoint.address) {
                let sender = self.sender.clone();
                tokio::spawn(async move {
                    let reached = matches!(timeout(PATIENCE, connect(&endpoint)).await, Ok(Ok(())));
                    if reached {
                        endpoint.health.connected();
                    }
                    // The control thread is gone when nobody listens; then nobody asks either.
                    let _ = sender.send((endpoint.address, reached));
                });
            }
        }
    }

    /// Whether `endpoint` of `backend` takes connections, as far as it was asked; `true` where nobody asks.
    pub(super) fn reached(&self, backend: BackendId, endpoint: &Endpoint) -> bool {
        !self.asked.contains(&backend) || self.answers.get(&endpoint.address) == Some(&Some(true))
    }
}

/// Connects as a request would.
async fn connect(endpoint: &Endpoint) -> std::io::Result<()> {
    let socket = TcpStream::connect(endpoint.address).await?;
    if let Some(tls) = &endpoint.tls {
        tls.connect(socket, endpoint.address.ip()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn until(probes: &mut Probes, endpoints: &[Arc<[Endpoint]>], reached: bool) {
        let backend = BackendId::new(0);
        let asked = async {
            loop {
                probes.ask([backend].into(), endpoints);
                if probes.reached(backend, &endpoints[0][0]) == reached {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), asked).await.expect("it is noticed");
    }

    #[tokio::test]
    async fn an_endpoint_that_begins_and_ceases_to_listen_is_noticed() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        let endpoints: [Arc<[Endpoint]>; 1] = [Arc::from([Endpoint::new(address)])];
        let mut probes = Probes::new();
        assert!(probes.reached(BackendId::new(0), &endpoints[0][0]), "whom nobody asks is not doubted");
        probes.ask([BackendId::new(0)].into(), &endpoints);
        assert!(!probes.reached(BackendId::new(0), &endpoints[0][0]), "whom nobody has reached yet is");
        until(&mut probes, &endpoints, true).await;
        drop(free);
        until(&mut probes, &endpoints, false).await;
    }
}
