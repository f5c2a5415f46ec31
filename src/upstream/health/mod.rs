//! Who is well: asks the endpoints, ejects those whose requests fail, and says which are used.
//!
//! All of it happens on the control thread. The workers see which endpoints are used in the next snapshot, and what
//! they learn from their requests they leave in each endpoint's [`Health`](crate::plan::Health): so no request pays
//! for a health that nobody configured, and whatever is decided about a backend is decided by one pair of eyes, which
//! never ejects too many.

mod ask;
mod check;
mod grpc;
mod http2;
mod outlier;
mod probes;
mod success;
#[cfg(test)]
mod tests;
mod watched;

use crate::plan::{Available, Backend, BackendId, Endpoint};
use probes::{Asker, Manner};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use watched::{Condition, Watched};

/// Every backend as it is watched.
#[derive(Debug)]
pub struct Watch {
    workers: usize,
    /// Indexed by [`BackendId`].
    backends: Vec<Watched>,
    asker: Asker,
}

/// How many endpoints of a backend stand how; each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Those that nothing speaks against.
    pub ready: u64,
    /// Those that rest after connect failures.
    pub resting: u64,
    /// Those that do not answer well, or have not been asked yet.
    pub unhealthy: u64,
    /// Those that are ejected because their requests failed.
    pub ejected: u64,
}

impl Watch {
    /// How often it has to [look](Self::look) where it [is busy](Self::is_busy): this long, and no longer, an endpoint
    /// goes on failing requests after it has failed too many.
    pub const PERIOD: Duration = Duration::from_millis(20);

    /// Watches nothing yet. `workers` is how many there are.
    pub fn new(workers: usize) -> Self {
        Self { workers, backends: Vec::new(), asker: Asker::new() }
    }

    /// Watches these `backends` with these `endpoints`, and no others, from now on (`now_ms`, on the workers' clock).
    pub fn settle(&mut self, backends: &[Backend], endpoints: &[Arc<[Endpoint]>], now_ms: u64) {
        let before = std::mem::take(&mut self.backends);
        let mut before: BTreeMap<Arc<str>, Watched> =
            before.into_iter().map(|watched| (Arc::clone(&watched.name), watched)).collect();
        let both = backends.iter().zip(endpoints);
        let watched = both.map(|(backend, endpoints)| {
            Watched::new(backend, endpoints, before.remove(&backend.name), self.workers, now_ms)
        });
        self.backends = watched.collect();
    }

    /// Whether there is a backend that has to be looked at more often than rollouts are judged.
    pub fn is_busy(&self) -> bool {
        self.backends.iter().any(|watched| watched.settings.health.is_some() || watched.settings.outliers.is_some())
    }

    /// Takes in what was learnt, and asks whose turn it is; `unserved` are the sides of rollouts that get no requests.
    /// Whether other endpoints are used than before. Inside a runtime; waits for nothing.
    pub fn look(&mut self, unserved: &BTreeSet<BackendId>, now_ms: u64) -> bool {
        let mut changed = false;
        while let Some(answer) = self.asker.next() {
            if let Some(watched) = self.backends.iter_mut().find(|watched| watched.name == answer.backend) {
                changed |= watched.learn(&answer, now_ms);
            }
        }
        for (index, watched) in self.backends.iter_mut().enumerate() {
            changed |= watched.eject(now_ms);
            watched.tell();
            let manner = Manner::of(watched.settings.health.as_ref(), unserved.contains(&BackendId::new(index)));
            for member in watched.members.values_mut() {
                self.asker.ask(&watched.name, &member.endpoint, &mut member.probe, manner.as_ref(), now_ms);
            }
        }
        changed
    }

    /// The endpoints of each backend, indexed by [`BackendId`].
    pub fn available(&self) -> Vec<Available> {
        self.backends.iter().map(Watched::available).collect()
    }

    /// Whether `backend` has an endpoint that could take a request: well, taking connections as far as workers know,
    /// and, where it was asked, as it answered itself.
    pub fn is_ready(&self, backend: BackendId, now_ms: u64) -> bool {
        let mut all = self.backends[backend.index()].members.values();
        all.any(|member| member.is_well() && member.is_reached() && !member.endpoint.health.rests(now_ms))
    }

    /// The names of backends of which not every endpoint has said yet how it is.
    pub fn unasked(&self) -> impl Iterator<Item = &str> {
        let unasked = self.backends.iter().filter(|watched| watched.members.values().any(watched::Member::is_unasked));
        unasked.map(|watched| &*watched.name)
    }

    /// How the endpoints of each backend stand, indexed by [`BackendId`].
    pub fn conditions(&self, now_ms: u64) -> Vec<Conditions> {
        let of = |watched: &Watched| {
            let mut all = Conditions::default();
            for member in watched.members.values() {
                *match member.condition(now_ms) {
                    Condition::Ready => &mut all.ready,
                    Condition::Resting => &mut all.resting,
                    Condition::Unhealthy => &mut all.unhealthy,
                    Condition::Ejected => &mut all.ejected,
                } += 1;
            }
            all
        };
        self.backends.iter().map(of).collect()
    }
}
