//! A client's connection after an upgrade: bytes both ways, until both sides have ended (RFC 9110 section 7.8).
//!
//! A tunnel is two pumps whose bodies end with their connections, so it moves at the pace of the slower side and holds
//! no buffer while nothing moves. A side's end is passed on as an end of that direction alone: the other one goes on.
//! What was broken off is never given an orderly end, in either direction: only the two sides know what a whole
//! conversation is.
//!
//! The request was recorded when the backend switched, and nothing that happens in the tunnel is charged to its
//! version. A reset is how many servers close a WebSocket, a client can provoke one, and it comes minutes or hours
//! after the request that the judge would have to look back at.
//!
//! Draining leaves tunnels alone until `drain.timeout` is over and the process ends, the idle ones too: one that waits
//! for news looks like one that is forgotten, and the protocol in which to say goodbye is not known here. Envoy does
//! the same. A tunnel stays with its version, whatever the weights become.

use super::body::{Pump, PumpError};
use super::buffer::{Buffer, Buffers};
use super::client::Client;
use super::forward::Next;
use super::worker::Worker;
use crate::http::{BodyLength, HeadLimits, Transfer};
use crate::net::Stream;
use crate::stats::WorkerCounters;
use crate::upstream::{Lease, Pending};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// A connection to a backend that has switched protocols, and what is on its way.
#[derive(Debug)]
pub(super) struct Tunnel {
    lease: Lease,
    to_upstream: Direction,
    to_client: Direction,
    counters: Arc<WorkerCounters>,
    /// The endpoint is as busy with a tunnel as with a request, and the circuit breaker counts it as one.
    _pending: Pending,
}

#[derive(Debug)]
struct Direction {
    pump: Pump,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Moving,
    /// The source has ended, and the sink is to be told.
    Ending,
    /// The end has been passed on.
    Ended,
    /// The sink takes no more. What it sent before may still be on its way.
    Stuck,
    /// The source broke, so that its end is no end.
    Broken,
}

impl Tunnel {
    /// Between the client, whose first bytes may have come before the switch, and the endpoint, whose first bytes may
    /// have come with it.
    pub(super) fn new(
        lease: Lease,
        pending: Pending,
        from_client: Option<Buffer>,
        from_upstream: Option<Buffer>,
        limits: HeadLimits,
        worker: &Worker,
    ) -> Self {
        worker.counters.tunnel_opened();
        let direction = |first| Direction::new(first, limits, &worker.buffers);
        let (to_upstream, to_client) = (direction(from_client), direction(from_upstream));
        Self { lease, to_upstream, to_client, counters: Arc::clone(&worker.counters), _pending: pending }
    }

    /// Moves what the two sides say, until there is nothing more to come: what becomes of the client's connection.
    pub(super) async fn carry(mut self: Box<Self>, worker: &Worker, client: &mut Client) -> Next {
        client.deadline.set(worker.limits().1.tunnel_idle);
        poll_fn(|cx| self.poll(cx, worker, client)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, worker: &Worker, client: &mut Client) -> Poll<Next> {
        let Self { lease, to_upstream, to_client, .. } = self;
        let before = (to_upstream.pump.written(), to_client.pump.written());
        let polled = (
            to_upstream.poll(cx, &mut client.stream, lease.stream(), &worker.buffers),
            to_client.poll(cx, lease.stream(), &mut client.stream, &worker.buffers),
        );
        let moved = (to_upstream.pump.written() - before.0, to_client.pump.written() - before.1);
        if moved != (0, 0) {
            worker.counters.tunnelled(moved.0, moved.1);
            client.deadline.set(worker.limits().1.tunnel_idle);
        }
        let broken = [&*to_upstream, to_client].into_iter().any(|direction| direction.stage == Stage::Broken);
        if broken || client.deadline.passed() {
            lease.stream().cut();
            return Poll::Ready(Next::Cut);
        }
        if polled.0.is_pending() || polled.1.is_pending() {
            return Poll::Pending;
        }
        // A client that still sends would lose the backend's last words to a reset.
        Poll::Ready(if to_upstream.stage == Stage::Stuck { Next::Linger } else { Next::Close })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.counters.tunnel_closed();
    }
}

impl Direction {
    fn new(first: Option<Buffer>, limits: HeadLimits, buffers: &Buffers) -> Self {
        let mut pump = Pump::new(BodyLength::UntilClose, Transfer::AsIs, limits);
        if let Some(first) = first {
            pump.accept(first, buffers).expect("a body that ends with its connection takes any bytes");
        }
        Self { pump, stage: Stage::Moving }
    }

    /// Moves what can be moved now. Ready when nothing will move any more; it may be polled again all the same.
    fn poll(&mut self, cx: &mut Context<'_>, source: &mut Stream, sink: &mut Stream, buffers: &Buffers) -> Poll<()> {
        loop {
            self.stage = match self.stage {
                Stage::Moving => match ready!(self.pump.poll(cx, source, sink, buffers)) {
                    Ok(()) => Stage::Ending,
                    Err(PumpError::Sink) => Stage::Stuck,
                    Err(PumpError::Source | PumpError::Malformed | PumpError::TooLarge) => Stage::Broken,
                },
                Stage::Ending => match ready!(Pin::new(&mut *sink).poll_shutdown(cx)) {
                    Ok(()) => Stage::Ended,
                    // It is gone already.
                    Err(_) => Stage::Stuck,
                },
                Stage::Ended | Stage::Stuck | Stage::Broken => return Poll::Ready(()),
            };
        }
    }
}
