//! One worker's counters for what belongs to no backend: its connections, and the requests that it turned away itself.
//!
//! A gauge of open connections is two counters that only rise, opened and closed, so that a plain store by the one
//! writer suffices here too; the reader takes the difference.

use super::histogram::increase;
use crate::net::tls::HandshakeFailure;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one worker counts beside its exchanges with backends. One thread writes, any thread reads.
///
/// On cache lines of its own: two workers' counters side by side would slow each other down.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerCounters {
    clients: Connections,
    upstreams: Connections,
    /// By [`HandshakeFailure`].
    handshakes_failed: [AtomicU64; HandshakeFailure::ALL.len()],
    /// By [`Rejection`].
    rejected: [AtomicU64; Rejection::ALL.len()],
    tunnels: Connections,
    /// What tunnels carried, in bytes: from clients, and to them.
    tunnelled: [AtomicU64; 2],
    /// By status code, from 400 to 599.
    refused: Box<[AtomicU64; REFUSALS]>,
}

/// Why a client's connection was closed before anything else was read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The worker had as many as it may have.
    ConnectionsPerWorker,
    /// The client had as many as it may have.
    ConnectionsPerClient,
    /// It did not begin with the PROXY header that it had to begin with.
    ProxyHeaderMalformed,
    /// The PROXY header did not come in time.
    ProxyHeaderTimeout,
    /// It ended in the middle of the PROXY header. One that ends before it is a load balancer's look at the port.
    ProxyHeaderTruncated,
}

impl Rejection {
    /// Every one, in the order of their counters.
    pub const ALL: [Self; 5] = [
        Self::ConnectionsPerWorker,
        Self::ConnectionsPerClient,
        Self::ProxyHeaderMalformed,
        Self::ProxyHeaderTimeout,
        Self::ProxyHeaderTruncated,
    ];

    /// The value of the label `cause`.
    pub fn label(self) -> &'static str {
        match self {
            Self::ConnectionsPerWorker => "connections-per-worker",
            Self::ConnectionsPerClient => "connections-per-client",
            Self::ProxyHeaderMalformed => "proxy-header-malformed",
            Self::ProxyHeaderTimeout => "proxy-header-timeout",
            Self::ProxyHeaderTruncated => "proxy-header-truncated",
        }
    }
}

#[derive(Debug, Default)]
struct Connections {
    opened: AtomicU64,
    closed: AtomicU64,
}

const REFUSALS: usize = 200;
const FIRST_REFUSAL: u16 = 400;

impl Default for WorkerCounters {
    fn default() -> Self {
        let refused = Box::new([const { AtomicU64::new(0) }; REFUSALS]);
        Self {
            clients: Connections::default(),
            upstreams: Connections::default(),
            tunnels: Connections::default(),
            tunnelled: Default::default(),
            handshakes_failed: Default::default(),
            rejected: Default::default(),
            refused,
        }
    }
}

impl WorkerCounters {
    /// A client's connection was accepted. For the one writer, as all that follow.
    pub fn client_opened(&self) {
        increase(&self.clients.opened, 1);
    }

    /// A client's connection is gone, whoever closed it.
    pub fn client_closed(&self) {
        increase(&self.clients.closed, 1);
    }

    /// A connection to an endpoint is open.
    pub fn upstream_opened(&self) {
        increase(&self.upstreams.opened, 1);
    }

    /// A connection to an endpoint is gone, whoever closed it.
    pub fn upstream_closed(&self) {
        increase(&self.upstreams.closed, 1);
    }

    /// A client's TLS handshake came to nothing.
    pub fn handshake_failed(&self, why: HandshakeFailure) {
        increase(&self.handshakes_failed[why as usize], 1);
    }

    /// A client's connection was closed before anything else was read from it.
    pub fn rejected(&self, why: Rejection) {
        increase(&self.rejected[why as usize], 1);
    }

    /// A connection was switched to another protocol.
    pub fn tunnel_opened(&self) {
        increase(&self.tunnels.opened, 1);
    }

    /// A tunnel is gone, whoever closed it.
    pub fn tunnel_closed(&self) {
        increase(&self.tunnels.closed, 1);
    }

    /// A tunnel carried these many bytes from its client, and to it.
    pub fn tunnelled(&self, from_client: u64, to_client: u64) {
        increase(&self.tunnelled[0], from_client);
        increase(&self.tunnelled[1], to_client);
    }

    /// A request was answered with `code` by the worker itself and never given to a backend: malformed, too large, no
    /// rule for it. Below 400 counts as 400, above 599 as 599.
    pub fn refused(&self, code: u16) {
        increase(&self.refused[usize::from(code.saturating_sub(FIRST_REFUSAL)).min(REFUSALS - 1)], 1);
    }

    /// Adds what this worker has counted to `totals`.
    pub fn add_to(&self, totals: &mut WorkerTotals) {
        self.clients.add_to(&mut totals.clients);
        self.upstreams.add_to(&mut totals.upstreams);
        for (total, failed) in totals.handshakes_failed.iter_mut().zip(&self.handshakes_failed) {
            *total += failed.load(Relaxed);
        }
        for (total, rejected) in totals.rejected.iter_mut().zip(&self.rejected) {
            *total += rejected.load(Relaxed);
        }
        self.tunnels.add_to(&mut totals.tunnels);
        totals.bytes_from_clients += self.tunnelled[0].load(Relaxed);
        totals.bytes_to_clients += self.tunnelled[1].load(Relaxed);
        for (total, refused) in totals.refused.iter_mut().zip(self.refused.iter()) {
            *total += refused.load(Relaxed);
        }
    }
}

impl Connections {
    fn add_to(&self, totals: &mut ConnectionTotals) {
        // In this order, so that a connection that opens and closes meanwhile is not counted as closed alone.
        totals.closed += self.closed.load(Relaxed);
        totals.opened += self.opened.load(Relaxed);
    }
}

/// What all workers together have counted since the process began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerTotals {
    /// The clients' connections.
    pub clients: ConnectionTotals,
    /// The connections to endpoints.
    pub upstreams: ConnectionTotals,
    handshakes_failed: [u64; HandshakeFailure::ALL.len()],
    rejected: [u64; Rejection::ALL.len()],
    /// The tunnels; each is also one connection of either side.
    pub tunnels: ConnectionTotals,
    /// Bytes that tunnels carried from clients.
    pub bytes_from_clients: u64,
    /// Bytes that tunnels carried to clients.
    pub bytes_to_clients: u64,
    refused: Vec<u64>,
}

/// Connections of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionTotals {
    /// How many were ever opened.
    pub opened: u64,
    /// How many of them are gone.
    pub closed: u64,
}

impl ConnectionTotals {
    /// How many are open.
    pub fn open(self) -> u64 {
        self.opened.saturating_sub(self.closed)
    }
}

impl Default for WorkerTotals {
    fn default() -> Self {
        Self {
            clients: ConnectionTotals::default(),
            upstreams: ConnectionTotals::default(),
            handshakes_failed: Default::default(),
            rejected: Default::default(),
            tunnels: ConnectionTotals::default(),
            bytes_from_clients: 0,
            bytes_to_clients: 0,
            refused: vec![0; REFUSALS],
        }
    }
}

impl WorkerTotals {
    /// The clients' TLS handshakes that came to nothing, by cause.
    pub fn handshakes_failed(&self) -> impl Iterator<Item = (HandshakeFailure, u64)> {
        HandshakeFailure::ALL.into_iter().zip(self.handshakes_failed)
    }

    /// The clients' connections that were closed before anything else was read from them, by cause.
    pub fn rejected(&self) -> impl Iterator<Item = (Rejection, u64)> {
        Rejection::ALL.into_iter().zip(self.rejected)
    }

    /// The codes that requests were refused with, with their counts.
    pub fn refused(&self) -> impl Iterator<Item = (u16, u64)> {
        (FIRST_REFUSAL..).zip(&self.refused).filter(|(_, count)| **count > 0).map(|(code, count)| (code, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_counts_add_up() {
        let (a, b) = (WorkerCounters::default(), WorkerCounters::default());
        a.client_opened();
        a.client_opened();
        b.client_opened();
        a.client_closed();
        b.upstream_opened();
        b.upstream_closed();
        a.tunnel_opened();
        b.tunnel_opened();
        b.tunnel_closed();
        a.tunnelled(3, 40);
        b.tunnelled(0, 2);
        a.rejected(Rejection::ProxyHeaderTimeout);
        b.rejected(Rejection::ProxyHeaderTimeout);
        a.refused(404);
        b.refused(404);
        b.refused(431);
        let mut totals = WorkerTotals::default();
        a.add_to(&mut totals);
        b.add_to(&mut totals);
        assert_eq!((totals.clients.opened, totals.clients.open()), (3, 2));
        assert_eq!((totals.upstreams.opened, totals.upstreams.open()), (1, 0));
        assert_eq!((totals.tunnels.opened, totals.tunnels.open()), (2, 1));
        assert_eq!((totals.bytes_from_clients, totals.bytes_to_clients), (3, 42));
        let rejected: Vec<_> = totals.rejected().filter(|(_, count)| *count > 0).collect();
        assert_eq!(rejected, [(Rejection::ProxyHeaderTimeout, 2)]);
        assert_eq!(totals.refused().collect::<Vec<_>>(), [(404, 2), (431, 1)]);
    }

    #[test]
    fn a_code_out_of_range_is_counted_at_the_edge() {
        let worker = WorkerCounters::default();
        worker.refused(0);
        worker.refused(u16::MAX);
        let mut totals = WorkerTotals::default();
        worker.add_to(&mut totals);
        assert_eq!(totals.refused().collect::<Vec<_>>(), [(400, 1), (599, 1)]);
    }
}
