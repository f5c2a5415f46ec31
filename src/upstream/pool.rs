//! Idle connections, the last one used first: what is hot stays hot, and what a quiet hour leaves over ages out.
//!
//! Where the endpoint speaks HTTP/2, what is lent is a stream of a connection that others use too.

use super::backend::{Backend, Seat};
use super::breaker::{Load, Open, Opening};
use super::connect::{ConnectError, connect};
use super::http2::{Awaited, Shared, Taken, Terms};
use crate::net::Stream;
use crate::net::proxy_protocol::Addresses;
use crate::plan::{BackendId, Endpoint, Snapshot};
use crate::stats::WorkerCounters;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// How many idle connections are kept that are of use to one client each, and looked through for its own.
const MOST_OF_CLIENTS: usize = 256;

/// One worker's side of every backend of a snapshot.
#[derive(Debug, Default)]
pub struct Pools {
    backends: Vec<Backend>,
}

/// One worker's connections to one endpoint.
#[derive(Debug)]
pub struct Pool {
    endpoint: Endpoint,
    idle: RefCell<Vec<Idle>>,
    /// Connections that several requests share; where the endpoint speaks HTTP/2, there are no others.
    shared: Shared,
    pending: Cell<u32>,
    load: Rc<Load>,
    counters: Arc<WorkerCounters>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since_ms: u64,
}

/// A connection of its own, or a stream of one that others share.
#[derive(Debug)]
struct Connection {
    stream: Stream,
    hold: Hold,
}

/// What is counted, or taken up, for as long as it is in use.
#[derive(Debug)]
enum Hold {
    Whole {
        wear: Wear,
        /// The client on whose behalf it was opened, where the endpoint was told.
        client: Option<Box<Addresses>>,
        _counted: Counted,
    },
    Stream(Taken),
}

/// A connection that is counted for as long as it is open.
#[derive(Debug)]
pub(super) struct Counted {
    counters: Arc<WorkerCounters>,
    _open: Open,
}

/// How much of its life a connection has had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wear {
    opened_ms: u64,
    /// By how many 2,560ths its life is shortened.
    shortened: u8,
    /// Requests that it has carried.
    carried: u32,
}

/// A connection for one request; closed when dropped, unless it is [kept](Backend::keep).
#[derive(Debug)]
pub struct Lease {
    pool: Rc<Pool>,
    connection: Connection,
    reused: bool,
}

/// Says that a request is on its way to the endpoint, for as long as it lives.
#[derive(Debug)]
pub struct Pending(Rc<Pool>);

impl Pools {
    /// The pools for `snapshot`, with the connections of `before` to endpoints that stay.
    pub fn new(snapshot: &Snapshot, before: &Self, seat: Seat, counters: &Arc<WorkerCounters>) -> Self {
        let known = before.all().map(|pool| (pool.endpoint.identity(), pool)).collect();
        let both = snapshot.plan.backends.iter().zip(&snapshot.endpoints);
        let backends =
            both.map(|(backend, endpoints)| Backend::new(&backend.upstream, endpoints, &known, seat, counters));
        Self { backends: backends.collect() }
    }

    /// A backend's.
    pub fn of(&self, backend: BackendId) -> &Backend {
        &self.backends[backend.index()]
    }

    /// Closes what has been idle since before `since_ms`, or was closed by its peer.
    pub fn sweep(&self, since_ms: u64) {
        for pool in self.all() {
            pool.idle.borrow_mut().retain_mut(|idle| idle.since_ms >= since_ms && idle.connection.stream.is_quiet());
            pool.shared.sweep(since_ms);
        }
    }

    #[cfg(test)]
    pub(super) fn of_endpoints(
        endpoints: impl Iterator<Item = Endpoint>,
        counters: &Arc<WorkerCounters>,
    ) -> Vec<Rc<Pool>> {
        endpoints.map(|endpoint| Rc::new(Pool::new(endpoint, Rc::default(), Arc::clone(counters)))).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.backends.iter().flat_map(Backend::all)
    }
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint, load: Rc<Load>, counters: Arc<WorkerCounters>) -> Self {
        let (idle, shared) = (RefCell::default(), Shared::default());
        Self { endpoint, idle, shared, pending: Cell::new(0), load, counters }
    }

    /// Whether it is for this endpoint, and not for one that had the same address once.
    pub(super) fn is_of(&self, endpoint: &Endpoint) -> bool {
        self.endpoint.identity() == endpoint.identity()
    }

    /// Whether its connections are as good as those that would be opened to this endpoint now.
    pub(super) fn serves(&self, endpoint: &Endpoint) -> bool {
        self.endpoint.is_same(endpoint)
    }

    /// The connections of the backend that it belongs to.
    pub(super) fn load(&self) -> &Rc<Load> {
        &self.load
    }

    /// Requests on their way.
    pub fn pending(&self) -> u32 {
        self.pending.get()
    }

    /// Where it connects to, and what is known of it.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Counts a request until the result is dropped.
    pub fn begin(self: &Rc<Self>) -> Pending {
        self.pending.set(self.pending.get() + 1);
        Pending(Rc::clone(self))
    }

    /// The connection that became idle last, if one is still open and not worn; where the endpoint was told whose it is,
    /// the last one of this `client`.
    ///
    /// With `careful` the kernel is asked as well whether the peer has closed it: a system call, for requests that
    /// cannot be sent twice.
    pub(super) fn reuse(
        self: &Rc<Self>,
        careful: bool,
        is_worn: impl Fn(Wear) -> bool,
        client: impl Fn() -> Addresses,
    ) -> Option<Lease> {
        loop {
            let Idle { mut connection, .. } = self.take_idle(&client)?;
            // It may have aged while it was idle, or a reload may have it that it has carried enough.
            let is_worn = matches!(connection.hold, Hold::Whole { wear, .. } if is_worn(wear));
            if !is_worn && connection.stream.is_quiet() && !(careful && connection.stream.is_closed()) {
                return Some(Lease { pool: Rc::clone(self), connection, reused: true });
            }
        }
    }

    fn take_idle(&self, client: impl Fn() -> Addresses) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        if self.endpoint.proxy_protocol.is_none() {
            return idle.pop();
        }
        let client = client();
        let place = idle.iter().rposition(|idle| idle.connection.client() == Some(&client))?;
        Some(idle.remove(place))
    }

    /// Closes the connection that has been idle longest; whether there was one.
    pub(super) fn close_oldest(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        let found = !idle.is_empty();
        if found {
            idle.remove(0);
        }
        found || self.shared.close_idle()
    }

    /// A new connection, on behalf of `client`.
    ///
    /// # Errors
    /// [`ConnectError`], when the endpoint does not accept it, or is not who it should be.
    pub fn connect(
        self: &Rc<Self>,
        client: &Addresses,
        now_ms: u64,
    ) -> impl Future<Output = Result<Lease, ConnectError>> + use<> {
        // Whoever waits for it is small: what few connections need is not in every one's way.
        let client = self.endpoint.proxy_protocol.map(|_| Box::new(*client));
        let pool = Rc::clone(self);
        async move {
            let stream = connect(&pool.endpoint, client.as_deref()).await?;
            let hold = Hold::Whole { wear: Wear::new(now_ms), client, _counted: pool.count() };
            Ok(Lease { pool, connection: Connection { stream, hold }, reused: false })
        }
    }

    /// Counts a connection that has been opened.
    pub(super) fn count(&self) -> Counted {
        self.counters.upstream_opened();
        Counted { counters: Arc::clone(&self.counters), _open: self.load.opened() }
    }

    /// A stream on a shared connection that has room, is whole and not worn.
    pub(super) fn stream(self: &Rc<Self>, is_worn: impl Fn(Wear) -> bool, now_ms: u64) -> Option<Lease> {
        let (stream, taken) = self.shared.take(is_worn, now_ms)?;
        let connection = Connection { stream, hold: Hold::Stream(taken) };
        Some(Lease { pool: Rc::clone(self), connection, reused: false })
    }

    /// Waits for a shared connection that others wait for too, if it will have room.
    pub(super) fn join(&self) -> Option<Awaited> {
        self.shared.join()
    }

    /// Begins to open a shared connection.
    pub(super) fn open(self: &Rc<Self>, opening: Opening, terms: Terms, now_ms: u64) -> Awaited {
        self.shared.open(self, opening, terms, now_ms)
    }

    /// The connections that requests share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Lease {
    /// The connection itself.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.connection.stream
    }

    /// Whether it carried a request before: its peer may have closed it at the very moment. Never of a stream: whether
    /// its peer has taken the request, HTTP/2 says.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Whether it is one stream of a connection that goes on without it.
    pub fn is_shared(&self) -> bool {
        matches!(self.connection.hold, Hold::Stream(_))
    }

    /// Whether the connection that it shares takes other streams.
    pub fn is_whole(&self) -> bool {
        matches!(&self.connection.hold, Hold::Stream(taken) if taken.is_whole())
    }

    /// The connection has carried another request: its wear now, unless it is a stream of one that others use too.
    pub(super) fn and_a_request(&mut self) -> Option<Wear> {
        let Hold::Whole { wear, .. } = &mut self.connection.hold else { return None };
        *wear = wear.and_a_request();
        Some(*wear)
    }

    /// Keeps the connection for the next request. Its exchange is over and nothing more is expected on it.
    pub(super) fn keep(self, now_ms: u64) {
        if let Hold::Stream(taken) = &self.connection.hold {
            return taken.ended_well(now_ms);
        }
        // A backend that answered without taking all of the request is not to find the rest before the next one.
        if self.connection.stream.has_unsent() {
            return;
        }
        if self.connection.client().is_some() && self.pool.idle.borrow().len() >= MOST_OF_CLIENTS {
            self.pool.close_oldest();
        }
        self.pool.idle.borrow_mut().push(Idle { connection: self.connection, since_ms: now_ms });
    }
}

impl Connection {
    fn client(&self) -> Option<&Addresses> {
        match &self.hold {
            Hold::Whole { client, .. } => client.as_deref(),
            Hold::Stream(_) => None,
        }
    }
}

impl Wear {
    /// Of a connection that has been opened now.
    pub(super) fn new(now_ms: u64) -> Self {
        Self { opened_ms: now_ms, shortened: rand::random(), carried: 0 }
    }

    /// After another request.
    pub(super) fn and_a_request(self) -> Self {
        Self { carried: self.carried.saturating_add(1), ..self }
    }

    /// Whether it is older than `max_age_ms`, or has carried `max_requests`. An age is shortened by up to a tenth, so
    /// that those that were opened together are not all opened again together.
    pub(super) fn is_worn(self, max_age_ms: Option<u64>, max_requests: Option<u32>, now_ms: u64) -> bool {
        let age = now_ms.saturating_sub(self.opened_ms);
        let too_old = |most: u64| age >= most - most / 2_560 * u64::from(self.shortened);
        max_requests.is_some_and(|most| self.carried >= most) || max_age_ms.is_some_and(too_old)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counters.upstream_closed();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.set(self.0.pending.get() - 1);
    }
}
