//! One request, from its head to the record of how it went.

use super::attempts::attempts;
use super::client::Client;
use super::outcome::Outcome;
use super::request::{Answer, Forwarded, TurnedAway};
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::http::{Reason, Reply, compose_redirect, compose_reply};
use crate::stats::{Cause, Exchange as Record};
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

/// Forwards the request whose head is the first `length` bytes of the client's input.
pub(super) async fn forward(worker: &Rc<Worker>, client: &mut Client, length: usize) -> Next {
    let start = Instant::now();
    let current = worker.current();
    let mut request = match Forwarded::new(worker, &current.snapshot, client, length) {
        Ok(request) => request,
        Err(turned_away) => {
            let (response, next) = turn_away(worker, turned_away);
            return if client.say(worker, response).await { next } else { Next::Close };
        }
    };
    client.deadline.bound(request.outgoing.timeouts.request);
    let shard = request.shard(worker, &current.snapshot);
    let (end, seen) = attempts(worker, client, &current, &mut request, shard).await;
    let outcome = Outcome::of(end, request.outgoing.persists && request.outgoing.body.is_over() && !worker.draining());
    let over_at = seen.over_at.unwrap_or_else(Instant::now);
    shard.record(&Record {
        code: outcome.code.or(outcome.reply.map(Reason::code)).or(seen.code).unwrap_or(Record::CLIENT_CLOSED),
        failure: outcome.failure.or_else(|| (seen.code? >= 500 && outcome.code.is_none()).then_some(Cause::Status)),
        grpc: None,
        head: seen.head_at.map(|at| at.duration_since(start)),
        duration: over_at.duration_since(start).saturating_sub(seen.client_waits),
    });
    let to_head = request.outgoing.to_head;
    worker.buffers.give_head(request.outgoing.head);
    match outcome.reply {
        None => outcome.next,
        Some(reason) => {
            let close = !matches!(outcome.next, Next::Request);
            let changes = request.filters.map(|filters| &filters.response);
            if client.reply(worker, reason, close, to_head, changes).await { outcome.next } else { Next::Close }
        }
    }
}

/// What a request that gets no backend is answered, and what becomes of its connection then.
fn turn_away(worker: &Worker, turned_away: TurnedAway<'_>) -> (Vec<u8>, Next) {
    let TurnedAway { answer, changes, persists, to_head } = turned_away;
    let persists = persists && !worker.draining();
    let reply = Reply { close: !persists, to_head, date: &worker.date(), changes };
    let mut response = worker.buffers.take_head();
    match answer {
        Answer::Reply(reason) => {
            worker.counters.refused(reason.code());
            compose_reply(&mut response, reason, &reply);
        }
        Answer::Redirect { code, location } => {
            worker.counters.redirected(code);
            compose_redirect(&mut response, code, &location, &reply);
        }
    }
    (response, if persists { Next::Request } else { Next::Linger })
}
