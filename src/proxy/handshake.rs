//! How a client's connection over TLS begins: with a handshake that has its time, and is counted when it fails.

use super::deadline::Deadline;
use super::worker::Worker;
use crate::net::Stream;
use crate::net::tls::{HandshakeFailure, Tls};
use std::future::poll_fn;
use std::task::Poll;

/// Does the handshake; `None` when there is nobody to serve.
pub(super) async fn handshake(worker: &Worker, deadline: &Deadline, mut tls: Box<Tls>) -> Option<Stream> {
    deadline.set(worker.limits().1.header_read);
    let outcome = poll_fn(|cx| match tls.poll_handshake(cx) {
        Poll::Pending if deadline.passed() => Poll::Ready(Err(HandshakeFailure::Timeout)),
        polled => polled.map_err(|error| {
            tracing::debug!(%error, "a client's TLS handshake failed");
            HandshakeFailure::of(&error)
        }),
    });
    match outcome.await {
        Ok(()) => Some(Stream::Tls(tls)),
        Err(failure) => {
            worker.counters.handshake_failed(failure);
            None
        }
    }
}
