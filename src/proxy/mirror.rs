//! Copies of requests for other backends, whose answers nobody waits for.
//!
//! A copy costs the request that it is made of no more than the copying. It is sent by a task of its own, over the pool
//! of its backend, once its body is known to be whole and short enough to be kept: what looks like a whole request is
//! one. It is sent once, has its own time, and is counted apart from the versions. An offer to switch protocols is not
//! copied: there would be nobody to speak the other one.

use super::body::{NotKept, Pump, Replay};
use super::buffer::Buffer;
use super::deadline::Deadline;
use super::place::Place;
use super::worker::{Current, Worker, head_limits};
use crate::http::{
    BodyLength, HeadLimits, Http2Request, Progress, RequestHead, ResponseHead, Transfer, slots, trailers_of_lines,
};
use crate::net::proxy_protocol::Addresses;
use crate::net::{Http2, Stream};
use crate::plan::{BackendId, Filters, Protocol, RuleId};
use crate::stats::MirrorOutcome;
use crate::upstream::{Backend, Lease, Pool, Terms};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many copies a worker has under way at most; what is above is dropped.
const MOST_SENT: u32 = 64;
/// Of how many requests a worker keeps the bodies at most, until they are whole: 16 MiB.
const MOST_KEPT: u32 = 256;
/// How long a copy has, from its connection to the end of its answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A request that is to be copied.
#[derive(Debug)]
pub(super) struct Mirrored {
    /// The head as the backend of the request gets it.
    head: Vec<u8>,
    body: BodyLength,
    to_head: bool,
    client: Addresses,
    rule: RuleId,
    /// Who gets a copy, and where among the rule's mirrors it is counted.
    to: Vec<(BackendId, usize)>,
    /// Room for the body; `None` where there is no body, or no room.
    room: Option<Place>,
}

/// A worker's copies: of how many requests the bodies are kept, and how many copies are under way.
#[derive(Debug, Default)]
pub(super) struct Copies {
    kept: Rc<Cell<u32>>,
    sent: Rc<Cell<u32>>,
}

/// A copy on its way.
struct Errand {
    worker: Rc<Worker>,
    current: Rc<Current>,
    copy: Rc<Mirrored>,
    /// Content, and trailer lines.
    body: Rc<(Vec<u8>, Vec<u8>)>,
    backend: BackendId,
}

impl Mirrored {
    /// Of the request with this `head`, of which `composed` was made; `None` when nobody gets one.
    pub(super) fn of(
        worker: &Worker,
        filters: Option<&Filters>,
        rule: RuleId,
        head: &RequestHead<'_, '_>,
        composed: &[u8],
        client: Addresses,
    ) -> Option<Rc<Self>> {
        let mirrors = &filters?.mirrors;
        if mirrors.is_empty() || head.upgrades {
            return None;
        }
        let drawn = mirrors.iter().filter(|mirror| mirror.part.takes(worker.random()));
        let to: Vec<_> = drawn.map(|mirror| (mirror.backend, mirror.place)).collect();
        if to.is_empty() {
            return None;
        }
        let (head, body, to_head) = (composed.to_vec(), head.body, head.method == "HEAD");
        let room = (body != BodyLength::Sized(0)).then(|| Place::take(&worker.copies.kept, MOST_KEPT)).flatten();
        Some(Rc::new(Self { head, body, to_head, client, rule, to, room }))
    }

    /// Whether its body is to be kept: there is one that is not known to be too long, and room for it.
    pub(super) fn keeps_body(&self) -> bool {
        self.room.is_some() && Replay::fits(self.body)
    }

    /// Whether a body belongs to it.
    pub(super) fn has_body(&self) -> bool {
        self.body != BodyLength::Sized(0)
    }

    /// Sends it to everybody who gets one, or counts why not. `body` is content and trailer lines.
    pub(super) fn send(
        self: Rc<Self>,
        worker: &Rc<Worker>,
        current: &Rc<Current>,
        body: Result<(&[u8], &[u8]), NotKept>,
    ) {
        let body = match body {
            _ if self.has_body() && self.room.is_none() => Err(MirrorOutcome::Overload),
            Ok((content, trailers)) => Ok(Rc::new((content.to_vec(), trailers.to_vec()))),
            Err(NotKept::TooLong) => Err(MirrorOutcome::TooLarge),
            Err(NotKept::Unfinished) => Err(MirrorOutcome::Incomplete),
        };
        for &(backend, place) in &self.to {
            let shard = &current.snapshot.mirrors[self.rule.index()][place][worker.id];
            let under_way = Place::take(&worker.copies.sent, MOST_SENT);
            let (body, under_way) = match (&body, under_way) {
                (Err(outcome), _) => {
                    shard.record(*outcome);
                    continue;
                }
                (Ok(_), None) => {
                    shard.record(MirrorOutcome::Overload);
                    continue;
                }
                (Ok(body), Some(under_way)) => (Rc::clone(body), under_way),
            };
            let (worker, current, copy) = (Rc::clone(worker), Rc::clone(current), Rc::clone(&self));
            let (errand, shard) = (Errand { worker, current, copy, body, backend }, std::sync::Arc::clone(shard));
            tokio::task::spawn_local(async move {
                shard.record(errand.run().await);
                drop(under_way);
            });
        }
    }

    /// The whole request in HTTP/1.1, framed as its head says.
    fn message(&self, content: &[u8], trailers: &[u8]) -> Vec<u8> {
        let mut message = self.head.clone();
        if matches!(self.body, BodyLength::Chunked | BodyLength::Stream(None)) {
            if !content.is_empty() {
                message.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
                message.extend_from_slice(content);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b"0\r\n");
            message.extend_from_slice(trailers);
            message.extend_from_slice(b"\r\n");
        } else {
            message.extend_from_slice(content);
        }
        message
    }
}

impl Errand {
    async fn run(&self) -> MirrorOutcome {
        let deadline = self.worker.deadlines.register();
        deadline.watch_here().await;
        deadline.bound(Some(TIMEOUT));
        let mut exchange = pin!(self.exchange(&deadline));
        poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Pending if deadline.passed() => Poll::Ready(MirrorOutcome::Failed),
            polled => polled,
        })
        .await
    }

    async fn exchange(&self, deadline: &Deadline) -> MirrorOutcome {
        let Self { worker, current, copy, .. } = self;
        let backend = current.pools.of(self.backend);
        if !backend.admits() {
            return MirrorOutcome::Overload;
        }
        let Some(pool) = backend.pick(&[], worker.random(), worker.now_ms()) else { return MirrorOutcome::Failed };
        let _pending = pool.begin();
        let mut lease = match self.lease(backend, pool, deadline).await {
            Ok(lease) => lease,
            Err(outcome) => return outcome,
        };
        deadline.set(None);
        let stream = lease.stream();
        let mut answer = Answer::new(head_limits(&current.snapshot), copy.to_head);
        let answered = match stream {
            Stream::Http2(stream) => self.ask_http2(stream).await.map(|over| answer.rest = Some(over)).is_some(),
            Stream::Plain(_) | Stream::Tls(_) => self.ask(stream, &mut answer).await,
        };
        if !answered {
            return MirrorOutcome::Failed;
        }
        if poll_fn(|cx| answer.poll_rest(cx, stream, worker)).await {
            backend.keep(lease, worker.now_ms());
        }
        MirrorOutcome::Answered
    }

    /// A connection to the endpoint, or a stream of one.
    async fn lease(&self, backend: &Backend, pool: &Rc<Pool>, deadline: &Deadline) -> Result<Lease, MirrorOutcome> {
        let Self { worker, current, copy, .. } = self;
        let timeout = current.snapshot.plan.timeouts.connect;
        while pool.endpoint().protocol == Protocol::Http2 {
            if let Some(lease) = backend.stream(pool, worker.now_ms()) {
                return Ok(lease);
            }
            let terms = Terms { timeout, header_bytes: head_limits(&current.snapshot).bytes };
            let awaited = backend.await_connection(pool, terms, worker.now_ms());
            let Some((_waiting, awaited)) = awaited else { return Err(MirrorOutcome::Overload) };
            deadline.set(timeout);
            awaited.opened().await.map_err(|_| MirrorOutcome::Failed)?;
        }
        // The kernel is asked whether an idle connection is still open, since nothing is sent twice.
        if let Some(lease) = backend.reuse(pool, true, || copy.client, worker.now_ms()) {
            return Ok(lease);
        }
        let Some(_opening) = backend.opening(pool) else { return Err(MirrorOutcome::Overload) };
        deadline.set(timeout);
        pool.connect(&copy.client, worker.now_ms()).await.map_err(|_| MirrorOutcome::Failed)
    }

    /// Sends the request over HTTP/1.1; whether a response's head has come.
    async fn ask(&self, stream: &mut Stream, answer: &mut Answer) -> bool {
        let (content, trailers) = &*self.body;
        let (message, mut sent) = (self.copy.message(content, trailers), 0);
        poll_fn(|cx| poll_send(cx, stream, &message, &mut sent)).await.is_ok()
            && poll_fn(|cx| answer.poll_head(cx, stream, &self.worker)).await
    }

    /// Sends the request over HTTP/2: the rest of the response, once its head has come.
    async fn ask_http2(&self, stream: &mut Http2) -> Option<(Pump, bool)> {
        let (content, trailers) = &*self.body;
        let trailers = trailers_of_lines(trailers);
        let Http2Request { head, .. } = Http2Request::read(&self.copy.head, stream.is_secure(), false).ok()?;
        stream.send_request(head, content.is_empty() && trailers.is_none()).ok()?;
        let mut sent = 0;
        while sent < content.len() {
            sent += poll_fn(|cx| stream.poll_send(cx, &content[sent..], trailers.is_none())).await.ok()?;
        }
        if trailers.is_some() {
            stream.finish(trailers).ok()?;
        }
        while poll_fn(|cx| stream.poll_response(cx)).await.ok()?.status().as_u16() < 200 {}
        let rest = if stream.has_ended() { BodyLength::Sized(0) } else { BodyLength::Stream(None) };
        Some((Pump::new(rest, Transfer::AsIs, head_limits(&self.current.snapshot)), true))
    }
}

fn poll_send(cx: &mut Context<'_>, stream: &mut Stream, bytes: &[u8], sent: &mut usize) -> Poll<std::io::Result<()>> {
    while *sent < bytes.len() {
        *sent += ready!(Pin::new(&mut *stream).poll_write(cx, &bytes[*sent..]))?;
    }
    Pin::new(stream).poll_flush(cx)
}

/// An answer that nobody gets.
struct Answer {
    limits: HeadLimits,
    to_head: bool,
    /// The head's bytes so far.
    head: Option<Buffer>,
    /// The rest, once the head has come, and whether the connection lasts behind it.
    rest: Option<(Pump, bool)>,
}

impl Answer {
    fn new(limits: HeadLimits, to_head: bool) -> Self {
        Self { limits, to_head, head: None, rest: None }
    }

    /// Whether a response's head has come, once that is known.
    fn poll_head(&mut self, cx: &mut Context<'_>, stream: &mut Stream, worker: &Worker) -> Poll<bool> {
        loop {
            if let Some(known) = self.take_head(worker) {
                return Poll::Ready(known);
            }
            if ready!(stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(false);
            }
            let mut buffer = self.head.take().unwrap_or_else(|| worker.buffers.take());
            if buffer.space().is_empty() {
                buffer.grow();
            }
            let mut space = ReadBuf::new(buffer.space());
            let polled = Pin::new(&mut *stream).poll_read(cx, &mut space);
            let read = space.filled().len();
            buffer.filled(read);
            if buffer.unread().is_empty() {
                worker.buffers.give(buffer);
            } else {
                self.head = Some(buffer);
            }
            if ready!(polled).is_err() || read == 0 {
                return Poll::Ready(false);
            }
        }
    }

    /// Looks for a head in what has come; `None` while more is needed.
    fn take_head(&mut self, worker: &Worker) -> Option<bool> {
        loop {
            let mut buffer = self.head.take()?;
            let mut slots = slots();
            let (code, body, persists, length) =
                match ResponseHead::parse(buffer.unread(), &mut slots, self.limits, self.to_head) {
                    Ok(Progress::Complete(head, length)) => (head.code, head.body, head.persists, length),
                    Ok(Progress::Partial) if buffer.unread().len() < self.limits.bytes => {
                        self.head = Some(buffer);
                        return None;
                    }
                    Ok(Progress::Partial) | Err(_) => return Some(false),
                };
            buffer.consume(length);
            if code == 101 {
                return Some(false);
            }
            if code >= 200 {
                let mut pump = Pump::new(body, Transfer::AsIs, self.limits);
                let is_right = pump.accept(buffer, &worker.buffers).is_ok();
                self.rest = Some((pump, persists && is_right));
                return Some(true);
            }
            self.head = Some(buffer).filter(|buffer| !buffer.unread().is_empty());
        }
    }

    /// Reads what is left; whether the connection can be used again.
    fn poll_rest(&mut self, cx: &mut Context<'_>, stream: &mut Stream, worker: &Worker) -> Poll<bool> {
        let Some((pump, persists)) = &mut self.rest else { return Poll::Ready(false) };
        let drained = ready!(pump.poll_drain(cx, stream, &worker.buffers, u64::MAX));
        Poll::Ready(drained.is_ok() && *persists && pump.take_extra().is_none())
    }
}
