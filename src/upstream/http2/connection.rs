//! One HTTP/2 connection: how it is opened, and the task that moves its frames.

use super::pings::{Look, Pings};
use super::{MAX_STREAMS, Terms};
use crate::net::{Http2, Metered, Stream, Traffic};
use crate::plan::Endpoint;
use crate::upstream::connect::{ConnectError, connect_http2};
use crate::upstream::pool::{Counted, Wear};
use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::{Ping, PingPong};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How much content of one stream may be on its way to us: a stream that nobody reads holds this much memory.
const STREAM_WINDOW: u32 = 64 << 10;
/// Of all streams together: so that none of them is stalled by others that nobody reads.
#[expect(clippy::cast_possible_truncation, reason = "100")]
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS as u32;
/// What frames may take beside their content before they are read, of all streams together. A window of the smallest of
/// gRPC's messages takes 2.5 MiB: a handful of streams that nobody reads must not end the connection for all others.
const SMALL_FRAMES: usize = 32 << 20;
/// How much content of one stream waits here for the peer's window or socket.
const SEND_BUFFER: usize = 64 << 10;
/// No peer says this: the limit of a connection whose peer has not said it yet.
const UNSAID: usize = usize::MAX - 1;
/// A peer that is silent for this long while it has requests may be asked whether it is there, and is given as long to
/// answer.
const SILENCE: Duration = Duration::from_secs(10);

type Frames = client::Connection<Metered, Bytes>;

/// A connection as those see it who take streams on it. Once none is left, and no stream, it closes.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    traffic: Arc<Traffic>,
    local: SocketAddr,
    secure: bool,
    wear: Cell<Wear>,
    streams: Cell<usize>,
    used_ms: Cell<u64>,
    /// How many requests have ended well.
    ended: Cell<u64>,
}

/// A connection on which both sides have said their settings, and nothing else moves yet.
pub(super) struct Established {
    frames: Frames,
    requests: SendRequest<Bytes>,
    traffic: Arc<Traffic>,
    local: SocketAddr,
    secure: bool,
}

/// Opens a connection to `endpoint`, as far as the peer's settings: before them neither its limits are known nor whether
/// it speaks HTTP/2 at all, and a request that is sent all the same could not be told from one that was begun.
pub(super) async fn establish(endpoint: &Endpoint, terms: Terms) -> Result<Established, ConnectError> {
    let opened = open(endpoint, terms.header_bytes);
    match terms.timeout {
        None => opened.await,
        Some(patience) => timeout(patience, opened).await.unwrap_or(Err(ConnectError::Timeout)),
    }
}

async fn open(endpoint: &Endpoint, header_bytes: usize) -> Result<Established, ConnectError> {
    let stream = connect_http2(endpoint).await?;
    let (secure, local) = (stream.is_secure(), stream.local_addr().map_err(ConnectError::Socket)?);
    let stream = Metered::new(stream);
    let traffic = Arc::clone(stream.traffic());
    let (requests, mut frames) = builder(header_bytes).handshake(stream).await?;
    poll_fn(|cx| settled(&mut frames, cx)).await?;
    match requests.current_max_send_streams() {
        0 => Err(ConnectError::NoStreams),
        _ => Ok(Established { frames, requests, traffic, local, secure }),
    }
}

fn builder(header_bytes: usize) -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .initial_max_send_streams(UNSAID)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        // Responses that were on their way when their clients left are no reason to close the connection.
        .max_local_error_reset_streams(None);
    builder
}

/// Ready when the peer has said its settings.
fn settled(frames: &mut Frames, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
    match Pin::new(&mut *frames).poll(cx) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
        Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::Socket(io::ErrorKind::UnexpectedEof.into()))),
        Poll::Pending if frames.max_concurrent_send_streams() == UNSAID => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(())),
    }
}

impl Established {
    /// Moves its frames from now on, in a task of its own, and is `counted` as long as that lasts.
    pub(super) fn run(self, counted: Counted, now_ms: u64) -> Rc<Connection> {
        self.start(counted, now_ms, SILENCE)
    }

    /// The same with something else to hold as long, and another patience.
    pub(super) fn start(self, held: impl Sized + 'static, now_ms: u64, silence: Duration) -> Rc<Connection> {
        let Self { frames, requests, traffic, local, secure } = self;
        let connection = Rc::new(Connection {
            requests,
            traffic: Arc::clone(&traffic),
            local,
            secure,
            wear: Cell::new(Wear::new(now_ms)),
            streams: Cell::new(0),
            used_ms: Cell::new(now_ms),
            ended: Cell::new(0),
        });
        let carries = Rc::downgrade(&connection);
        tokio::task::spawn_local(async move {
            run(frames, traffic, carries, silence).await;
            drop(held);
        });
        connection
    }
}

/// Moves frames until the connection is over, or its peer answers no more.
async fn run(mut frames: Frames, traffic: Arc<Traffic>, carries: Weak<Connection>, silence: Duration) {
    let mut ping_pong = frames.ping_pong().expect("nobody else has asked for it");
    let mut ticks = interval(silence);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut pings, mut ended) = (Pings::new(), 0);
    let mut frames = pin!(frames);
    let over = poll_fn(|cx| {
        while ticks.poll_tick(cx).is_ready() {
            // One that nobody uses any more is on its way out, and is not to wait for ever for its peer.
            let mut is_busy = true;
            if let Some(connection) = carries.upgrade() {
                (is_busy, ended) = (connection.streams() > 0, connection.ended.get());
            }
            match pings.look(traffic.take_heard(), is_busy, ended) {
                Look::Wait => {}
                Look::Ask => ask(&mut ping_pong),
                Look::GiveUp => return Poll::Ready(Err("it has not answered a PING")),
            }
        }
        frames.as_mut().poll(cx).map(Ok)
    })
    .await;
    match over {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP/2 connection to an endpoint broke"),
        Err(why) => tracing::debug!(why, "an HTTP/2 connection to an endpoint is given up"),
    }
}

/// Sends a `PING`. The answer to the last one, if it came, counts as something heard already.
fn ask(ping_pong: &mut PingPong) {
    let _ = ping_pong.poll_pong(&mut Context::from_waker(Waker::noop()));
    // One that is still unanswered is waited for like another one.
    let _ = ping_pong.send_ping(Ping::opaque());
}

impl Connection {
    /// How many streams it lets in at a time.
    pub(super) fn limit(&self) -> usize {
        self.requests.current_max_send_streams().min(MAX_STREAMS)
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.get() < self.limit()
    }

    /// How many streams there are.
    pub(super) fn streams(&self) -> usize {
        self.streams.get()
    }

    pub(super) fn wear(&self) -> Wear {
        self.wear.get()
    }

    /// When a request last began, or ended well.
    pub(super) fn used_ms(&self) -> u64 {
        self.used_ms.get()
    }

    /// A request has ended well.
    pub(super) fn ended_well(&self, now_ms: u64) {
        self.used_ms.set(now_ms);
        self.ended.set(self.ended.get() + 1);
    }

    /// Whether it takes streams: it is not broken, and the peer has not told it to go.
    pub(super) fn is_whole(&self) -> bool {
        is_ready(&mut self.requests.clone())
    }

    /// A stream on it, until it has [`left`](Self::left); `None` when it is not whole.
    pub(super) fn stream(&self, now_ms: u64) -> Option<Stream> {
        let mut requests = self.requests.clone();
        if !is_ready(&mut requests) {
            return None;
        }
        self.streams.set(self.streams.get() + 1);
        self.wear.set(self.wear.get().and_a_request());
        self.used_ms.set(now_ms);
        let traffic = Arc::clone(&self.traffic);
        Some(Stream::Http2(Box::new(Http2::idle(requests, traffic, self.local, self.secure))))
    }

    /// A stream is over.
    pub(super) fn left(&self) {
        self.streams.set(self.streams.get() - 1);
    }
}

fn is_ready(requests: &mut SendRequest<Bytes>) -> bool {
    matches!(requests.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
}
