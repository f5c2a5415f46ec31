//! What a request's head says: where it goes, and what is sent there.

use super::body::{Pump, PumpError};
use super::choose::{Choice, NoChoice, choose};
use super::client::Client;
use super::exchange::Outgoing;
use super::grpc::Call;
use super::per_client::ClientKey;
use super::worker::{Worker, head_limits};
use crate::http::{
    Asked, BodyLength, Inbound, Progress, Reason, Refusal, RequestHead, Transfer, Version, compose_request,
    extended_connect, grpc, slots, websocket_key,
};
use crate::plan::{Protocol, Snapshot};
use crate::stats::Shard;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use std::net::IpAddr;
use std::time::Instant;

/// A request that has come as far as its head.
pub(super) enum Arrived {
    /// The head is this many bytes at the beginning of the client's input.
    Http1(usize),
    /// The content, if any, is the client's stream.
    Http2(Box<Parts>),
}

/// A request that has a backend.
pub(super) struct Forwarded {
    pub(super) choice: Choice,
    pub(super) outgoing: Outgoing,
    /// Sending it twice does what sending it once does, and there is no body that would have to be kept for that.
    pub(super) replayable: bool,
}

/// A request that gets no backend.
pub(super) struct TurnedAway {
    pub(super) reason: Reason,
    /// The connection can take another request.
    pub(super) persists: bool,
    pub(super) asked: Asked,
}

impl Arrived {
    /// What asks, as far as that is known of a head that is refused.
    fn asked(&self) -> Asked {
        match self {
            Self::Http2(parts)
                if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| grpc::is_grpc(kind.as_bytes())) =>
            {
                Asked::Grpc
            }
            Self::Http2(parts) if parts.method == Method::HEAD => Asked::Head,
            Self::Http1(_) | Self::Http2(_) => Asked::Plain,
        }
    }

    /// A key for what an extended CONNECT becomes, if it is one.
    fn websocket_key(&self, worker: &Worker) -> Result<Option<String>, Refusal> {
        match self {
            Self::Http2(parts) if extended_connect(parts)? => Ok(Some(websocket_key(worker.random_wide()))),
            Self::Http1(_) | Self::Http2(_) => Ok(None),
        }
    }
}

impl Forwarded {
    /// Reads the head, chooses the backend, and composes what it is sent.
    pub(super) fn new(
        worker: &Worker,
        snapshot: &Snapshot,
        client: &mut Client,
        arrived: &Arrived,
    ) -> Result<Self, TurnedAway> {
        let input = client.input.take();
        let limits = head_limits(snapshot);
        let refused =
            |refusal| TurnedAway { reason: Reason::Refused(refusal), persists: false, asked: arrived.asked() };
        let key = arrived.websocket_key(worker).map_err(refused)?;
        let (mut slots, mut lines) = (slots(), Vec::new());
        let head = match arrived {
            Arrived::Http1(length) => {
                let bytes = input.as_ref().expect("a head has been found in it").unread();
                match RequestHead::parse(&bytes[..*length], &mut slots, limits) {
                    Ok(Progress::Complete(head, _)) => Ok(head),
                    Ok(Progress::Partial) => Err(Refusal::Malformed),
                    Err(refusal) => Err(refusal),
                }
            }
            Arrived::Http2(parts) => {
                RequestHead::of_http2(parts, client.stream.has_ended(), &mut lines, limits, key.as_deref())
            }
        };
        let head = head.map_err(refused)?;
        let to_head = head.method == "HEAD";
        let mut timeouts = snapshot.plan.timeouts;
        let call = Call::of(&head, &mut timeouts.request);
        let asked = match (&call, to_head) {
            (Some(_), _) => Asked::Grpc,
            (None, true) => Asked::Head,
            (None, false) => Asked::Plain,
        };
        let choice = within_limits(worker, snapshot, &head, client.peer.ip()).and_then(|()| {
            choose(snapshot, &head, client.peer.ip(), worker.random()).map_err(|no_choice| match no_choice {
                NoChoice::Route => Reason::NoRoute,
                NoChoice::Weight => Reason::NoWeight,
                NoChoice::Endpoint => Reason::NoEndpoint,
            })
        });
        let choice = match choice {
            Ok(choice) => choice,
            Err(reason) => {
                let persists = head.persists() && head.body == BodyLength::Sized(0);
                if let (Some(mut input), Arrived::Http1(length)) = (input, arrived) {
                    input.consume(*length);
                    client.input = (!input.unread().is_empty()).then_some(input);
                }
                return Err(TurnedAway { reason, persists, asked });
            }
        };
        let plan = &snapshot.plan;
        let inbound = Inbound {
            client: client.peer.ip(),
            secure: client.stream.is_secure(),
            local: client.local,
            headers: plan.headers,
            request_id: worker.random_wide(),
        };
        let mut composed = worker.buffers.take_head();
        compose_request(&mut composed, &head, &inbound);
        // A head for HTTP/2 stays apart from the content, which has no frame of its own.
        let http2 = plan.backends[choice.backend.index()].protocol == Protocol::Http2;
        let transfer = Transfer::of(head.body, if http2 { Version::Http2 } else { Version::Http11 });
        let bodyless = head.body == BodyLength::Sized(0);
        let replayable = bodyless && matches!(head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let mut outgoing = Outgoing {
            head: composed,
            body: Pump::new(head.body, transfer, limits).at_most(plan.limits.request_body_bytes),
            version: head.version,
            to_head,
            persists: head.persists(),
            upgrades: head.upgrades,
            limits,
            timeouts,
            via: plan.headers.via,
            grpc: call,
        };
        if let (Some(mut input), Arrived::Http1(length)) = (input, arrived) {
            input.consume(*length);
            if input.unread().is_empty() {
                worker.buffers.give(input);
            } else if bodyless {
                client.input = Some(input);
            } else {
                match outgoing.body.accept(input, &worker.buffers) {
                    Ok(()) => {}
                    Err(PumpError::TooLarge) => {
                        return Err(TurnedAway { reason: Reason::BodyTooLarge, persists: false, asked });
                    }
                    Err(_) => return Err(refused(Refusal::Chunk)),
                }
                client.input = outgoing.body.take_extra();
                let joins = !outgoing.upgrades && !http2;
                if joins && outgoing.body.framed().is_some_and(|body| body.prepend(&outgoing.head)) {
                    outgoing.head.clear();
                }
            }
        }
        Ok(Self { choice, outgoing, replayable })
    }

    /// Whether the time has passed that the caller of a gRPC request gave it: that says nothing of an endpoint.
    pub(super) fn is_out_of_callers_time(&self, client: &Client) -> bool {
        self.outgoing.grpc.is_some_and(Call::is_bound_by_caller) && client.deadline.bound_passed()
    }

    /// Where it is counted.
    pub(super) fn shard<'s>(&self, worker: &Worker, snapshot: &'s Snapshot) -> &'s Shard {
        let shards = &snapshot.shards[self.choice.rule.index()];
        if let Some(absent) = self.choice.instead_of {
            shards[absent][worker.id].record_fallback();
        }
        &shards[self.choice.index][worker.id]
    }
}

/// Whether a client at this address may ask this now; nothing is looked at where nothing is limited.
fn within_limits(
    worker: &Worker,
    snapshot: &Snapshot,
    head: &RequestHead<'_, '_>,
    client: IpAddr,
) -> Result<(), Reason> {
    let limits = &snapshot.plan.limits;
    if let Some(rate) = limits.requests_per_client {
        worker.clients.rates.take(ClientKey::of(client), rate, Instant::now()).map_err(|wait| {
            let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Reason::RateLimited { retry_after: u32::try_from(whole).unwrap_or(u32::MAX) }
        })?;
    }
    match (limits.request_body_bytes, head.body) {
        (Some(most), BodyLength::Sized(length) | BodyLength::Stream(Some(length))) if length > most as u64 => {
            Err(Reason::BodyTooLarge)
        }
        _ => Ok(()),
    }
}
