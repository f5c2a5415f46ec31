//! A client's connection: what is read from it, and what Serin itself says on it.

use super::buffer::{Buffer, Buffers};
use super::deadline::Deadline;
use super::worker::Worker;
use crate::http::{Asked, HeadLimits, Progress, Reason, Refusal, Reply, RequestHead, Scan, slots};
use crate::net::Stream;
use crate::net::http2::PREFACE;
use crate::net::proxy_protocol::Addresses;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: Stream,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// What has been read and belongs to no request yet.
    pub(super) input: Option<Buffer>,
    pub(super) deadline: Deadline,
}

/// How long an idle connection is kept while the worker drains: long enough for a busy client's next request, whose
/// response then tells it to close.
const IDLE_WHILE_DRAINING: Duration = Duration::from_secs(1);
/// How long a connection lingers after the last response, for a client that is still sending.
const LINGER: Duration = Duration::from_secs(2);

/// Why there is no next request.
pub(super) enum Ended {
    /// Nothing more came.
    Closed,
    /// What came is no request.
    Refused(Refusal),
    /// What came is how an HTTP/2 connection begins.
    Http2,
}

impl Client {
    /// Its own end and the one that it connected to.
    pub(super) fn ends(&self) -> Addresses {
        Addresses { source: self.peer, destination: self.local }
    }

    /// Waits for a whole request head at the beginning of the input: its length.
    pub(super) async fn read_head(&mut self, worker: &Worker) -> Result<usize, Ended> {
        let mut scan = Scan::default();
        let mut waits_for_more = false;
        loop {
            let (limits, timeouts) = worker.limits();
            if let Some(length) = self.find_head(&mut scan, limits, &worker.buffers)? {
                return Ok(length);
            }
            let idle = self.input.is_none();
            if idle {
                let draining = worker.draining().then_some(IDLE_WHILE_DRAINING);
                self.deadline.set(draining.or(timeouts.idle));
            } else if !waits_for_more {
                waits_for_more = true;
                self.deadline.set(timeouts.header_read);
            }
            let read = poll_fn(|cx| {
                if self.deadline.passed() {
                    return Poll::Ready(Ok(None));
                }
                // While idle, a worker that begins to drain wakes this task so that it takes the shorter deadline.
                if idle && worker.draining() && self.stream.poll_read_ready(cx).is_pending() {
                    self.deadline.shorten(IDLE_WHILE_DRAINING);
                }
                self.poll_fill(cx, &worker.buffers).map_ok(Some)
            });
            match read.await {
                Ok(Some(read)) if read > 0 => {}
                Ok(None) if !idle => return Err(Ended::Refused(Refusal::TooSlow)),
                _ => return Err(Ended::Closed),
            }
        }
    }

    /// The length of the head at the beginning of the input, if it is whole.
    fn find_head(&mut self, scan: &mut Scan, limits: HeadLimits, buffers: &Buffers) -> Result<Option<usize>, Ended> {
        let Some(buffer) = &mut self.input else { return Ok(None) };
        // RFC 9112 section 2.2: empty lines before the request line are skipped.
        while buffer.unread().starts_with(b"\r\n") {
            buffer.consume(2);
            *scan = Scan::default();
        }
        if buffer.unread().is_empty() {
            // Nothing but empty lines: the connection is as idle as it was.
            self.input.take().into_iter().for_each(|buffer| buffers.give(buffer));
            return Ok(None);
        }
        let bytes = buffer.unread();
        match scan.find_end(bytes).map_err(Ended::Refused)? {
            Some(HTTP2_PREFACE_HEAD) if PREFACE.starts_with(&bytes[..HTTP2_PREFACE_HEAD]) => Err(Ended::Http2),
            Some(length) if length <= limits.bytes => Ok(Some(length)),
            None if bytes.len() <= limits.bytes => {
                // What is no request already need not be waited for.
                if bytes.len() > EARLY_CHECK {
                    return Ok(None);
                }
                match RequestHead::parse(bytes, &mut slots(), limits) {
                    Ok(Progress::Partial | Progress::Complete(..)) => Ok(None),
                    // Its version is refused before it is whole.
                    Err(_) if PREFACE.starts_with(bytes) => Ok(None),
                    Err(refusal) => Err(Ended::Refused(refusal)),
                }
            }
            _ => Err(Ended::Refused(Refusal::HeadTooLarge)),
        }
    }

    /// Reads what has come into the input: how much, 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffers: &Buffers) -> Poll<io::Result<usize>> {
        std::task::ready!(self.stream.poll_read_ready(cx))?;
        let mut buffer = self.input.take().unwrap_or_else(|| buffers.take());
        if buffer.space().is_empty() {
            buffer.grow();
        }
        let mut space = ReadBuf::new(buffer.space());
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let read = space.filled().len();
        buffer.filled(read);
        if buffer.unread().is_empty() {
            buffers.give(buffer);
        } else {
            self.input = Some(buffer);
        }
        polled.map_ok(|()| read)
    }

    /// Whether the client hung up while its response is on the way. Over HTTP/1.1 this reads ahead at most one buffer,
    /// and only then sees the end: that is how a hang-up is told from the next request.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, buffers: &Buffers) -> bool {
        if let Stream::Http2(stream) = &mut self.stream {
            return stream.poll_reset(cx).is_ready();
        }
        self.input.is_none() && matches!(self.poll_fill(cx, buffers), Poll::Ready(Ok(0) | Err(_)))
    }

    /// Begins a response of Serin's own: what is left to [`send`](Self::send), unless that cannot be any more.
    pub(super) fn begin(&mut self, worker: &Worker, reply: &Reply<'_>, close: bool) -> Option<Vec<u8>> {
        let mut bytes = worker.buffers.take_head();
        match &mut self.stream {
            Stream::Http2(stream) => {
                stream.send_response(&reply.head(), reply.content().is_empty()).ok()?;
                bytes.extend_from_slice(reply.content());
            }
            Stream::Plain(_) | Stream::Tls(_) => reply.compose(&mut bytes, close),
        }
        Some(bytes)
    }

    /// Begins to say why a request is refused. A malformed one is no more than an error of its HTTP/2 stream (RFC 9113
    /// section 8.1.1).
    pub(super) fn begin_refusal(
        &mut self,
        worker: &Worker,
        refusal: Refusal,
        asked: Asked,
        close: bool,
    ) -> Option<Vec<u8>> {
        if let (Stream::Http2(stream), Refusal::Malformed) = (&mut self.stream, refusal) {
            stream.reset(h2::Reason::PROTOCOL_ERROR);
            return None;
        }
        self.begin(worker, &Reply::new(Reason::Refused(refusal), asked, &worker.date(), None), close)
    }

    /// Sends the rest of a response of Serin's own; whether all of it was taken.
    pub(super) async fn send(&mut self, worker: &Worker, begun: Option<Vec<u8>>) -> bool {
        let Some(bytes) = begun else { return false };
        self.deadline.set(worker.limits().1.idle);
        let mut sent = 0;
        let done = poll_fn(|cx| {
            while sent < bytes.len() {
                match self.poll_write_last(cx, &bytes[sent..]) {
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending if self.deadline.passed() => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending if self.deadline.passed() => Poll::Ready(false),
                flushed => flushed.map(|flushed| flushed.is_ok()),
            }
        })
        .await;
        worker.buffers.give_head(bytes);
        done
    }

    /// Writes the last bytes of a response, behind which an HTTP/2 stream ends.
    fn poll_write_last(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Http2(stream) => stream.poll_send(cx, bytes, true),
            stream => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Closes gently: a client that is still sending would otherwise lose the response to a reset (RFC 9112 section
    /// 9.6).
    pub(super) async fn linger(&mut self, buffers: &Buffers) {
        self.deadline.set(Some(LINGER));
        // An HTTP/2 stream has ended with its response.
        let mut shut = matches!(self.stream, Stream::Http2(_));
        poll_fn(|cx| {
            while !shut {
                match Pin::new(&mut self.stream).poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => shut = true,
                    Poll::Pending if !self.deadline.passed() => return Poll::Pending,
                    _ => return Poll::Ready(()),
                }
            }
            loop {
                self.input.take().into_iter().for_each(|buffer| buffers.give(buffer));
                match self.poll_fill(cx, buffers) {
                    Poll::Ready(Ok(read)) if read > 0 && !self.deadline.passed() => {}
                    Poll::Pending if !self.deadline.passed() => return Poll::Pending,
                    _ => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Polls `future` until the deadline passes. Pinned by the caller: given by value it would be held twice.
    pub(super) async fn within_deadline<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.deadline.passed() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// The length of what looks like a request's head in HTTP/2's preface.
const HTTP2_PREFACE_HEAD: usize = 18;
/// Up to this length an unfinished head is looked at for early errors each time more of it comes.
const EARLY_CHECK: usize = 1_024;
