//! What a request's head says: where it goes, and what is sent there.

use super::body::{Pump, PumpError, Replay};
use super::buffer::Buffer;
use super::choose::{Choice, NoChoice, choose, stand_in};
use super::client::Client;
use super::exchange::Outgoing;
use super::grpc::Call;
use super::mirror::Mirrored;
use super::per_client::ClientKey;
use super::place::Place;
use super::worker::{Current, Worker, head_limits};
use crate::http::{
    Asked, BodyLength, Inbound, Progress, Reason, Refusal, RequestHead, Transfer, Version, compose_request,
    extended_connect, grpc, location, slots, websocket_key,
};
use crate::net::RequestSection;
use crate::plan::{BackendId, HeaderChanges, Plan, Protocol, Rule, RuleFilters, Snapshot};
use crate::stats::Shard;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

/// Of how many requests a worker keeps the bodies at most, to send them again: 16 MiB.
const MOST_KEPT: u32 = 256;

/// A request that has come as far as its head.
pub(super) enum Arrived {
    /// The head is this many bytes at the beginning of the client's input.
    Http1(usize),
    /// The content, if any, is the client's stream.
    Http2(Box<RequestSection>),
}

/// A request that has a backend.
pub(super) struct Forwarded<'p> {
    pub(super) choice: Choice,
    pub(super) outgoing: Outgoing<'p>,
    /// The head that stable would be sent in a canary's place, where their filters make another one.
    stand_in_head: Option<Box<[u8]>>,
    /// The copy that others get, until it is sent.
    copy: Option<Rc<Mirrored>>,
    /// Sending it twice does what sending it once does, and there is no body that would have to be kept for that.
    pub(super) replayable: bool,
    /// It was lost on a connection that was idle before; no other such one gets it.
    pub(super) needs_new: bool,
}

/// A request that gets no backend.
pub(super) struct TurnedAway<'p> {
    pub(super) answer: Answer,
    /// What its rule does to the answer, if it has a rule.
    pub(super) changes: Option<&'p HeaderChanges>,
    /// The connection can take another request.
    pub(super) persists: bool,
    pub(super) asked: Asked,
}

impl Arrived {
    /// What asks, as far as that is known of a head that is refused.
    fn asked(&self) -> Asked {
        match self {
            Self::Http2(request) if request.field("content-type").is_some_and(grpc::is_grpc) => Asked::Grpc,
            Self::Http2(request) if request.method() == "HEAD" => Asked::Head,
            Self::Http1(_) | Self::Http2(_) => Asked::Plain,
        }
    }

    /// A key for what an extended CONNECT becomes, if it is one.
    fn websocket_key(&self, worker: &Worker) -> Result<Option<String>, Refusal> {
        match self {
            Self::Http2(request) if extended_connect(request)? => Ok(Some(websocket_key(worker.random_wide()))),
            Self::Http1(_) | Self::Http2(_) => Ok(None),
        }
    }
}

/// What a request that gets no backend is answered.
pub(super) enum Answer {
    Reason(Reason),
    Redirect { code: u16, location: Vec<u8> },
}

impl<'p> Forwarded<'p> {
    /// Reads the head, chooses the backend, and composes what it is sent.
    #[expect(clippy::needless_pass_by_value, reason = "no connection's task has to have room for it then")]
    pub(super) fn new(
        worker: &Worker,
        snapshot: &'p Snapshot,
        client: &mut Client,
        arrived: Arrived,
    ) -> Result<Self, TurnedAway<'p>> {
        let arrived = &arrived;
        let input = client.input.take();
        let limits = head_limits(snapshot);
        let refused = |refusal| {
            let answer = Answer::Reason(Reason::Refused(refusal));
            TurnedAway { answer, changes: None, persists: false, asked: arrived.asked() }
        };
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
            Arrived::Http2(request) => {
                RequestHead::of_http2(request, client.stream.has_ended(), &mut lines, limits, key.as_deref())
            }
        };
        let head = head.map_err(refused)?;
        let to_head = head.method == "HEAD";
        let asked = match (Call::of(&head, &mut None), to_head) {
            (Some(_), _) => Asked::Grpc,
            (None, true) => Asked::Head,
            (None, false) => Asked::Plain,
        };
        let persists = head.persists() && head.body == BodyLength::Sized(0);
        let turned_away = |answer, changes| TurnedAway { answer, changes, persists, asked };
        let choice = match within_limits(worker, snapshot, &head, client.peer.ip()) {
            Err(reason) => Err(turned_away(Answer::Reason(reason), None)),
            Ok(()) => choose(snapshot, &head, client.peer.ip(), worker.random()).map_err(|no_choice| {
                let (answer, changes) = answer(no_choice, snapshot, client, &head);
                turned_away(answer, changes)
            }),
        };
        let choice = match choice {
            Ok(choice) => choice,
            Err(turned_away) => {
                if let (Some(mut input), Arrived::Http1(length)) = (input, arrived) {
                    input.consume(*length);
                    client.input = (!input.unread().is_empty()).then_some(input);
                }
                return Err(turned_away);
            }
        };
        let plan = &snapshot.plan;
        let rule = &plan.rules[choice.rule.index()];
        let mut request_timeout = rule.timeouts.request;
        let call = Call::of(&head, &mut request_timeout);
        let filters = rule.filters.on_the_way_to(choice.index);
        let inbound = Inbound {
            client: client.peer.ip(),
            secure: client.stream.is_secure(),
            local: client.local,
            filters,
            headers: plan.headers,
            request_id: worker.random_wide(),
        };
        let mut composed = worker.buffers.take_head();
        compose_request(&mut composed, &head, &inbound);
        // A head for HTTP/2 stays apart from the content, which has no frame of its own.
        let version = version_of(plan.backends[choice.backend.index()].protocol);
        let transfer = Transfer::of(head.body, version);
        let bodyless = head.body == BodyLength::Sized(0);
        let idempotent = matches!(head.method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        let stand_in_head = filters.and_then(|_| head_for_stand_in(snapshot, &choice, &head, inbound));
        let copy = Mirrored::of(worker, filters, choice.rule, &head, &composed, client.ends());
        let mut outgoing = Outgoing {
            head: composed,
            body: Pump::new(head.body, transfer, limits).at_most(plan.limits.request_body_bytes),
            version: head.version,
            to_head,
            persists: head.persists(),
            upgrades: head.upgrades,
            joins: !head.upgrades && version != Version::Http2 && stand_in_head.is_none(),
            repeats: idempotent && bodyless && !head.upgrades,
            limits,
            timeouts: &rule.timeouts,
            request_timeout,
            changes: filters.map(|filters| &filters.response),
            via: plan.headers.via,
            grpc: call,
        };
        if !bodyless {
            let is_copied = copy.as_ref().is_some_and(|copy| copy.keeps_body());
            outgoing.keep_body(worker, head.body, rule, plan, idempotent, is_copied);
        }
        if let (Some(mut input), Arrived::Http1(length)) = (input, arrived) {
            input.consume(*length);
            begin_body(worker, client, &mut outgoing, input, bodyless).map_err(|reason| TurnedAway {
                answer: Answer::Reason(reason),
                changes: None,
                persists: false,
                asked,
            })?;
        }
        Ok(Self { choice, outgoing, stand_in_head, copy, replayable: idempotent && bodyless, needs_new: false })
    }

    /// Sends the copy of a request without a body, which is whole as it comes.
    pub(super) fn copy_head(&mut self, worker: &Rc<Worker>, current: &Rc<Current>) {
        if let Some(copy) = self.copy.take_if(|copy| !copy.has_body()) {
            copy.send(worker, current, Ok((b"", b"")));
        }
    }

    /// Sends the copy of a request with a body, of which no more will be read.
    pub(super) fn copy_body(&mut self, worker: &Rc<Worker>, current: &Rc<Current>) {
        if let Some(copy) = self.copy.take() {
            copy.send(worker, current, self.outgoing.body.kept());
        }
    }

    /// Whether the time has passed that the caller of a gRPC request gave it: that says nothing of an endpoint.
    pub(super) fn is_out_of_callers_time(&self, client: &Client) -> bool {
        self.outgoing.grpc.is_some_and(Call::is_bound_by_caller) && client.deadline.bound_passed()
    }

    /// Whether what has been read of it can be sent there, if none of it was sent yet.
    pub(super) fn can_turn_to(&self, choice: &Choice, plan: &Plan) -> bool {
        let protocol = |backend: BackendId| plan.backends[backend.index()].protocol;
        protocol(choice.backend) == protocol(self.choice.backend) || self.outgoing.body.can_change_version()
    }

    /// Makes it ready to be tried again there, as `snapshot`, which it was made with, has it.
    pub(super) fn turn_to(&mut self, choice: Choice, snapshot: &'p Snapshot, worker: &Worker) {
        let (plan, turns) = (&snapshot.plan, choice.backend != self.choice.backend);
        self.choice = choice;
        if let Some(head) = self.stand_in_head.take_if(|_| turns) {
            self.outgoing.head.clear();
            self.outgoing.head.extend_from_slice(&head);
        }
        let filters = plan.rules[choice.rule.index()].filters.on_the_way_to(choice.index);
        self.outgoing.changes = filters.map(|filters| &filters.response);
        // Where the head stands before the content, nothing has been sent, and nothing is framed in another way.
        if !self.outgoing.head.is_empty() {
            self.outgoing.body.rewind(version_of(plan.backends[choice.backend.index()].protocol), &worker.buffers);
        }
    }

    /// Counts it where its turn would have been.
    pub(super) fn count_fallback(&self, worker: &Worker, snapshot: &Snapshot) {
        if let Some(absent) = self.choice.instead_of {
            snapshot.shards[self.choice.rule.index()][absent][worker.id].record_fallback();
        }
    }

    /// Where an attempt at it is counted.
    pub(super) fn shard<'s>(&self, worker: &Worker, snapshot: &'s Snapshot) -> &'s Shard {
        &snapshot.shards[self.choice.rule.index()][self.choice.index][worker.id]
    }
}

impl Outgoing<'_> {
    /// Keeps the body as it comes, where somebody may want it once more: the next attempt, stable in another version of
    /// HTTP, or who gets a copy. What may be sent again, or in another version, its head does not join.
    fn keep_body(
        &mut self,
        worker: &Worker,
        length: BodyLength,
        rule: &Rule,
        plan: &Plan,
        idempotent: bool,
        is_copied: bool,
    ) {
        let repeats = rule.retry.is_some() && idempotent && !self.upgrades && Replay::fits(length);
        let turns = turns_to_other_version(plan, rule);
        let place = (repeats || turns).then(|| Place::take(&worker.replays, MOST_KEPT)).flatten();
        self.repeats = repeats && place.is_some();
        self.joins &= place.is_none() && !turns;
        if place.is_some() || is_copied {
            self.body.keep(Replay::new(length, place));
        }
    }
}

/// What stable would be sent, if it is another than what the canary is; `inbound` is what the canary's head was made of.
fn head_for_stand_in(
    snapshot: &Snapshot,
    choice: &Choice,
    head: &RequestHead<'_, '_>,
    inbound: Inbound<'_>,
) -> Option<Box<[u8]>> {
    let stable = stand_in(snapshot, choice)?;
    let filters = snapshot.plan.rules[choice.rule.index()].filters.on_the_way_to(stable.index);
    let same = inbound.filters.zip(filters).is_some_and(|(own, stables)| own.sends_the_same(stables));
    let mut composed = Vec::new();
    (!same).then(|| compose_request(&mut composed, head, &Inbound { filters, ..inbound }))?;
    Some(composed.into())
}

/// Whether stable might take over what was framed for a canary that speaks another version of HTTP.
fn turns_to_other_version(plan: &Plan, rule: &Rule) -> bool {
    let protocol = |backend: BackendId| plan.backends[backend.index()].protocol;
    let rollout = rule.rollout.map(|id| &plan.rollouts[id.index()]);
    rollout.is_some_and(|rollout| protocol(rollout.stable) != protocol(rollout.canary))
}

/// The version of HTTP in which a backend of this protocol is spoken to.
fn version_of(protocol: Protocol) -> Version {
    match protocol {
        Protocol::Http1 => Version::Http11,
        Protocol::Http2 => Version::Http2,
    }
}

/// Takes in what has come behind the head: the content's beginning, before which the head is put where it joins it, or
/// the next request.
fn begin_body(
    worker: &Worker,
    client: &mut Client,
    outgoing: &mut Outgoing<'_>,
    input: Buffer,
    bodyless: bool,
) -> Result<(), Reason> {
    if input.unread().is_empty() {
        worker.buffers.give(input);
    } else if bodyless {
        client.input = Some(input);
    } else {
        outgoing.body.accept(input, &worker.buffers).map_err(|error| match error {
            PumpError::TooLarge => Reason::BodyTooLarge,
            _ => Reason::Refused(Refusal::Chunk),
        })?;
        client.input = outgoing.body.take_extra();
        if outgoing.joins && outgoing.body.framed().is_some_and(|body| body.prepend(&outgoing.head)) {
            outgoing.head.clear();
        }
    }
    Ok(())
}

/// What a request is answered that gets no backend, and what its rule, if it has one, does to that.
fn answer<'p>(
    no_choice: NoChoice,
    snapshot: &'p Snapshot,
    client: &Client,
    head: &RequestHead<'_, '_>,
) -> (Answer, Option<&'p HeaderChanges>) {
    let (reason, rule) = match no_choice {
        NoChoice::Route => (Reason::NoRoute, None),
        NoChoice::Redirect(rule) | NoChoice::Weight(rule) => (Reason::NoWeight, Some(rule)),
        NoChoice::Endpoint(rule) => (Reason::NoEndpoint, Some(rule)),
    };
    let filters = rule.map(|rule| &snapshot.plan.rules[rule.index()].filters);
    let answer = redirect(filters, client, head).unwrap_or(Answer::Reason(reason));
    (answer, filters.map(|filters| &filters.response))
}

/// Where a rule that redirects sends its client.
fn redirect(filters: Option<&RuleFilters>, client: &Client, head: &RequestHead<'_, '_>) -> Option<Answer> {
    let redirect = filters?.redirect.as_ref()?;
    let mut to = Vec::new();
    location(&mut to, redirect, head, client.stream.is_secure(), client.local);
    Some(Answer::Redirect { code: redirect.code, location: to })
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
