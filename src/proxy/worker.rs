//! One worker: what its connections have in common.

use super::accept::{accept, take};
use super::buffer::Buffers;
use super::deadline::{Deadlines, TICK};
use super::forward::head_limits;
use super::workers::Clock;
use crate::http::HeadLimits;
use crate::plan::{Snapshot, Timeouts};
use crate::stats::WorkerCounters;
use crate::upstream::Pools;
use arc_swap::{ArcSwap, Cache};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// What a worker is told to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Accept connections there, under the listener's name.
    Listen(Arc<str>, TcpListener),
    /// Stop accepting there. Its connections go on.
    Unlisten(Arc<str>),
    /// Serve a connection that another worker accepted.
    Serve(TcpStream, SocketAddr),
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
    /// The last connection has closed.
    pub(super) idle: Notify,
    clock: Clock,
    now_ms: Cell<u64>,
    snapshots: RefCell<Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    current: RefCell<Rc<Current>>,
    random: RefCell<SmallRng>,
    date: Cell<[u8; DATE]>,
    date_s: Cell<u64>,
    draining: Cell<bool>,
    full_since_ms: Cell<Option<u64>>,
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
    fn new(parts: Parts) -> Self {
        let Parts { id, snapshots, counters, loads, peers, clock } = parts;
        let snapshot = snapshots.load_full();
        let pools = Pools::new(&snapshot, &Pools::default(), &counters);
        let worker = Self {
            id,
            counters,
            loads,
            peers,
            deadlines: Rc::default(),
            buffers: Buffers::default(),
            idle: Notify::new(),
            clock,
            now_ms: Cell::new(clock.now_ms()),
            snapshots: RefCell::new(Cache::new(snapshots)),
            current: RefCell::new(Rc::new(Current { snapshot, pools })),
            random: RefCell::new(SmallRng::from_rng(&mut rand::rng())),
            date: Cell::new([b' '; DATE]),
            date_s: Cell::new(0),
            draining: Cell::new(false),
            full_since_ms: Cell::new(None),
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
            let pools = Pools::new(newest, &current.pools, &self.counters);
            *current = Rc::new(Current { snapshot: Arc::clone(newest), pools });
        }
        Rc::clone(&current)
    }

    /// The limits that clients are held to.
    pub(super) fn limits(&self) -> (HeadLimits, Timeouts) {
        let current = self.current.borrow();
        (head_limits(&current.snapshot), current.snapshot.plan.timeouts)
    }

    /// How many connections may be open.
    pub(super) fn max_connections(&self) -> usize {
        self.current.borrow().snapshot.plan.limits.connections_per_worker
    }

    /// Says, once in ten seconds, that connections are being closed because there are too many.
    pub(super) fn warn_full(&self) {
        let now = self.now_ms();
        if self.full_since_ms.get().is_none_or(|said| now - said > 10_000) {
            self.full_since_ms.set(Some(now));
            let limit = self.max_connections();
            tracing::warn!(worker = self.id, limit, "closing new connections: limits.connectionsPerWorker is reached");
        }
    }

    /// A number drawn evenly from all of `u64`.
    pub(super) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
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
    fn is_loaded(&self) -> bool {
        self.loads[self.id].load(Relaxed) > 0
    }

    fn tick(&self, ticks: u64) {
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

/// Runs a worker until it has drained, or until nobody can tell it anything any more.
pub(super) async fn run(parts: Parts, mut commands: mpsc::UnboundedReceiver<Command>) {
    let worker = Rc::new(Worker::new(parts));
    let mut listeners: HashMap<Arc<str>, (watch::Sender<bool>, JoinHandle<()>)> = HashMap::new();
    let mut takes_commands = true;
    let begun = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            command = commands.recv(), if takes_commands => match command {
                None => return,
                Some(Command::Listen(name, listener)) => match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        let (stop, stopped) = watch::channel(false);
                        let accepts = tokio::task::spawn_local(accept(Rc::clone(&worker), listener, stopped));
                        listeners.insert(name, (stop, accepts));
                    }
                    Err(error) => tracing::error!(%error, listener = %name, "cannot register the listener"),
                },
                Some(Command::Unlisten(name)) => {
                    listeners.remove(&name).into_iter().for_each(|(stop, _)| { stop.send_replace(true); });
                }
                Some(Command::Serve(stream, peer)) => take_over(&worker, stream, peer),
                Some(Command::Drain) => {
                    worker.draining.set(true);
                    for (_, (stop, accepts)) in listeners.drain() {
                        stop.send_replace(true);
                        // Until it has emptied its queue; its only error would be a panic, and a release ends at those.
                        let _ = accepts.await;
                    }
                    worker.deadlines.wake_all();
                    worker.idle.notify_one();
                }
            },
            _ = ticks.tick() => {
                let passed = begun.elapsed().as_millis() / TICK.as_millis();
                worker.tick(u64::try_from(passed).unwrap_or(u64::MAX));
            }
            () = worker.idle.notified() => {
                if !worker.draining() || worker.is_loaded() {
                    continue;
                }
                // What others have handed over by now is served; from here on they keep what they accept.
                takes_commands = false;
                commands.close();
                while let Ok(command) = commands.try_recv() {
                    if let Command::Serve(stream, peer) = command {
                        take_over(&worker, stream, peer);
                    }
                }
                if !worker.is_loaded() {
                    return;
                }
            }
        }
    }
}

/// Serves a connection that another worker accepted.
fn take_over(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => take(worker, stream, peer),
        Err(error) => tracing::error!(%error, "cannot register a connection"),
    }
}

/// A thousandth of what a process's own clock counts in, for [`Clock`].
pub(super) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
