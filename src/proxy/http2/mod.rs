//! Serves a client's HTTP/2 connection: the frames here, and each of its streams as if it were a connection.
//!
//! The connection's own task reads and writes frames and nothing else. Each stream has a task of its own, the one place
//! where a request has one: its streams are independent of each other, and each of them walks through `forward` like
//! the request of an HTTP/1.1 connection, with the same state in the same future. Polled together in one task, a slow
//! one would be looked at each time that a fast one moves.

mod connection;
mod guard;
mod streams;
mod transport;

use super::client::Client;
use super::worker::Worker;
use crate::plan::Http2;
use bytes::Bytes;
use connection::Connection;
use guard::Guard;
use h2::server::{Builder, Handshake};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use streams::Streams;
use transport::Transport;

/// What a stream may have waiting to be sent; its client's window is another bound.
const SEND_BUFFER: usize = 64 << 10;
/// What a field costs in the size of a header list besides its bytes (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// The smallest that a frame's limit may be (RFC 9113 section 4.2): a stream holds the others up for one frame.
const FRAME: u32 = 16 << 10;
/// What frames may take beside their content before they are read: as much as a window of the smallest of gRPC's messages
/// does. By the crate's own measure a caller that streams such messages would be taken for a flood.
const SMALL_FRAMES: usize = 4 << 20;

/// Serves the client, whose preface may be in its input, until the connection is closed and its last stream is over.
pub(super) async fn serve(worker: Rc<Worker>, client: Client) {
    let Client { stream, peer, local, input, deadline } = client;
    let secure = stream.is_secure();
    let guard = Rc::new(RefCell::new(Guard::new(worker.now_ms())));
    deadline.set(worker.limits().1.header_read);
    let transport = Transport::new(Rc::clone(&worker), Rc::clone(&guard), stream, input);
    let mut handshake = pin!(handshake(&worker, transport));
    let frames = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Pending if deadline.passed() => Poll::Ready(None),
        polled => polled.map(Result::ok),
    });
    let Some(frames) = frames.await else { return };
    let streams = Streams::new(peer, local, secure, Rc::clone(&guard));
    let mut connection = Connection::new(worker, frames, Rc::clone(&streams), guard, deadline);
    poll_fn(|cx| connection.poll(cx)).await;
    drop(connection);
    poll_fn(|cx| streams.poll_over(cx)).await;
}

/// Begins the connection: windows and limits are fixed, and what the h2 crate bounds by itself is left as it is.
fn handshake(worker: &Worker, transport: Transport) -> Handshake<Transport, Bytes> {
    let http2 = worker.http2();
    let (limits, _) = worker.limits();
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let Http2 { max_concurrent_streams, stream_window } = http2;
    Builder::new()
        .max_concurrent_streams(narrow(max_concurrent_streams))
        .initial_window_size(narrow(stream_window))
        .initial_connection_window_size(narrow(http2.connection_window()))
        .max_frame_size(FRAME)
        .max_header_list_size(narrow(limits.bytes + FIELD_OVERHEAD * limits.fields))
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(SMALL_FRAMES)
        .enable_connect_protocol()
        .handshake(transport)
}
