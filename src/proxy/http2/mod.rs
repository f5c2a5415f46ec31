//! Serves a client's HTTP/2 connection: its bytes here, and each of its streams as if it were a connection.
//!
//! The connection's own task moves bytes between the socket and the [`Server`] that understands them, and nothing else.
//! Each stream has a task of its own, the one place where a request has one: its streams are independent of each other,
//! and each of them walks through `forward` like the request of an HTTP/1.1 connection, with the same state in the same
//! future. Polled together in one task, a slow one would be looked at each time that a fast one moves.

mod connection;
mod streams;

use super::accept::Open;
use super::client::Client;
use super::per_client::Held;
use super::worker::Worker;
use crate::net::http2::Limits;
use crate::plan::Http2;
use connection::Connection;
use std::future::poll_fn;
use std::rc::Rc;

/// What a field costs in the size of a header list besides its bytes (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Serves the client, whose preface may be in its input, until the connection is closed and its last stream is over: in a
/// task of its own, which is smaller than one that has room for a request of HTTP/1.1.
pub(super) fn begin(open: Open, held: Option<Box<Held>>, client: Client) {
    tokio::task::spawn_local(serve(open, held, client));
}

async fn serve(open: Open, held: Option<Box<Held>>, client: Client) {
    let mut connection = Connection::new(Rc::clone(open.worker()), client);
    connection.watch_here().await;
    poll_fn(|cx| connection.poll(cx)).await;
    let streams = connection.close();
    poll_fn(|cx| streams.poll_over(cx)).await;
    // It counts until the last of its requests is over.
    drop((open, held));
}

/// What a connection that begins now may have under way.
fn limits(worker: &Worker) -> Limits {
    let http2 = worker.http2();
    let (limits, _) = worker.limits();
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let Http2 { max_concurrent_streams, stream_window } = http2;
    Limits {
        streams: max_concurrent_streams,
        stream_window: narrow(stream_window),
        connection_window: narrow(http2.connection_window()),
        section: narrow(limits.bytes + FIELD_OVERHEAD * limits.fields),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<F>(_: fn(Open, Option<Box<Held>>, Client) -> F) -> usize {
        size_of::<F>()
    }

    /// With what the connection knows of its client, this is what it costs while it is idle.
    #[test]
    fn a_connections_task_is_small() {
        let size = size_of_output(serve);
        assert!(size <= 400, "{size} bytes");
    }
}
