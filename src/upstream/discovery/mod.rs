//! Finds the endpoints behind a name, and keeps looking.
//!
//! A task a name: look up, tell if something changed, wait for the TTL, again. What the name server says is believed:
//! a name that is gone, or has no addresses, has no endpoints, which is how a headless Service without ready pods
//! looks. What it fails to say is not: an error or a silence keeps the addresses that are known.

mod known;
mod lookup;
#[cfg(test)]
mod tests;

use known::{Condition, Known};
use lookup::Lookup;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// The endpoints of a name, all of them: sent when they are first known and whenever they have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// The name that is watched.
    pub host: String,
    /// The port that is watched with it.
    pub port: u16,
    /// Sorted, each once; empty when the name does not exist or has no addresses.
    pub addresses: Vec<SocketAddr>,
}

/// The names that are watched. Dropping it stops all of them.
#[derive(Debug)]
pub struct Discovery {
    lookup: Arc<Lookup>,
    nameservers: Vec<SocketAddr>,
    pace: Pace,
    found: mpsc::Sender<Discovered>,
    watched: BTreeMap<(String, u16), Task>,
}

/// How long to wait, and when.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The bounds of a TTL.
    ttl: (Duration, Duration),
    /// The bounds between which a name that is not there is asked for again: a canary that appears is soon seen.
    absent: (Duration, Duration),
    /// After the first failure; doubled by each further one up to the second.
    backoff: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { ttl: (seconds(1), seconds(300)), absent: (seconds(1), seconds(2)), backoff: (seconds(1), seconds(30)) }
    }
}

/// Ends its task when it is dropped.
#[derive(Debug)]
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Discovery {
    /// Watches nothing yet. Asks `nameservers`, or the system's if there are none; tells `found`.
    pub fn new(nameservers: &[SocketAddr], found: mpsc::Sender<Discovered>) -> Self {
        Self::with_pace(nameservers, found, Pace::default())
    }

    fn with_pace(nameservers: &[SocketAddr], found: mpsc::Sender<Discovered>, pace: Pace) -> Self {
        let lookup = Arc::new(Lookup::new(nameservers));
        Self { lookup, nameservers: nameservers.to_vec(), pace, found, watched: BTreeMap::new() }
    }

    /// Asks these from now on. Where that is a change every name starts anew at the next [`watch`](Self::watch), and
    /// is told anew.
    pub fn use_nameservers(&mut self, nameservers: &[SocketAddr]) {
        if self.nameservers != nameservers {
            self.watched.clear();
            self.lookup = Arc::new(Lookup::new(nameservers));
            nameservers.clone_into(&mut self.nameservers);
        }
    }

    /// Watches exactly `names`, each a host and a port: new ones start, missing ones stop, the others go on
    /// undisturbed. What was found of a name just before it stopped may still arrive.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn watch(&mut self, names: &BTreeSet<(String, u16)>) {
        self.watched.retain(|name, _| names.contains(name));
        for name in names {
            if !self.watched.contains_key(name) {
                let (host, port) = name.clone();
                let task = follow(Arc::clone(&self.lookup), self.pace, self.found.clone(), host, port);
                self.watched.insert(name.clone(), Task(tokio::spawn(task).abort_handle()));
            }
        }
    }
}

/// Follows one name until nobody listens any more.
async fn follow(lookup: Arc<Lookup>, pace: Pace, found: mpsc::Sender<Discovered>, host: String, port: u16) {
    let mut known = Known::default();
    let mut reported = None;
    loop {
        let learnt = known.learn(lookup.ask(&host).await, pace);
        if reported.as_ref() != Some(&learnt.condition) {
            report(&host, &learnt.condition, reported.is_none());
        }
        reported = Some(learnt.condition);
        if let Some(ips) = learnt.changed {
            let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
            if found.send(Discovered { host: host.clone(), port, addresses }).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(learnt.wait).await;
    }
}

/// Says it once, when it changes: a name that cannot be resolved is asked for again every other second.
fn report(host: &str, condition: &Condition, first: bool) {
    match condition {
        Condition::Found if first => tracing::debug!(host, "the name resolves"),
        Condition::Found => tracing::info!(host, "the name resolves again"),
        Condition::Absent => {
            tracing::warn!(host, "the name has no addresses: its backend has no endpoints until it has some");
        }
        Condition::Failing { error } => {
            tracing::warn!(host, error, "the name cannot be resolved: the endpoints that are known stay");
        }
    }
}
