//! One request on one connection to a backend: both directions at once, until the response is over.
//!
//! Everything here is polled by the client connection's own task. The request's body and the response move side by
//! side, so a backend may answer early and a client may stop listening at any time. The result says what happened;
//! what that means for the client and for the counters is the business of `forward`.

use super::answer::{Receiver, Response, Taken, take_head};
use super::body::{Pump, PumpError};
use super::buffer::Buffer;
use super::client::Client;
use super::grpc::Call;
use super::over_http2::OverHttp2;
use super::retries::Retries;
use super::stage::Stage;
use super::worker::Worker;
use crate::http::{HeadLimits, Inexpressible, Version};
use crate::net::Stream;
use crate::plan::{HeaderChanges, Timeouts};
use crate::stats::GrpcEnd;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A request, composed for the backend.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request or the plan")]
pub(super) struct Outgoing<'p> {
    /// The head, unless it stands before the body's first bytes in the pump.
    pub(super) head: Vec<u8>,
    /// The body.
    pub(super) body: Pump,
    pub(super) version: Version,
    /// The method is HEAD.
    pub(super) to_head: bool,
    /// The client keeps its connection open.
    pub(super) persists: bool,
    /// Other protocols are offered; the `head` stays apart from the body, to say later which.
    pub(super) upgrades: bool,
    /// The head may stand before the content's beginning, and leave with it.
    pub(super) joins: bool,
    /// Doing it twice is the same as doing it once (RFC 9110 section 9.2.2), and its body is short enough to be kept.
    pub(super) repeats: bool,
    pub(super) limits: HeadLimits,
    pub(super) timeouts: &'p Timeouts,
    /// The request's own time-out: the shorter of the config's and, of a gRPC request, the caller's.
    pub(super) request_timeout: Option<Duration>,
    /// What its rule does to the fields of the response.
    pub(super) changes: Option<&'p HeaderChanges>,
    pub(super) via: bool,
    pub(super) grpc: Option<Call>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The response is over. Whether either connection can be used again.
    Complete { client: bool, upstream: bool },
    /// The connection broke before any byte of the request was taken.
    Unsent,
    /// The connection broke before any byte of a response came.
    Reset,
    /// What came is not a response.
    BadResponse,
    /// A deadline passed before the response's head came; whether the request's own.
    HeadTimeout { bound: bool },
    /// A response came in whose place the request is tried again; nothing of it has gone to the client.
    Held,
    /// The connection broke in the middle of the response.
    Truncated,
    /// The request's own deadline, or the attempt's, passed in the middle of the response.
    CutOff,
    /// Nothing more of the response's content came in time.
    Stalled,
    /// The client hung up, or stopped taking or sending.
    ClientGone,
    /// The client did not send the rest of its body in time.
    ClientSlow,
    /// The client's body is malformed, and no response has begun.
    ClientMalformed,
    /// HTTP/2 has no words for the request.
    Inexpressible(Inexpressible),
    /// The client's body is larger than it may be, and no response has begun.
    BodyTooLarge,
}

/// What is known of the response, whatever its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// The status code, once the head has come.
    pub(super) code: Option<u16>,
    /// When the head came.
    pub(super) head_at: Option<Instant>,
    /// The response was over when its head had come: most are, and the clock is read once less.
    pub(super) came_whole: bool,
    /// How many interim responses there were, a switch of protocols among them.
    pub(super) interim: u8,
    /// An interim response may have gone to the client.
    pub(super) begun: bool,
    /// How long only the client was waited for.
    pub(super) client_waits: Duration,
    /// What a gRPC response says of how it went.
    pub(super) grpc: Option<GrpcEnd>,
}

/// One request on one connection.
pub(super) struct Exchange<'a, 'p> {
    pub(super) worker: &'a Worker,
    pub(super) client: &'a mut Client,
    pub(super) upstream: &'a mut Stream,
    pub(super) outgoing: &'a mut Outgoing<'p>,
    pub(super) seen: Seen,
    /// Which responses are held back, if any may be.
    pub(super) retries: Option<&'a Retries<'a>>,
    pub(super) head_sent: usize,
    pub(super) over_http2: OverHttp2,
    /// The backend takes no more of the request; it may have answered all the same.
    pub(super) request_failed: bool,
    pub(super) response: Response,
    /// Heads for the client that do not stand before content: interim ones, and what finds no room there.
    pub(super) prelude: Vec<u8>,
    prelude_sent: usize,
    pub(super) waits_since: Option<Instant>,
    pub(super) stage: Option<Stage>,
}

impl<'a, 'p> Exchange<'a, 'p> {
    pub(super) fn new(
        worker: &'a Worker,
        client: &'a mut Client,
        upstream: &'a mut Stream,
        outgoing: &'a mut Outgoing<'p>,
    ) -> Self {
        Self {
            worker,
            client,
            upstream,
            outgoing,
            seen: Seen::default(),
            retries: None,
            head_sent: 0,
            over_http2: OverHttp2::default(),
            request_failed: false,
            response: Response::Head(None),
            prelude: Vec::new(),
            prelude_sent: 0,
            waits_since: None,
            stage: None,
        }
    }

    /// Moves both directions on. Not to be polled again once ready; `None` when this did not end but became a tunnel:
    /// the backend has switched protocols, and the client has been told so.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        if let Some(since) = self.waits_since.take() {
            self.seen.client_waits += since.elapsed();
        }
        if self.stage.is_some() && self.client.deadline.passed() {
            return Poll::Ready(Some(self.timed_out()));
        }
        if let Poll::Ready(Err(end)) = self.poll_request(cx) {
            return Poll::Ready(Some(end));
        }
        let head_is_new = self.seen.head_at.is_none();
        if let Poll::Ready(end) = self.poll_response(cx) {
            self.seen.came_whole = head_is_new;
            return Poll::Ready(end);
        }
        let may_be_gone = self.outgoing.body.is_over() || matches!(self.client.stream, Stream::Http2(_));
        if may_be_gone && self.client.poll_gone(cx, &self.worker.buffers) {
            return Poll::Ready(Some(End::ClientGone));
        }
        self.enter_stage();
        Poll::Pending
    }

    /// Sends the request. Ready when all of it is sent, or nothing more can be.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        if self.request_failed {
            return Poll::Ready(Ok(()));
        }
        if self.head_sent == 0 && matches!(self.upstream, Stream::Http2(_)) {
            self.send_http2_head()?;
        } else if self.head_sent == 0 && matches!(self.client.stream, Stream::Http2(_)) {
            self.join_content(cx)?;
        }
        let head = &self.outgoing.head;
        while self.head_sent < head.len() {
            match ready!(Pin::new(&mut *self.upstream).poll_write(cx, &head[self.head_sent..])) {
                Ok(sent) => self.head_sent += sent,
                Err(_) if self.head_sent == 0 => return Poll::Ready(Err(End::Unsent)),
                Err(_) => {
                    self.request_failed = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if self.outgoing.body.is_over() {
            self.request_failed = ready!(Pin::new(&mut *self.upstream).poll_flush(cx)).is_err();
            return Poll::Ready(Ok(()));
        }
        let sent_nothing = self.head_sent == 0 && self.outgoing.body.written() == 0;
        let polled = self.outgoing.body.poll(cx, &mut self.client.stream, self.upstream, &self.worker.buffers);
        match ready!(polled) {
            Ok(()) => {
                // What came with the head has been put back already; only a later read can bring more.
                if let Some(extra) = self.outgoing.body.take_extra() {
                    self.client.input = Some(extra);
                }
                Poll::Ready(Ok(()))
            }
            Err(PumpError::Sink) if sent_nothing && self.outgoing.body.written() == 0 => Poll::Ready(Err(End::Unsent)),
            Err(PumpError::Sink) => {
                self.request_failed = true;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(self.client_fails(&error))),
        }
    }

    /// Lets an HTTP/2 client's content leave with the head, as an HTTP/1.1 client's does, if it is there by now.
    fn join_content(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let Outgoing { head, body, joins, .. } = &mut *self.outgoing;
        if !*joins || head.is_empty() {
            return Ok(());
        }
        let joined = body.join(head, cx, &mut self.client.stream, &self.worker.buffers);
        if joined.map_err(|error| self.client_fails(&error))? {
            self.outgoing.head.clear();
        }
        Ok(())
    }

    /// What it means that no more of the client's body can be had.
    fn client_fails(&self, error: &PumpError) -> End {
        match error {
            PumpError::Malformed if self.seen.code.is_none() => End::ClientMalformed,
            PumpError::TooLarge if self.seen.code.is_none() => End::BodyTooLarge,
            _ => End::ClientGone,
        }
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        loop {
            if let Err(_gone) = ready!(self.poll_prelude(cx)) {
                return Poll::Ready(Some(End::ClientGone));
            }
            match &mut self.response {
                // Behind a 101, which the client has been sent now, no other head follows.
                Response::Head(_) if self.seen.code.is_some() => return Poll::Ready(None),
                Response::Head(_) => {
                    let polled = match &*self.upstream {
                        Stream::Http2(_) => self.poll_http2_head(cx),
                        Stream::Plain(_) | Stream::Tls(_) => self.poll_head(cx),
                    };
                    if let Err(end) = ready!(polled) {
                        return Poll::Ready(Some(end));
                    }
                }
                Response::Body { pump, client_persists, upstream_persists } => {
                    let polled = pump.poll(cx, self.upstream, &mut self.client.stream, &self.worker.buffers);
                    return Poll::Ready(Some(match ready!(polled) {
                        Ok(()) => {
                            self.seen.grpc = pump.grpc_end().or(self.seen.grpc);
                            let sent = self.outgoing.body.is_over() && !self.request_failed;
                            let excess = pump.take_extra().is_some();
                            End::Complete {
                                client: *client_persists && sent,
                                upstream: *upstream_persists && sent && !excess,
                            }
                        }
                        Err(PumpError::Source | PumpError::Malformed | PumpError::TooLarge) => End::Truncated,
                        Err(PumpError::Sink) => End::ClientGone,
                    }));
                }
            }
        }
    }

    /// Writes what goes to the client ahead of the response's content.
    fn poll_prelude(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.prelude_sent < self.prelude.len() {
            let rest = &self.prelude[self.prelude_sent..];
            self.prelude_sent += ready!(Pin::new(&mut self.client.stream).poll_write(cx, rest))?;
        }
        if self.prelude_sent > 0 {
            ready!(Pin::new(&mut self.client.stream).poll_flush(cx))?;
        }
        self.prelude.clear();
        self.prelude_sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads the response's head. Ready when a head has been taken in, an interim one or the last.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Response::Head(held) = &mut self.response else { return Poll::Ready(Ok(())) };
        loop {
            if let Some(buffer) = held.take() {
                let mut receiver = Receiver {
                    worker: self.worker,
                    outgoing: &*self.outgoing,
                    retries: self.retries,
                    seen: &mut self.seen,
                    prelude: &mut self.prelude,
                    client: &mut self.client.stream,
                };
                match take_head(buffer, &mut receiver)? {
                    Taken::Held(response) => {
                        self.response = response;
                        return Poll::Ready(Err(End::Held));
                    }
                    Taken::Response(response) => {
                        self.client.deadline.head_came();
                        self.response = response;
                        return Poll::Ready(Ok(()));
                    }
                    Taken::Interim(rest) | Taken::Switched(rest) => {
                        *held = rest;
                        return Poll::Ready(Ok(()));
                    }
                    Taken::Partial(buffer) => *held = Some(buffer),
                    // The rest of the request is still HTTP, and cannot come any more.
                    Taken::Early(_) if self.request_failed => return Poll::Ready(Err(End::Reset)),
                    Taken::Early(buffer) => {
                        *held = Some(buffer);
                        return Poll::Pending;
                    }
                }
            }
            let broken = if held.is_some() { End::BadResponse } else { End::Reset };
            if ready!(self.upstream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(Err(broken));
            }
            let mut buffer = held.take().unwrap_or_else(|| self.worker.buffers.take());
            if buffer.space().is_empty() {
                buffer.grow();
            }
            let mut space = ReadBuf::new(buffer.space());
            let polled = Pin::new(&mut *self.upstream).poll_read(cx, &mut space);
            let read = space.filled().len();
            buffer.filled(read);
            match polled {
                Poll::Ready(Ok(())) if read > 0 => *held = Some(buffer),
                Poll::Ready(_) => return Poll::Ready(Err(broken)),
                Poll::Pending if buffer.unread().is_empty() => {
                    self.worker.buffers.give(buffer);
                    return Poll::Pending;
                }
                Poll::Pending => {
                    *held = Some(buffer);
                    return Poll::Pending;
                }
            }
        }
    }

    /// What came behind a 101, and belongs to the tunnel.
    pub(super) fn take_rest(&mut self) -> Option<Buffer> {
        if let Response::Head(rest) = &mut self.response { rest.take() } else { None }
    }

    /// The rest of the response that was held back, if its connection could be used again behind it.
    pub(super) fn take_held(&mut self) -> Option<Pump> {
        let sent = self.outgoing.body.is_over() && !self.request_failed;
        match std::mem::replace(&mut self.response, Response::Head(None)) {
            Response::Body { pump, upstream_persists: true, .. } if sent => Some(pump),
            _ => None,
        }
    }
}
