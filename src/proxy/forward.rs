//! One request, from its head to the record of how it went.

use super::attempts::attempts;
use super::client::Client;
use super::grpc::end_grpc;
use super::outcome::{Counted, Outcome};
use super::request::{Arrived, Forwarded, TurnedAway};
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::http::Asked;
use crate::stats::Exchange as Record;
use std::rc::Rc;
use std::time::Instant;

/// What becomes of the client's connection.
#[derive(Debug)]
pub(super) enum Next {
    /// It may send another request.
    Request,
    /// It is closed.
    Close,
    /// It is closed, but what the client is still sending is read first.
    Linger,
    /// It is reset, so that the client cannot take what it has for a whole response.
    Cut,
    /// It is one end of a tunnel.
    Tunnel(Box<Tunnel>),
}

/// Forwards a request of the client's.
pub(super) async fn forward(worker: &Rc<Worker>, client: &mut Client, arrived: Arrived) -> Next {
    let start = Instant::now();
    let current = worker.current();
    let mut request = match Forwarded::new(worker, &current.snapshot, client, &arrived) {
        Ok(request) => request,
        Err(turned_away) => return turn_away(worker, client, turned_away).await,
    };
    client.deadline.bound(request.outgoing.timeouts.request);
    let shard = request.shard(worker, &current.snapshot);
    let (end, seen) = attempts(worker, client, &current, &mut request, shard).await;
    let outcome = Outcome::of(end, request.outgoing.persists && request.outgoing.body.is_over() && !worker.draining());
    let over_at = seen.over_at.unwrap_or_else(Instant::now);
    let duration = over_at.duration_since(start).saturating_sub(seen.client_waits);
    let Counted { code, failure, grpc } = match request.outgoing.grpc {
        None => outcome.counted(seen),
        Some(call) => {
            let most = request.outgoing.timeouts.request;
            call.counted(&outcome, seen, duration, most, current.snapshot.plan.grpc)
        }
    };
    let head = seen.head_at.map(|at| at.duration_since(start));
    shard.record(&Record { code, failure, grpc, head, duration });
    let asked = request.outgoing.asked();
    worker.buffers.give_head(request.outgoing.head);
    match outcome.reply {
        None if asked == Asked::Grpc => end_grpc(client, outcome),
        None => outcome.next,
        Some(reason) => {
            let close = !matches!(outcome.next, Next::Request);
            if client.reply(worker, reason, close, asked).await { outcome.next } else { Next::Close }
        }
    }
}

async fn turn_away(worker: &Worker, client: &mut Client, turned_away: TurnedAway) -> Next {
    let TurnedAway { reason, persists, asked } = turned_away;
    worker.counters.refused(reason.code());
    let persists = persists && !worker.draining();
    match client.reply(worker, reason, !persists, asked).await {
        true if persists => Next::Request,
        true => Next::Linger,
        false => Next::Close,
    }
}
