//! Tries a request on endpoints and connections, until one has answered or it must not be sent again.

use super::client::Client;
use super::exchange::{End, Exchange, Seen};
use super::request::Forwarded;
use super::tunnel::Tunnel;
use super::worker::{Current, Worker};
use crate::stats::Shard;
use crate::upstream::{Backend, ConnectError, Lease, Pool};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

/// How many endpoints are tried before a request is answered with a connect failure.
const CONNECT_ATTEMPTS: usize = 3;

/// How the attempts ended.
#[derive(Debug)]
pub(super) enum Tried {
    NoEndpoint,
    Overload,
    ConnectFailed,
    ConnectTimeout,
    HandshakeFailed,
    Exchange(End),
    Switched(Box<Tunnel>),
}

/// Tries the request on one connection after the other, until one has answered or it must not be sent again.
pub(super) async fn attempts(
    worker: &Rc<Worker>,
    client: &mut Client,
    current: &Current,
    request: &mut Forwarded<'_>,
    shard: &Shard,
) -> (Tried, Seen) {
    let backend = current.pools.of(request.choice.backend);
    if !backend.admits() {
        return (Tried::Overload, Seen::default());
    }
    // Holds nothing, and so allocates nothing, until a connect fails.
    let mut tried = Vec::new();
    loop {
        let Some(pool) = backend.pick(&tried, worker.random(), worker.now_ms()) else {
            return (Tried::NoEndpoint, Seen::default());
        };
        let pending = pool.begin();
        let mut lease = match lease(worker, client, backend, pool, request).await {
            Ok(lease) => lease,
            Err(Tried::Overload) => return (Tried::Overload, Seen::default()),
            Err(failure) => {
                backend.failed(pool);
                tried.push(Rc::clone(pool));
                if tried.len() < backend.len().min(CONNECT_ATTEMPTS) && !client.deadline.bound_passed() {
                    shard.record_retry();
                    continue;
                }
                return (failure, Seen::default());
            }
        };
        let mut exchange = Exchange::new(worker, client, lease.stream(), &mut request.outgoing);
        let end = poll_fn(|cx| exchange.poll(cx)).await;
        let seen = exchange.seen;
        let Some(end) = end else {
            backend.answered(pool);
            let (early, rest, limits) = (exchange.client.input.take(), exchange.take_rest(), request.outgoing.limits);
            let tunnel = Tunnel::new(lease, pending, early, rest, limits, worker);
            return (Tried::Switched(Box::new(tunnel)), seen);
        };
        // A connection that the backend closed while it was idle is no answer: the request is sent once more on
        // another one, if none of it was taken, or if doing it twice is the same as doing it once (RFC 9110 section
        // 9.2.2).
        let stale = match end {
            End::Unsent => true,
            End::Reset => lease.reused() && request.replayable,
            _ => false,
        };
        if stale && lease.reused() {
            shard.record_retry();
            continue;
        }
        match is_failure(end, seen.code) {
            Some(true) => backend.failed(pool),
            Some(false) => backend.answered(pool),
            None => {}
        }
        if let End::Complete { upstream: true, .. } = end {
            backend.keep(lease, worker.now_ms());
        }
        return (Tried::Exchange(end), seen);
    }
}

/// Whether this end is a failure of the endpoint, which sent `code` if it sent one; `None` where the client made it end,
/// which says nothing of the endpoint.
fn is_failure(end: End, code: Option<u16>) -> Option<bool> {
    match end {
        End::Complete { .. } => Some(code.is_some_and(|code| code >= 500)),
        End::ClientGone | End::ClientSlow | End::ClientMalformed => None,
        _ => Some(true),
    }
}

/// A connection to the endpoint: an idle one, or a new one.
async fn lease(
    worker: &Worker,
    client: &Client,
    backend: &Backend,
    pool: &Rc<Pool>,
    request: &Forwarded<'_>,
) -> Result<Lease, Tried> {
    if let Some(lease) = pool.reuse(!request.replayable, &client.ends()) {
        return Ok(lease);
    }
    let Some(_opening) = backend.opening(pool) else { return Err(Tried::Overload) };
    client.deadline.set(request.outgoing.timeouts.connect);
    let health = &pool.endpoint().health;
    match client.within_deadline(pin!(pool.connect(&client.ends(), worker.now_ms()))).await {
        Some(Ok(lease)) => {
            health.connected();
            Ok(lease)
        }
        Some(Err(error)) => {
            health.connect_failed(worker.now_ms());
            Err(match error {
                ConnectError::Socket(_) => Tried::ConnectFailed,
                ConnectError::Tls(error) => {
                    worker.warn_handshake(pool.endpoint().address, &error);
                    Tried::HandshakeFailed
                }
            })
        }
        None => {
            health.connect_failed(worker.now_ms());
            Err(Tried::ConnectTimeout)
        }
    }
}
