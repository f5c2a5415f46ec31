//! One address of a backend, and whether it is worth trying.
//!
//! The health is shared by all workers: three connect failures in a row anywhere rest the endpoint everywhere. It is
//! written when a connect fails, or succeeds after a failure, so on a good day nobody writes it and every worker's
//! cache keeps its copy.

use crate::net::tls::Connector;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One address of a backend.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// Kept by the address for as long as it is in the backend, over any number of snapshots.
    pub health: Arc<Health>,
    /// How connections to it begin; `None`: in clear.
    pub tls: Option<Arc<Connector>>,
}

impl Endpoint {
    /// A healthy endpoint that nobody has tried, in clear.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, health: Arc::default(), tls: None }
    }

    /// Whether connections to one are as good as connections to the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same_tls && Arc::ptr_eq(&self.health, &other.health)
    }
}

/// Whether an endpoint takes connections.
#[derive(Debug, Default)]
pub struct Health {
    failures_in_a_row: AtomicU32,
    rests_until_ms: AtomicU64,
}

impl Health {
    /// How many connect failures in a row it takes.
    pub const FAILURES_TO_REST: u32 = 3;
    const FIRST_REST: Duration = Duration::from_secs(1);
    const LONGEST_REST: Duration = Duration::from_secs(60);

    /// A connect failed at `now_ms` (milliseconds on the process's own monotonic clock). From the third in a row on
    /// the endpoint rests for 1 s, doubled by each further one, up to 60 s.
    pub fn connect_failed(&self, now_ms: u64) {
        let failures = self.failures_in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        if let Some(doublings) = failures.checked_sub(Self::FAILURES_TO_REST) {
            let rest = Self::FIRST_REST.saturating_mul(1 << doublings.min(6)).min(Self::LONGEST_REST);
            let rest_ms = u64::try_from(rest.as_millis()).expect("at most 60,000");
            self.rests_until_ms.store(now_ms + rest_ms, Relaxed);
        }
    }

    /// A connect succeeded: whatever came before is forgotten.
    pub fn connected(&self) {
        if self.failures_in_a_row.load(Relaxed) != 0 {
            self.failures_in_a_row.store(0, Relaxed);
            self.rests_until_ms.store(0, Relaxed);
        }
    }

    /// Whether the endpoint is to be left alone at `now_ms`.
    pub fn rests(&self, now_ms: u64) -> bool {
        self.rests_until_ms.load(Relaxed) > now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_in_a_row_rests_it_and_each_further_one_twice_as_long() {
        let health = Health::default();
        health.connect_failed(0);
        health.connect_failed(0);
        assert!(!health.rests(0));
        for (failure, rest_ms) in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].iter().enumerate() {
            health.connect_failed(0);
            assert!(health.rests(rest_ms - 1), "failure {failure}");
            assert!(!health.rests(*rest_ms), "failure {failure}");
        }
        health.connected();
        assert!(!health.rests(0));
        health.connect_failed(0);
        assert!(!health.rests(0), "the count starts anew");
    }
}
