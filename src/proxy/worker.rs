//! One worker: what its connections have in common.

use super::buffer::Buffers;
use super::clock::Clock;
use super::deadline::Deadlines;
use super::mirror::Copies;
use super::per_client::{ClientKey, Held, PerClient};
use crate::http::HeadLimits;
use crate::net::proxy_protocol::Malformed;
use crate::net::{Beginning, Entrance};
use crate::plan::{Http2, Snapshot, Timeouts};
use crate::stats::{Rejection, WorkerCounters};
use crate::upstream::{ConnectError, Pools, RetryBudget, Seat};
use arc_swap::{ArcSwap, Cache};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;
use tokio::sync::{Notify, mpsc};

/// What a worker is told to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Accept connections there, under this name, that begin like this.
    Listen(Arc<str>, TcpListener, Arc<Entrance>),
    /// Stop accepting there. Its connections go on.
    Unlisten(Arc<str>),
    /// Serve a connection that another worker accepted, and that begins like this.
    Serve(TcpStream, Beginning, SocketAddr),
    /// Stop accepting, tell clients to close, and end when the last one has.
    Drain,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) id: usize,
    pub(super) snapshots: Arc<ArcSwap<Snapshot>>,
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) loads: Arc<[AtomicUsize]>,
    pub(super) peers: Arc<[mpsc::UnboundedSender<Command>]>,
    pub(super) clients: Arc<PerClient>,
    pub(super) clock: Clock,
}

/// One worker.
pub(super) struct Worker {
    pub(super) id: usize,
    pub(super) counters: Arc<WorkerCounters>,
    /// The open connections of each worker.
    pub(super) loads: Arc<[AtomicUsize]>,
    pub(super) peers: Arc<[mpsc::UnboundedSender<Command>]>,
    pub(super) deadlines: Rc<Deadlines>,
    pub(super) buffers: Buffers,
    /// What bounds the requests that are tried again.
    pub(super) retries: RetryBudget,
    /// How many requests' bodies are kept, to be sent again.
    pub(super) replays: Rc<Cell<u32>>,
    /// Copies of requests for other backends.
    pub(super) copies: Copies,
    /// The last connection has closed.
    pub(super) idle: Notify,
    /// What each client has, in all workers.
    pub(super) clients: Arc<PerClient>,
    clock: Clock,
    now_ms: Cell<u64>,
    snapshots: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    current: RefCell<Rc<Current>>,
    random: RefCell<SmallRng>,
    date: Cell<[u8; DATE]>,
    date_s: Cell<u64>,
    pub(super) draining: Cell<bool>,
    full: Seldom,
    client_full: Seldom,
    handshake_failed: Seldom,
    header_malformed: Seldom,
}

/// Holds back a warning that was given a moment ago.
#[derive(Debug, Default)]
struct Seldom(Cell<Option<u64>>);

impl Seldom {
    /// Whether it is time for the warning, which is given then: once in ten seconds.
    fn is_due(&self, now_ms: u64) -> bool {
        let is_due = self.0.get().is_none_or(|said| now_ms - said > 10_000);
        if is_due {
            self.0.set(Some(now_ms));
        }
        is_due
    }
}

/// A snapshot, and this worker's connections to its endpoints.
pub(super) struct Current {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) pools: Pools,
}

/// The length of an IMF-fixdate (RFC 9110 section 5.6.7).
const DATE: usize = 29;
/// How long a connection to an endpoint stays idle: less than the minute that most servers allow.
const UPSTREAM_IDLE_MS: u64 = 50_000;
/// How often idle connections are looked at, in ticks.
const SWEEP_TICKS: u64 = 10;

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { id, snapshots, counters, loads, peers, clients, clock } = parts;
        let snapshot = snapshots.load_full();
        let seat = Seat { worker: id, workers: loads.len() };
        let pools = Pools::new(&snapshot, &Pools::default(), seat, &counters);
        let worker = Self {
            id,
            counters,
            loads,
            peers,
            deadlines: Rc::default(),
            buffers: Buffers::default(),
            retries: RetryBudget::default(),
            replays: Rc::default(),
            copies: Copies::default(),
            idle: Notify::new(),
            clients,
            clock,
            now_ms: Cell::new(clock.now_ms()),
            snapshots: RefCell::new(Cache::new(snapshots)),
            current: RefCell::new(Rc::new(Current { snapshot, pools })),
            random: RefCell::new(SmallRng::from_rng(&mut rand::rng())),
            date: Cell::new([b' '; DATE]),
            date_s: Cell::new(0),
            draining: Cell::new(false),
            full: Seldom::default(),
            client_full: Seldom::default(),
            handshake_failed: Seldom::default(),
            header_malformed: Seldom::default(),
        };
        worker.write_date();
        worker
    }

    /// What is obeyed now: one atomic load, unless it has changed.
    pub(super) fn current(&self) -> Rc<Current> {
        let mut snapshots = self.snapshots.borrow_mut();
        let newest = snapshots.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(newest, &current.snapshot) {
            let seat = Seat { worker: self.id, workers: self.loads.len() };
            let pools = Pools::new(newest, &current.pools, seat, &self.counters);
            *current = Rc::new(Current { snapshot: Arc::clone(newest), pools });
        }
        Rc::clone(&current)
    }

    /// Lets go of the connections to endpoints, and lets those take their leave that have a word for it.
    pub(super) async fn leave(&self) {
        let snapshot = Arc::clone(&self.current.borrow().snapshot);
        *self.current.borrow_mut() = Rc::new(Current { snapshot, pools: Pools::default() });
        // An HTTP/2 connection is closed by a task of its own, which needs one turn for it; nobody waits for its peer.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
    }

    /// The limits that clients are held to.
    pub(super) fn limits(&self) -> (HeadLimits, Timeouts) {
        let current = self.current.borrow();
        (head_limits(&current.snapshot), current.snapshot.plan.timeouts)
    }

    /// What an HTTP/2 connection may have under way.
    pub(super) fn http2(&self) -> Http2 {
        self.current.borrow().snapshot.plan.http2
    }

    /// How many connections may be open.
    pub(super) fn max_connections(&self) -> usize {
        self.current.borrow().snapshot.plan.limits.connections_per_worker
    }

    /// Whether a client at this address may have another connection: then, where that is limited, what counts it for as
    /// long as it is there.
    pub(super) fn admits(&self, client: IpAddr) -> Result<Option<Box<Held>>, Rejection> {
        let Some(most) = self.current().snapshot.plan.limits.connections_per_client else { return Ok(None) };
        let held = self.clients.open.hold(ClientKey::of(client), most);
        if held.is_none() && self.client_full.is_due(self.now_ms()) {
            tracing::warn!(%client, limit = most, "closing new connections: limits.connectionsPerClient is reached");
        }
        held.map(Some).ok_or(Rejection::ConnectionsPerClient)
    }

    /// Says, once in ten seconds, that connections are being closed because there are too many.
    pub(super) fn warn_full(&self) {
        if self.full.is_due(self.now_ms()) {
            let limit = self.max_connections();
            tracing::warn!(worker = self.id, limit, "closing new connections: limits.connectionsPerWorker is reached");
        }
    }

    /// Says, once in ten seconds, why connections to a backend cannot be used: the counters do not say.
    pub(super) fn warn_handshake(&self, endpoint: SocketAddr, error: &ConnectError) {
        if self.handshake_failed.is_due(self.now_ms()) {
            match error {
                ConnectError::Tls(error) => {
                    tracing::warn!(%endpoint, %error, "the TLS handshake with an endpoint failed");
                }
                error => tracing::warn!(%endpoint, %error, "the HTTP/2 handshake with an endpoint failed"),
            }
        }
    }

    /// Says, once in ten seconds, that connections begin without the PROXY header that they have to begin with.
    pub(super) fn warn_proxy_header(&self, peer: SocketAddr, why: Malformed) {
        if self.header_malformed.is_due(self.now_ms()) {
            tracing::warn!(%peer, %why, "closed a connection from an address in proxyProtocol.from");
        }
    }

    /// A number drawn evenly from all of `u64`.
    pub(super) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// The same of `u128`.
    pub(super) fn random_wide(&self) -> u128 {
        u128::from(self.random()) << 64 | u128::from(self.random())
    }

    /// Milliseconds on the workers' common clock, as of the last tick.
    pub(super) fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// The value of a `Date` field, as of the last tick.
    pub(super) fn date(&self) -> [u8; DATE] {
        self.date.get()
    }

    /// Whether clients are told to close.
    pub(super) fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Whether it has a connection.
    pub(super) fn is_loaded(&self) -> bool {
        self.loads[self.id].load(Relaxed) > 0
    }

    /// Moves everything that is as of the last tick on to tick `ticks`.
    pub(super) fn tick(&self, ticks: u64) {
        self.now_ms.set(self.clock.now_ms());
        self.write_date();
        self.deadlines.advance(ticks);
        if ticks.is_multiple_of(SWEEP_TICKS) {
            self.current().pools.sweep(self.now_ms().saturating_sub(UPSTREAM_IDLE_MS));
        }
    }

    fn write_date(&self) {
        let now = SystemTime::now();
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.date_s.replace(seconds) != seconds {
            let text = httpdate::fmt_http_date(now);
            if let Ok(date) = text.as_bytes().try_into() {
                self.date.set(date);
            }
        }
    }
}

/// The limits on a message's head.
pub(super) fn head_limits(snapshot: &Snapshot) -> HeadLimits {
    HeadLimits { bytes: snapshot.plan.limits.header_bytes, fields: snapshot.plan.limits.header_count }
}
