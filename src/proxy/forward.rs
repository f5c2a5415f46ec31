//! One request, from its head to the record of how it went.

use super::body::Pump;
use super::choose::{Choice, NoChoice, choose};
use super::client::Client;
use super::exchange::{End, Exchange, Outgoing, Seen};
use super::tunnel::Tunnel;
use super::worker::{Current, Worker, head_limits};
use crate::http::{
    BodyLength, Inbound, Progress, Reason, Refusal, RequestHead, Transfer, Version, compose_request, slots,
};
use crate::plan::Snapshot;
use crate::stats::{Cause, Exchange as Record, Shard};
use crate::upstream::{Backend, ConnectError, Lease, Pool};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

/// What becomes of the client's connection.
#[derive(Debug)]
pub(super) enum Next {
    /// It may send another request.
    Request,
    /// It is closed.
    Close,
    /// It is closed, but what the client is still sending is read first.
    Linger,
    /// It is reset, so that the client cannot take what it has for a whole response.
    Cut,
    /// It is one end of a tunnel.
    Tunnel(Box<Tunnel>),
}

/// How many endpoints are tried before a request is answered with a connect failure.
const CONNECT_ATTEMPTS: usize = 3;

/// Forwards the request whose head is the first `length` bytes of the client's input.
pub(super) async fn forward(worker: &Rc<Worker>, client: &mut Client, length: usize) -> Next {
    let start = Instant::now();
    let current = worker.current();
    let mut request = match Forwarded::new(worker, &current.snapshot, client, length) {
        Ok(request) => request,
        Err(turned_away) => return turn_away(worker, client, turned_away).await,
    };
    client.deadline.bound(request.outgoing.timeouts.request);
    let shard = request.shard(worker, &current.snapshot);
    let (end, seen) = attempts(worker, client, &current, &mut request, shard).await;
    let outcome = Outcome::of(end, request.outgoing.persists && request.outgoing.body.is_over() && !worker.draining());
    let over_at = seen.over_at.unwrap_or_else(Instant::now);
    shard.record(&Record {
        code: outcome.code.or(outcome.reply.map(Reason::code)).or(seen.code).unwrap_or(Record::CLIENT_CLOSED),
        failure: outcome.failure.or_else(|| (seen.code? >= 500 && outcome.code.is_none()).then_some(Cause::Status)),
        head: seen.head_at.map(|at| at.duration_since(start)),
        duration: over_at.duration_since(start).saturating_sub(seen.client_waits),
    });
    let to_head = request.outgoing.to_head;
    worker.buffers.give_head(request.outgoing.head);
    match outcome.reply {
        None => outcome.next,
        Some(reason) => {
            let close = !matches!(outcome.next, Next::Request);
            if client.reply(worker, reason, close, to_head).await { outcome.next } else { Next::Close }
        }
    }
}

/// Tries the request on one connection after the other, until one has answered or it must not be sent again.
async fn attempts(
    worker: &Rc<Worker>,
    client: &mut Client,
    current: &Current,
    request: &mut Forwarded,
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
    request: &Forwarded,
) -> Result<Lease, Tried> {
    if let Some(lease) = pool.reuse(!request.replayable) {
        return Ok(lease);
    }
    let Some(_opening) = backend.opening(pool) else { return Err(Tried::Overload) };
    client.deadline.set(request.outgoing.timeouts.connect);
    let health = &pool.endpoint().health;
    match client.within_deadline(pin!(pool.connect(worker.now_ms()))).await {
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

/// A request that has a backend.
struct Forwarded {
    choice: Choice,
    outgoing: Outgoing,
    /// Sending it twice does what sending it once does, and there is no body that would have to be kept for that.
    replayable: bool,
}

/// A request that gets no backend.
struct TurnedAway {
    reason: Reason,
    /// The connection can take another request.
    persists: bool,
    to_head: bool,
}

impl Forwarded {
    /// Reads the head, chooses the backend, and composes what it is sent.
    fn new(worker: &Worker, snapshot: &Snapshot, client: &mut Client, length: usize) -> Result<Self, TurnedAway> {
        let mut input = client.input.take().expect("a head has been found in it");
        let limits = head_limits(snapshot);
        let mut slots = slots();
        let refused = |refusal| TurnedAway { reason: Reason::Refused(refusal), persists: false, to_head: false };
        let head = match RequestHead::parse(&input.unread()[..length], &mut slots, limits) {
            Ok(Progress::Complete(head, _)) => head,
            Ok(Progress::Partial) => return Err(refused(Refusal::Malformed)),
            Err(refusal) => return Err(refused(refusal)),
        };
        let to_head = head.method == "HEAD";
        let choice = choose(snapshot, &head, client.peer.ip(), worker.random()).map_err(|no_choice| TurnedAway {
            reason: match no_choice {
                NoChoice::Route => Reason::NoRoute,
                NoChoice::Weight => Reason::NoWeight,
                NoChoice::Endpoint => Reason::NoEndpoint,
            },
            persists: head.persists() && head.body == BodyLength::Sized(0),
            to_head,
        });
        let choice = match choice {
            Ok(choice) => choice,
            Err(turned_away) => {
                input.consume(length);
                client.input = (!input.unread().is_empty()).then_some(input);
                return Err(turned_away);
            }
        };
        let plan = &snapshot.plan;
        let inbound = Inbound {
            client: client.peer.ip(),
            secure: client.stream.is_secure(),
            local: client.local,
            headers: plan.headers,
            request_id: u128::from(worker.random()) << 64 | u128::from(worker.random()),
        };
        let mut composed = worker.buffers.take_head();
        compose_request(&mut composed, &head, &inbound);
        let transfer = Transfer::of(head.body, Version::Http11);
        let bodyless = head.body == BodyLength::Sized(0);
        let replayable = bodyless && matches!(head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let mut outgoing = Outgoing {
            head: composed,
            body: Pump::new(head.body, transfer, limits),
            version: head.version,
            to_head,
            persists: head.persists(),
            upgrades: head.upgrades,
            limits,
            timeouts: plan.timeouts,
            via: plan.headers.via,
        };
        input.consume(length);
        if input.unread().is_empty() {
            worker.buffers.give(input);
        } else if bodyless {
            client.input = Some(input);
        } else {
            let malformed = outgoing.body.accept(input, &worker.buffers).is_err();
            if malformed {
                return Err(refused(Refusal::Chunk));
            }
            client.input = outgoing.body.take_extra();
            if !outgoing.upgrades && outgoing.body.framed().is_some_and(|body| body.prepend(&outgoing.head)) {
                outgoing.head.clear();
            }
        }
        Ok(Self { choice, outgoing, replayable })
    }

    /// Where it is counted.
    fn shard<'s>(&self, worker: &Worker, snapshot: &'s Snapshot) -> &'s Shard {
        let shards = &snapshot.shards[self.choice.rule.index()];
        if let Some(absent) = self.choice.instead_of {
            shards[absent][worker.id].record_fallback();
        }
        &shards[self.choice.index][worker.id]
    }
}

async fn turn_away(worker: &Worker, client: &mut Client, turned_away: TurnedAway) -> Next {
    let TurnedAway { reason, persists, to_head } = turned_away;
    worker.counters.refused(reason.code());
    let persists = persists && !worker.draining();
    match client.reply(worker, reason, !persists, to_head).await {
        true if persists => Next::Request,
        true => Next::Linger,
        false => Next::Close,
    }
}

/// How the attempts ended.
#[derive(Debug)]
enum Tried {
    NoEndpoint,
    Overload,
    ConnectFailed,
    ConnectTimeout,
    HandshakeFailed,
    Exchange(End),
    Switched(Box<Tunnel>),
}

/// What an end means for the client and for the counters.
struct Outcome {
    /// What the client is told, if it has been told nothing yet.
    reply: Option<Reason>,
    /// The code that is counted in place of the response's.
    code: Option<u16>,
    failure: Option<Cause>,
    next: Next,
}

impl Outcome {
    /// `persists`: the client's connection could carry another request after a response of Serin's own.
    fn of(tried: Tried, persists: bool) -> Self {
        let after_reply = if persists { Next::Request } else { Next::Linger };
        let failed = |reason, cause| Self { reply: Some(reason), code: None, failure: Some(cause), next: after_reply };
        let whole = |next| Self { reply: None, code: None, failure: None, next };
        let cut = |cause| Self { reply: None, code: None, failure: Some(cause), next: Next::Cut };
        let gone = |reply, next| Self { reply, code: Some(Record::CLIENT_CLOSED), failure: None, next };
        match tried {
            Tried::NoEndpoint => failed(Reason::NoEndpoint, Cause::Connect),
            Tried::Overload => failed(Reason::Overload, Cause::Overload),
            Tried::ConnectFailed => failed(Reason::ConnectFailed, Cause::Connect),
            Tried::HandshakeFailed => failed(Reason::ConnectFailed, Cause::Tls),
            Tried::ConnectTimeout => failed(Reason::ConnectTimeout, Cause::ConnectTimeout),
            Tried::Switched(tunnel) => whole(Next::Tunnel(tunnel)),
            Tried::Exchange(end) => match end {
                End::Complete { client: true, .. } => whole(Next::Request),
                End::Complete { client: false, .. } => whole(Next::Linger),
                End::Unsent | End::Reset => failed(Reason::Reset, Cause::Reset),
                End::BadResponse => failed(Reason::BadResponse, Cause::BadResponse),
                End::HeadTimeout { bound: false } => failed(Reason::ResponseHeadTimeout, Cause::ResponseHeadTimeout),
                End::HeadTimeout { bound: true } => failed(Reason::RequestTimeout, Cause::RequestTimeout),
                End::Truncated => cut(Cause::Truncated),
                End::CutOff => cut(Cause::RequestTimeout),
                End::ClientGone => gone(None, Next::Cut),
                End::ClientSlow => gone(Some(Reason::Refused(Refusal::TooSlow)), Next::Linger),
                End::ClientMalformed => gone(Some(Reason::Refused(Refusal::Chunk)), Next::Linger),
            },
        }
    }
}
