//! One request, from its head to the last word on it.

use super::attempts::Attempts;
use super::client::Client;
use super::grpc::end_grpc;
use super::request::{Answer, Arrived, Forwarded, TurnedAway};
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::http::{Asked, Reason, Reply};
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
    let mut request = match Forwarded::new(worker, &current.snapshot, client, arrived) {
        Ok(request) => request,
        Err(turned_away) => {
            let (begun, next) = turn_away(worker, client, turned_away);
            return if client.send(worker, begun).await { next } else { Next::Close };
        }
    };
    client.deadline.bound(request.outgoing.request_timeout);
    request.copy_head(worker, &current);
    request.count_fallback(worker, &current.snapshot);
    let outcome = Attempts::new(worker, client, &current, &mut request, start).run().await;
    request.copy_body(worker, &current);
    let asked = request.outgoing.asked();
    worker.buffers.give_head(request.outgoing.head);
    match outcome.reply {
        None if asked == Asked::Grpc => end_grpc(client, outcome),
        None => outcome.next,
        Some(reason) => {
            // What says that the request's time is over has a time of its own.
            client.deadline.bound(None);
            let close = !matches!(outcome.next, Next::Request);
            let changes = request.outgoing.changes;
            let begun = client.begin(worker, &Reply::new(reason, asked, &worker.date(), changes), close);
            if client.send(worker, begun).await { outcome.next } else { Next::Close }
        }
    }
}

/// Begins to answer a request that gets no backend; what becomes of its connection then.
fn turn_away(worker: &Worker, client: &mut Client, turned_away: TurnedAway<'_>) -> (Option<Vec<u8>>, Next) {
    let TurnedAway { answer, changes, persists, asked } = turned_away;
    let (persists, date) = (persists && !worker.draining(), worker.date());
    let begun = match answer {
        Answer::Reason(reason) => {
            worker.counters.refused(reason.code());
            match reason {
                Reason::Refused(refusal) => client.begin_refusal(worker, refusal, asked, !persists),
                _ => client.begin(worker, &Reply::new(reason, asked, &date, changes), !persists),
            }
        }
        Answer::Redirect { code, location } => {
            worker.counters.redirected(code);
            client.begin(worker, &Reply::redirect(code, &location, &date, changes), !persists)
        }
    };
    (begun, if persists { Next::Request } else { Next::Linger })
}
