//! Tries a request on endpoints and connections, until one has answered or it must not be sent again.

use super::client::Client;
use super::exchange::{End, Exchange, Seen};
use super::grpc::Call;
use super::request::Forwarded;
use super::tunnel::Tunnel;
use super::worker::{Current, Worker};
use crate::plan::{Grpc, Protocol};
use crate::stats::Shard;
use crate::upstream::{Backend, ConnectError, Lease, Pool, Terms};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

/// How many endpoints are tried whose connects take time, or fail again and again, before a request is answered with a
/// connect failure. One that begins to refuse does so at once, so that those that went down together are passed over.
const CONNECT_ATTEMPTS: usize = 3;

/// How many HTTP/2 streams that were refused are made up for: whoever refuses has too much to do.
const REFUSED_ATTEMPTS: usize = 3;
/// How many that came too late, on connections whose peers had told them to go: each of them may be somebody's last.
const LATE_ATTEMPTS: usize = 10;

/// How the attempts ended.
#[derive(Debug)]
pub(super) enum Tried {
    NoEndpoint,
    Overload,
    ConnectFailed,
    ConnectTimeout,
    HandshakeFailed,
    /// The caller's time ran out before there was a connection.
    OutOfTime,
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
            Err(early @ (Tried::Overload | Tried::OutOfTime)) => return (early, Seen::default()),
            Err(failure) => {
                backend.failed(pool);
                tried.push(Rc::clone(pool));
                let refused = matches!(failure, Tried::ConnectFailed);
                if tried.len() < backend.len()
                    && costly(&tried, refused) < CONNECT_ATTEMPTS
                    && !client.deadline.bound_passed()
                {
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
        // A stream that was not begun says nothing of the next one, which another endpoint may take.
        let most = if lease.is_whole() { REFUSED_ATTEMPTS } else { LATE_ATTEMPTS };
        if end == End::Unsent && lease.is_shared() && tried.len() < most && !client.deadline.bound_passed() {
            shard.record_retry();
            tried.push(Rc::clone(pool));
            continue;
        }
        match is_failure(end, seen, request.outgoing.grpc, current.snapshot.plan.grpc) {
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

/// How many of those that were `tried` count, the last of which refused or did not.
fn costly(tried: &[Rc<Pool>], refused: bool) -> usize {
    if !refused {
        return tried.len();
    }
    tried.iter().filter(|pool| pool.endpoint().health.refuses_still()).count()
}

/// Whether this end is a failure of the endpoint, of whose response this was `seen`; `None` where the client made it end,
/// which says nothing of the endpoint.
fn is_failure(end: End, seen: Seen, call: Option<Call>, rules: Grpc) -> Option<bool> {
    match (end, call) {
        (End::Complete { .. }, Some(_)) => Some(rules.cause(seen.grpc_end()).is_some()),
        // How little time it has, a caller alone decides.
        (End::HeadTimeout { bound: true } | End::CutOff, Some(call)) if call.is_bound_by_caller() => None,
        _ => is_failure_of_http(end, seen.code),
    }
}

fn is_failure_of_http(end: End, code: Option<u16>) -> Option<bool> {
    match end {
        End::Complete { .. } => Some(code.is_some_and(|code| code >= 500)),
        End::ClientGone | End::ClientSlow | End::ClientMalformed | End::BodyTooLarge | End::Inexpressible(_) => None,
        _ => Some(true),
    }
}

/// A connection to the endpoint: an idle one, or a new one. What it takes to open one is on the heap: every connection's
/// task would have to have room for it all the time, and it is seldom.
async fn lease(
    worker: &Worker,
    client: &Client,
    backend: &Backend,
    pool: &Rc<Pool>,
    request: &Forwarded<'_>,
) -> Result<Lease, Tried> {
    if pool.endpoint().protocol == Protocol::Http2 {
        return match backend.stream(pool, worker.now_ms()) {
            Some(lease) => Ok(lease),
            None => Box::pin(lease_stream(worker, client, backend, pool, request)).await,
        };
    }
    if let Some(lease) = pool.reuse(!request.replayable, || client.ends()) {
        return Ok(lease);
    }
    let Some(_opening) = backend.opening(pool) else { return Err(Tried::Overload) };
    client.deadline.set(request.outgoing.timeouts.connect);
    let health = &pool.endpoint().health;
    let mut connecting = Box::pin(pool.connect(&client.ends(), worker.now_ms()));
    match client.within_deadline(connecting.as_mut()).await {
        Some(Ok(lease)) => {
            health.connected();
            Ok(lease)
        }
        Some(Err(error)) => {
            health.connect_failed(worker.now_ms());
            Err(failure_of(worker, pool, &error))
        }
        None if request.is_out_of_callers_time(client) => Err(Tried::OutOfTime),
        None => {
            health.connect_failed(worker.now_ms());
            Err(Tried::ConnectTimeout)
        }
    }
}

/// A stream on an HTTP/2 connection to the endpoint that is still to be opened.
async fn lease_stream(
    worker: &Worker,
    client: &Client,
    backend: &Backend,
    pool: &Rc<Pool>,
    request: &Forwarded<'_>,
) -> Result<Lease, Tried> {
    let (timeout, header_bytes) = (request.outgoing.timeouts.connect, request.outgoing.limits.bytes);
    client.deadline.set(timeout);
    loop {
        let terms = Terms { timeout, header_bytes };
        let Some((_waiting, awaited)) = backend.await_connection(pool, terms, worker.now_ms()) else {
            return Err(Tried::Overload);
        };
        match client.within_deadline(pin!(awaited.opened())).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(failure_of(worker, pool, &error)),
            None if request.is_out_of_callers_time(client) => return Err(Tried::OutOfTime),
            None => return Err(Tried::ConnectTimeout),
        }
        // Unless others were faster, there is room now.
        if let Some(lease) = backend.stream(pool, worker.now_ms()) {
            return Ok(lease);
        }
    }
}

fn failure_of(worker: &Worker, pool: &Pool, error: &ConnectError) -> Tried {
    match error {
        ConnectError::Socket(_) => Tried::ConnectFailed,
        ConnectError::Timeout => Tried::ConnectTimeout,
        ConnectError::Tls(_) => {
            worker.warn_handshake(pool.endpoint().address, error);
            Tried::HandshakeFailed
        }
        ConnectError::Http2(_) | ConnectError::NoStreams => {
            worker.warn_handshake(pool.endpoint().address, error);
            Tried::ConnectFailed
        }
    }
}
