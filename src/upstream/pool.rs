//! Idle connections, the last one used first: what is hot stays hot, and what a quiet hour leaves over ages out.

use crate::net::Stream;
use crate::plan::{BackendId, Endpoint, Snapshot};
use crate::stats::WorkerCounters;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpStream;

/// The pools of every endpoint of a snapshot.
#[derive(Debug, Default)]
pub struct Pools {
    backends: Vec<Box<[Rc<Pool>]>>,
}

/// One worker's connections to one endpoint.
#[derive(Debug)]
pub struct Pool {
    endpoint: Endpoint,
    idle: RefCell<Vec<Idle>>,
    pending: Cell<u32>,
    counters: Arc<WorkerCounters>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since_ms: u64,
}

/// A connection that is counted for as long as it is open.
#[derive(Debug)]
struct Connection {
    stream: Stream,
    counters: Arc<WorkerCounters>,
}

/// A connection for one request; closed when dropped, unless it is [kept](Lease::keep).
#[derive(Debug)]
pub struct Lease {
    pool: Rc<Pool>,
    connection: Connection,
    reused: bool,
}

/// Why there is no new connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The system did not reach the endpoint.
    #[error("cannot connect: {0}")]
    Socket(#[source] io::Error),
    /// The endpoint was reached, and the handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
}

/// Says that a request is on its way to the endpoint, for as long as it lives.
#[derive(Debug)]
pub struct Pending(Rc<Pool>);

impl Pools {
    /// The pools for `snapshot`, with the connections of `before` to endpoints that stay.
    pub fn new(snapshot: &Snapshot, before: &Self, counters: &Arc<WorkerCounters>) -> Self {
        let backends = snapshot.endpoints.iter().map(|endpoints| {
            let pools = endpoints.iter().map(|endpoint| {
                let known = before.all().find(|pool| pool.endpoint.is_same(endpoint));
                known.cloned().unwrap_or_else(|| Rc::new(Pool::new(endpoint.clone(), Arc::clone(counters))))
            });
            pools.collect()
        });
        Self { backends: backends.collect() }
    }

    /// The pools of a backend's endpoints.
    pub fn of(&self, backend: BackendId) -> &[Rc<Pool>] {
        &self.backends[backend.index()]
    }

    /// Closes what has been idle since before `since_ms`, or was closed by its peer.
    pub fn sweep(&self, since_ms: u64) {
        for pool in self.all() {
            pool.idle.borrow_mut().retain_mut(|idle| idle.since_ms >= since_ms && idle.connection.stream.is_quiet());
        }
    }

    #[cfg(test)]
    pub(super) fn of_endpoints(
        endpoints: impl Iterator<Item = Endpoint>,
        counters: &Arc<WorkerCounters>,
    ) -> Vec<Rc<Pool>> {
        endpoints.map(|endpoint| Rc::new(Pool::new(endpoint, Arc::clone(counters)))).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Rc<Pool>> {
        self.backends.iter().flatten()
    }
}

impl Pool {
    fn new(endpoint: Endpoint, counters: Arc<WorkerCounters>) -> Self {
        Self { endpoint, idle: RefCell::default(), pending: Cell::new(0), counters }
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

    /// The connection that became idle last, if one is still open.
    ///
    /// With `careful` the kernel is asked as well whether the peer has closed it: a system call, for requests that
    /// cannot be sent twice.
    pub fn reuse(self: &Rc<Self>, careful: bool) -> Option<Lease> {
        loop {
            let Idle { mut connection, .. } = self.idle.borrow_mut().pop()?;
            if connection.stream.is_quiet() && !(careful && connection.stream.is_closed()) {
                return Some(Lease { pool: Rc::clone(self), connection, reused: true });
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`ConnectError`], when the endpoint does not accept it, or is not who it should be.
    pub async fn connect(self: &Rc<Self>) -> Result<Lease, ConnectError> {
        let socket = TcpStream::connect(self.endpoint.address).await.map_err(ConnectError::Socket)?;
        socket.set_nodelay(true).map_err(ConnectError::Socket)?;
        let stream = match &self.endpoint.tls {
            None => Stream::Plain(socket),
            Some(tls) => {
                let connected = tls.connect(socket, self.endpoint.address.ip()).await;
                Stream::Tls(connected.map_err(ConnectError::Tls)?)
            }
        };
        self.counters.upstream_opened();
        let connection = Connection { stream, counters: Arc::clone(&self.counters) };
        Ok(Lease { pool: Rc::clone(self), connection, reused: false })
    }
}

impl Lease {
    /// The connection itself.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.connection.stream
    }

    /// Whether it carried a request before: its peer may have closed it at the very moment.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Keeps the connection for the next request. Its exchange is over and nothing more is expected on it.
    pub fn keep(self, now_ms: u64) {
        // A backend that answered without taking all of the request is not to find the rest before the next one.
        if self.connection.stream.has_unsent() {
            return;
        }
        self.pool.idle.borrow_mut().push(Idle { connection: self.connection, since_ms: now_ms });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.upstream_closed();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.set(self.0.pending.get() - 1);
    }
}
