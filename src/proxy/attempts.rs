//! Tries a request on endpoints and connections, and on other backends, until one has answered or it must not be sent
//! again.
//!
//! Each try is recorded where it was made: what a canary failed at is the canary's failure, though stable may have
//! answered the client in the end.

use super::choose::Choice;
use super::client::Client;
use super::exchange::{End, Exchange, Seen};
use super::grpc::Call;
use super::outcome::{Counted, Outcome};
use super::pause::{Drain, pause};
use super::request::Forwarded;
use super::retries::Retries;
use super::tunnel::Tunnel;
use super::worker::{Current, Worker};
use crate::plan::{Grpc, Protocol, Rule};
use crate::stats::Exchange as Record;
use crate::upstream::{Backend, ConnectError, Lease, Pool, Terms};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

/// How many endpoints are tried whose connects take time, or fail again and again, before an attempt is a connect failure.
/// One that begins to refuse does so at once, so that those that went down together are passed over.
const CONNECT_ATTEMPTS: usize = 3;

/// How many HTTP/2 streams that were refused are made up for: whoever refuses has too much to do.
const REFUSED_ATTEMPTS: usize = 3;
/// How many that came too late, on connections whose peers had told them to go: each of them may be somebody's last.
const LATE_ATTEMPTS: usize = 10;

/// How an attempt ended.
pub(super) enum Tried {
    NoEndpoint,
    Overload,
    ConnectFailed,
    ConnectTimeout,
    HandshakeFailed,
    /// The caller's time ran out before there was a connection.
    OutOfTime,
    Exchange(End),
    /// There is a response in whose place the request is tried again, and maybe a rest of it that is worth reading.
    Held(Option<Box<Drain>>),
    Switched(Box<Tunnel>),
}

impl Tried {
    /// Nothing of the request has been sent.
    pub(super) fn is_unsent(&self) -> bool {
        matches!(self, Self::ConnectFailed | Self::ConnectTimeout | Self::HandshakeFailed | Self::Exchange(End::Unsent))
    }

    /// Nothing is done about it.
    fn is_final(&self) -> bool {
        matches!(self, Self::Exchange(End::Complete { .. }) | Self::Switched(_))
    }
}

/// The tries of one request.
pub(super) struct Attempts<'a, 'p> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) client: &'a mut Client,
    pub(super) current: &'p Rc<Current>,
    pub(super) request: &'a mut Forwarded<'p>,
    pub(super) retries: Retries<'p>,
    /// What has failed. Not there, and nothing is allocated, until something does.
    pub(super) failed: Option<Box<Failed>>,
    /// When the attempt began.
    start: Instant,
}

/// What failed of a request's tries.
#[derive(Default)]
pub(super) struct Failed {
    /// The endpoints of the backend at which it is tried now.
    at: Vec<Rc<Pool>>,
    /// How often the rule's `retry` has had it tried again.
    pub(super) again: u32,
}

impl<'a, 'p> Attempts<'a, 'p> {
    /// Of a request that came at `start`.
    pub(super) fn new(
        worker: &'a Rc<Worker>,
        client: &'a mut Client,
        current: &'p Rc<Current>,
        request: &'a mut Forwarded<'p>,
        start: Instant,
    ) -> Self {
        let rule = &current.snapshot.plan.rules[request.choice.rule.index()];
        let retries = Retries::new(worker, rule.retry.as_ref(), request.shard(worker, &current.snapshot));
        Self { worker, client, current, request, retries, failed: None, start }
    }

    /// Tries the request until it is not tried again, and records each attempt.
    pub(super) async fn run(&mut self) -> Outcome {
        loop {
            self.bound();
            let (end, seen) = self.attempt().await;
            let outgoing = &self.request.outgoing;
            let persists = outgoing.persists && outgoing.body.is_over() && !self.worker.draining();
            if end.is_final() {
                let outcome = Outcome::of(end, persists);
                self.record(&outcome, seen);
                return outcome;
            }
            let again = self.after(&end, seen);
            let (end, drain) = match end {
                Tried::Held(drain) => (Tried::Held(None), drain),
                end => (end, None),
            };
            self.client.deadline.bound_attempt(None, None);
            let outcome = Outcome::of(end, persists);
            self.record(&outcome, seen);
            let Some(again) = again else { return outcome };
            self.turn_to(again.choice);
            if let Some(wait) = again.wait
                && let Err(end) = Box::pin(pause(self.worker, self.client, self.request, wait, drain)).await
            {
                let outgoing = &self.request.outgoing;
                return Outcome::of(Tried::Exchange(end), outgoing.persists && outgoing.body.is_read());
            }
            self.start = Instant::now();
        }
    }

    fn rule(&self) -> &'p Rule {
        &self.current.snapshot.plan.rules[self.request.choice.rule.index()]
    }

    /// Bounds the attempt that begins.
    fn bound(&self) {
        let rule = self.rule();
        let per_try = rule.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        // What the client takes to send the rest is the client's time: [`Exchange`] bounds the wait that comes after that.
        let head = per_try.filter(|_| self.request.outgoing.body.is_read());
        if head.is_some() || rule.backend_request.is_some() {
            self.client.deadline.bound_attempt(head, rule.backend_request);
        }
    }

    /// Counts the attempt that ended with `outcome`. What was `seen` is given by value: a reference would keep it in every
    /// connection's task.
    fn record(&self, outcome: &Outcome, seen: Seen) {
        let over_at = seen.head_at.filter(|_| seen.came_whole).unwrap_or_else(Instant::now);
        let duration = over_at.duration_since(self.start).saturating_sub(seen.client_waits);
        let outgoing = &self.request.outgoing;
        let Counted { code, failure, grpc } = match outgoing.grpc {
            None => outcome.counted(seen),
            Some(call) => {
                call.counted(outcome, seen, duration, outgoing.request_timeout, self.current.snapshot.plan.grpc)
            }
        };
        let head = seen.head_at.map(|at| at.duration_since(self.start));
        self.retries.shard.record(&Record { code, failure, grpc, head, duration });
    }

    /// The endpoints at which it failed since there were `before` of them.
    fn tried(&self, before: usize) -> &[Rc<Pool>] {
        self.failed.as_ref().map_or(&[], |failed| &failed.at[before..])
    }

    pub(super) fn failed(&mut self) -> &mut Failed {
        self.failed.get_or_insert_default()
    }

    /// Makes the request ready to be tried again there.
    fn turn_to(&mut self, choice: Choice) {
        self.retries.shard.record_retry();
        if choice.backend != self.request.choice.backend {
            self.failed().at.clear();
        }
        self.request.turn_to(choice, &self.current.snapshot, self.worker);
        self.retries.shard = self.request.shard(self.worker, &self.current.snapshot);
    }

    /// Tries the request on one connection after the other of one backend, until one has answered or it must not be sent
    /// again.
    async fn attempt(&mut self) -> (Tried, Seen) {
        let backend = self.current.pools.of(self.request.choice.backend);
        if !backend.admits() {
            return (Tried::Overload, Seen::default());
        }
        let before = self.tried(0).len();
        loop {
            let Some(pool) = backend.pick(self.tried(0), self.worker.random(), self.worker.now_ms()) else {
                return (Tried::NoEndpoint, Seen::default());
            };
            let pending = pool.begin();
            let mut lease = match lease(self.worker, self.client, backend, pool, self.request).await {
                Ok(lease) => lease,
                Err(early @ (Tried::Overload | Tried::OutOfTime)) => return (early, Seen::default()),
                Err(failure) => {
                    backend.failed(pool);
                    self.failed().at.push(Rc::clone(pool));
                    let (tried, refused) = (self.tried(before), matches!(failure, Tried::ConnectFailed));
                    let goes_on = tried.len() < backend.len() && costly(tried, refused) < CONNECT_ATTEMPTS;
                    if goes_on && !self.client.deadline.attempt_passed() {
                        self.retries.shard.record_retry();
                        continue;
                    }
                    return (failure, Seen::default());
                }
            };
            let outgoing = &mut self.request.outgoing;
            let mut exchange = Exchange::new(self.worker, self.client, lease.stream(), outgoing);
            exchange.retries = self.retries.policy.map(|_| &self.retries);
            let end = poll_fn(|cx| exchange.poll(cx)).await;
            let seen = exchange.seen;
            let rest = if end == Some(End::Held) { exchange.take_held() } else { None };
            let Some(end) = end else {
                backend.answered(pool);
                let (early, rest) = (exchange.client.input.take(), exchange.take_rest());
                let limits = self.request.outgoing.limits;
                let tunnel = Tunnel::new(lease, pending, early, rest, limits, self.worker);
                return (Tried::Switched(Box::new(tunnel)), seen);
            };
            // A connection that the backend closed while it was idle is no answer: the request is sent once more on
            // another one, if none of it was taken, or if doing it twice is the same as doing it once (RFC 9110 section
            // 9.2.2). In that case it is the last one that is not its own: what brings down whoever reads it is not to
            // be read on every connection that there is.
            let stale = match end {
                End::Unsent => true,
                End::Reset => self.request.replayable && seen.interim == 0,
                _ => false,
            };
            if stale && lease.reused() {
                self.request.needs_new |= end == End::Reset;
                self.retries.shard.record_retry();
                continue;
            }
            // A stream that was not begun says nothing of the next one, which another endpoint may take.
            let most = if lease.is_whole() { REFUSED_ATTEMPTS } else { LATE_ATTEMPTS };
            let passes_over = self.tried(before).len() < most && !self.client.deadline.attempt_passed();
            if end == End::Unsent && lease.is_shared() && passes_over {
                self.retries.shard.record_retry();
                self.failed().at.push(Rc::clone(pool));
                continue;
            }
            match is_failure(end, seen, self.request.outgoing.grpc, self.current.snapshot.plan.grpc) {
                Some(true) => backend.failed(pool),
                Some(false) => backend.answered(pool),
                None => {}
            }
            if let End::Complete { upstream, .. } = end {
                if upstream {
                    backend.keep(lease, self.worker.now_ms());
                }
                return (Tried::Exchange(end), seen);
            }
            self.failed().at.push(Rc::clone(pool));
            return match end {
                End::Held => {
                    let drain =
                        rest.map(|rest| Box::new(Drain::new(lease, rest, self.current, self.request.choice.backend)));
                    (Tried::Held(drain), seen)
                }
                _ => (Tried::Exchange(end), seen),
            };
        }
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
        End::Complete { .. } | End::Held => Some(code.is_some_and(|code| code >= 500)),
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
    if !request.needs_new
        && let Some(lease) = backend.reuse(pool, !request.replayable, || client.ends(), worker.now_ms())
    {
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
