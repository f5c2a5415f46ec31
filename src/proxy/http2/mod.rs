//! Serves a client's HTTP/2 connection: the frames here, and each of its streams as if it were a connection.
//!
//! The connection's own task reads and writes frames and nothing else. Each stream has a task of its own, the one place
//! where a request has one: its streams are independent of each other, and each of them walks through `forward` like
//! the request of an HTTP/1.1 connection, with the same state in the same future. Polled together in one task, a slow
//! one would be looked at each time that a fast one moves.

mod transport;

use super::client::Client;
use super::deadline::Deadline;
use super::forward::{Next, forward};
use super::request::Arrived;
use super::worker::Worker;
use crate::net::{Http2, Stream};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use transport::Transport;

/// What frames may take beside their content before they are read: as much as a window of the smallest of gRPC's messages
/// does. By the crate's own measure a caller that streams such messages would be taken for a flood.
const SMALL_FRAMES: usize = 4 << 20;

/// Serves the client, whose preface may be in its input, until the connection is closed and its last stream is over.
pub(super) async fn serve(worker: Rc<Worker>, client: Client) {
    let (limits, timeouts) = worker.limits();
    client.deadline.set(timeouts.header_read);
    let Client { stream, peer, local, input, deadline } = client;
    let secure = stream.is_secure();
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(100).max_header_list_size(u32::try_from(limits.bytes).unwrap_or(u32::MAX));
    builder.data_frame_budget(SMALL_FRAMES);
    let mut handshake = pin!(builder.handshake(Transport::new(Rc::clone(&worker), stream, input)));
    let handshake = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Pending if deadline.passed() => Poll::Ready(None),
        polled => polled.map(Result::ok),
    });
    let Some(frames) = handshake.await else { return };
    let streams = Rc::new(Streams::default());
    let mut connection =
        Connection { worker, frames, streams, deadline, peer, local, secure, is_idle: false, is_leaving: false };
    poll_fn(|cx| connection.poll(cx)).await;
    let streams = Rc::clone(&connection.streams);
    drop(connection);
    poll_fn(|cx| streams.poll_over(cx)).await;
}

/// A connection whose preface has come.
struct Connection {
    worker: Rc<Worker>,
    frames: h2::server::Connection<Transport, Bytes>,
    streams: Rc<Streams>,
    deadline: Deadline,
    peer: SocketAddr,
    local: SocketAddr,
    secure: bool,
    /// Since the deadline was set no stream was open.
    is_idle: bool,
    /// The client has been told to open no more streams.
    is_leaving: bool,
}

/// How long a client may take to leave, once it has been told to and its last stream is over.
const LEAVING: Duration = Duration::from_secs(1);

impl Connection {
    /// Moves frames both ways, and begins the streams that the client opens. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.frames.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.begin(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "an HTTP/2 connection broke");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if self.deadline.passed() && self.is_leaving => return Poll::Ready(()),
                Poll::Pending if (self.deadline.passed() || self.worker.draining()) && !self.is_leaving => {
                    self.frames.graceful_shutdown();
                    (self.is_leaving, self.is_idle) = (true, false);
                }
                Poll::Pending => {
                    self.set_deadline();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The time without a stream is limited; with one, it is the stream's own affair.
    fn set_deadline(&mut self) {
        let is_idle = self.streams.open.get() == 0 && !self.frames.has_streams();
        if is_idle != std::mem::replace(&mut self.is_idle, is_idle) || !is_idle {
            let idle = if self.is_leaving { Some(LEAVING) } else { self.worker.limits().1.idle };
            self.deadline.set(idle.filter(|_| is_idle));
        }
    }

    fn begin(&self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        let (parts, content) = request.into_parts();
        let stream = Stream::Http2(Box::new(Http2::accepted(respond, content, self.local, self.secure)));
        let deadline = self.worker.deadlines.register();
        let mut client = Client { stream, peer: self.peer, local: self.local, input: None, deadline };
        let (worker, open) = (Rc::clone(&self.worker), Open::new(&self.streams));
        tokio::task::spawn_local(async move {
            let _open = open;
            client.deadline.watch_here().await;
            match forward(&worker, &mut client, Arrived::Http2(Box::new(parts))).await {
                Next::Cut => client.stream.cut(),
                Next::Tunnel(_) | Next::Request | Next::Close | Next::Linger => {}
            }
        });
    }
}

/// The streams of a connection that have a task.
#[derive(Debug, Default)]
struct Streams {
    open: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Streams {
    /// Ready when none is open.
    fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.get() == 0 {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Counts a stream for as long as it has a task.
struct Open(Rc<Streams>);

impl Open {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open.get() + 1);
        Self(Rc::clone(streams))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.waker.borrow_mut().take().into_iter().for_each(Waker::wake);
    }
}
