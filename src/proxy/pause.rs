//! The wait before a request is tried again.
//!
//! Only here does a request have a timer of its own: a backoff is finer than the deadlines' ticks, and rare. Meanwhile the
//! rest of the response that was held back is read, so that its connection can be used again.

use super::body::Pump;
use super::client::Client;
use super::exchange::End;
use super::request::Forwarded;
use super::worker::{Current, Worker};
use crate::net::Stream;
use crate::plan::BackendId;
use crate::upstream::Lease;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A connection with the rest of a response that nobody gets.
pub(super) struct Drain {
    /// `None` when it has been given back, or given up.
    lease: Option<Lease>,
    rest: Pump,
    current: Rc<Current>,
    backend: BackendId,
}

/// More of a response than this is not worth reading: a new connection costs less.
const MOST: u64 = 64 << 10;

/// Waits, unless the client goes or the request's time is over: then that is its end.
pub(super) async fn pause(
    worker: &Worker,
    client: &mut Client,
    request: &mut Forwarded<'_>,
    wait: Duration,
    mut drain: Option<Box<Drain>>,
) -> Result<(), End> {
    // What came behind the body is where the next request begins; the client is listened to for its hang-up behind that.
    if let Some(extra) = request.outgoing.body.take_extra() {
        client.input = Some(extra);
    }
    client.deadline.set(None);
    let mut sleep = pin!(tokio::time::sleep(wait));
    poll_fn(|cx| {
        if client.deadline.passed() {
            return Poll::Ready(Err(End::HeadTimeout { bound: true }));
        }
        let may_be_gone = request.outgoing.body.is_read() || matches!(client.stream, Stream::Http2(_));
        if may_be_gone && client.poll_gone(cx, &worker.buffers) {
            return Poll::Ready(Err(End::ClientGone));
        }
        if let Some(draining) = &mut drain
            && draining.poll(cx, worker).is_ready()
        {
            drain = None;
        }
        sleep.as_mut().poll(cx).map(Ok)
    })
    .await
}

impl Drain {
    /// Of a connection to an endpoint of `backend`.
    pub(super) fn new(lease: Lease, rest: Pump, current: &Rc<Current>, backend: BackendId) -> Self {
        Self { lease: Some(lease), rest, current: Rc::clone(current), backend }
    }

    /// Reads on; ready when there is nothing more to read, and then the connection is kept if it can be.
    fn poll(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<()> {
        let Some(lease) = &mut self.lease else { return Poll::Ready(()) };
        let drained = ready!(self.rest.poll_drain(cx, lease.stream(), &worker.buffers, MOST));
        let is_clean = drained.is_ok() && self.rest.take_extra().is_none();
        if let Some(lease) = self.lease.take().filter(|_| is_clean) {
            self.current.pools.of(self.backend).keep(lease, worker.now_ms());
        }
        Poll::Ready(())
    }
}
