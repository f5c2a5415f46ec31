//! Takes in the head of a backend's answer: one of the interim ones, the last one, or a switch of protocols.
//!
//! What goes to the client in its place is composed here, before the content that came with it if there is room.

use super::body::Pump;
use super::buffer::Buffer;
use super::exchange::{End, Outgoing, Seen};
use super::retries::Retries;
use super::worker::Worker;
use crate::http::{
    BodyLength, Inexpressible, Outbound, Progress, ResponseHead, Transfer, Version, compose_response, grpc,
    response_head, slots, websocket_accept,
};
use crate::net::{Http2, Stream};
use crate::plan::Fields;
use std::task::Context;
use std::time::Instant;
use tokio::io::ReadBuf;

/// How far the answer has come.
#[derive(Debug)]
pub(super) enum Response {
    /// The head's bytes so far.
    Head(Option<Buffer>),
    Body {
        pump: Pump,
        client_persists: bool,
        upstream_persists: bool,
    },
}

/// What was at the beginning of a buffer.
pub(super) enum Taken {
    /// Not yet a whole head.
    Partial(Buffer),
    /// An interim response, now in the prelude, and what followed it.
    Interim(Option<Buffer>),
    /// A 101 before the request was whole.
    Early(Buffer),
    /// A 101, now in the prelude, and what followed it.
    Switched(Option<Buffer>),
    /// A response that the client does not get: the request is tried again in its place.
    Held(Response),
    /// The response.
    Response(Response),
}

/// Where an answer goes, and what it is an answer to.
pub(super) struct Receiver<'a> {
    pub(super) worker: &'a Worker,
    pub(super) outgoing: &'a Outgoing<'a>,
    /// Which responses are held back, if any may be.
    pub(super) retries: Option<&'a Retries<'a>>,
    pub(super) seen: &'a mut Seen,
    /// Heads for the client that do not stand before content.
    pub(super) prelude: &'a mut Vec<u8>,
    pub(super) client: &'a mut Stream,
}

/// How many interim responses one request may get: they are passed on at once, and for an HTTP/2 client nothing holds
/// them up.
const MOST_INTERIM: u8 = 100;

/// A head as the client is sent it, and what follows it.
struct Passed {
    head: ClientHead,
    code: u16,
    body: BodyLength,
    transfer: Transfer,
    client_persists: bool,
    upstream_persists: bool,
}

enum ClientHead {
    Lines(Vec<u8>),
    Http2(Box<http::Response<()>>),
    /// The client knows nothing of such heads.
    Nothing,
}

/// Takes the head at the beginning of `buffer`, and puts the client's in its place, or sends it to an HTTP/2 client.
pub(super) fn take_head(mut buffer: Buffer, receiver: &mut Receiver<'_>) -> Result<Taken, End> {
    let outgoing = receiver.outgoing;
    let mut slots = slots();
    let parsed = ResponseHead::parse(buffer.unread(), &mut slots, outgoing.limits, outgoing.to_head);
    let (head, length) = match parsed {
        Ok(Progress::Complete(head, length)) => (head, length),
        Ok(Progress::Partial) if buffer.unread().len() < outgoing.limits.bytes => return Ok(Taken::Partial(buffer)),
        Ok(Progress::Partial) | Err(_) => return Err(End::BadResponse),
    };
    let switches = head.code == 101;
    if switches && !(outgoing.upgrades && head.switches(&outgoing.head)) {
        return Err(End::BadResponse);
    }
    if switches && !outgoing.body.is_over() {
        return Ok(Taken::Early(buffer));
    }
    // An HTTP/1.1 client, whose key it is, looks itself.
    if switches && matches!(receiver.client, Stream::Http2(_)) && !is_accepted(&head, &outgoing.head) {
        return Err(End::BadResponse);
    }
    if receiver.holds(head.code) {
        let (mut pump, persists) = (Pump::new(head.body, Transfer::AsIs, outgoing.limits), head.persists);
        buffer.consume(length);
        let whole = pump.accept(buffer, &receiver.worker.buffers).is_ok();
        return Ok(Taken::Held(Response::Body { pump, client_persists: false, upstream_persists: persists && whole }));
    }
    let for_client = receiver.pass(&head)?;
    buffer.consume(length);
    receiver.take(for_client, buffer)
}

/// Takes a head that came on `stream`, and the content's beginning if it has come with it. `connects`: the request was a
/// CONNECT, to which a 2xx is what a 101 is in HTTP/1.1.
pub(super) fn take_http2_head(
    response: &http::Response<()>,
    stream: &mut Http2,
    connects: bool,
    cx: &mut Context<'_>,
    receiver: &mut Receiver<'_>,
) -> Result<Taken, End> {
    let outgoing = receiver.outgoing;
    let (mut lines, mut switch_lines) = (Vec::new(), Vec::new());
    let over = stream.has_ended();
    let head = ResponseHead::of_http2(response, over, &mut lines, outgoing.limits, outgoing.to_head);
    let mut head = head.map_err(|_| End::BadResponse)?;
    let accept = if connects { websocket_accept(&outgoing.head) } else { None };
    if connects && response.status().is_success() {
        head = head.switch(&mut switch_lines, accept.as_deref());
    }
    if receiver.holds(head.code) {
        // Its stream is one of many: giving it up costs nothing.
        return Ok(Taken::Held(Response::Head(None)));
    }
    let mut for_client = receiver.pass(&head)?;
    let mut buffer = receiver.worker.buffers.take();
    if !over && head.code >= 200 {
        let mut space = ReadBuf::new(buffer.space());
        // Mostly the content's beginning has come with the head, and leaves with it; an error is found again.
        let _ = stream.poll_read(cx, &mut space);
        let read = space.filled().len();
        buffer.filled(read);
        if stream.has_ended() && matches!(for_client.body, BodyLength::Stream(_)) {
            for_client.body = BodyLength::Sized(read as u64);
        }
    }
    receiver.take(for_client, buffer)
}

/// Whether the backend has read the request with this WebSocket's key (RFC 6455 section 4.1).
fn is_accepted(head: &ResponseHead<'_, '_>, request: &[u8]) -> bool {
    let expected = websocket_accept(request);
    head.fields.any("sec-websocket-accept", |value| expected.as_ref().is_some_and(|it| it.as_bytes() == value))
}

impl Receiver<'_> {
    /// Whether the request is tried again in place of the response that has this code.
    fn holds(&mut self, code: u16) -> bool {
        let Self { worker, outgoing, seen, .. } = self;
        let holds = self.retries.is_some_and(|retries| retries.holds(code, worker, seen, outgoing));
        if holds {
            self.saw(code);
        }
        holds
    }

    /// Composes the client's head.
    fn pass(&mut self, head: &ResponseHead<'_, '_>) -> Result<Passed, End> {
        if self.outgoing.grpc.is_some() {
            self.seen.grpc = grpc::status_of_fields(head.fields);
        }
        let Self { worker, outgoing, client, .. } = &*self;
        // For an HTTP/2 client any 2xx to its CONNECT would open a tunnel.
        if outgoing.upgrades && matches!(client, Stream::Http2(_)) && (200..300).contains(&head.code) {
            return Err(End::Inexpressible(Inexpressible::WebSocket));
        }
        let interim = head.code < 200;
        let transfer = if interim { Transfer::AsIs } else { Transfer::of(head.body, outgoing.version) };
        let client_persists =
            outgoing.persists && outgoing.body.is_over() && transfer != Transfer::UntilClose && !worker.draining();
        let date = worker.date();
        let outbound = Outbound {
            version: outgoing.version,
            close: !client_persists && !interim,
            transfer,
            via: outgoing.via,
            date: &date,
            // An interim response is a word by the way; the one that the rule means is still to come.
            changes: outgoing.changes.filter(|_| !interim || head.code == 101),
        };
        let composed = match client {
            Stream::Http2(_) => ClientHead::Http2(Box::new(response_head(head, &outbound).ok_or(End::BadResponse)?)),
            // An HTTP/1.0 client knows no interim responses (RFC 9110 section 15.2).
            Stream::Plain(_) | Stream::Tls(_) if interim && outgoing.version != Version::Http11 => ClientHead::Nothing,
            Stream::Plain(_) | Stream::Tls(_) => {
                let mut composed = worker.buffers.take_head();
                compose_response(&mut composed, head, &outbound);
                ClientHead::Lines(composed)
            }
        };
        let (code, body, upstream_persists) = (head.code, head.body, head.persists);
        Ok(Passed { head: composed, code, body, transfer, client_persists, upstream_persists })
    }

    /// Sends the client's head, or puts it before what has come behind the backend's, `rest`.
    fn take(&mut self, passed: Passed, rest: Buffer) -> Result<Taken, End> {
        let Passed { head, code, body, transfer, client_persists, upstream_persists } = passed;
        if code < 200 {
            self.seen.interim = self.seen.interim.saturating_add(1);
            if self.seen.interim > MOST_INTERIM {
                return Err(End::BadResponse);
            }
            self.seen.begun |= !matches!(head, ClientHead::Nothing);
            match head {
                ClientHead::Lines(composed) => {
                    self.prelude.extend_from_slice(&composed);
                    self.worker.buffers.give_head(composed);
                }
                ClientHead::Http2(head) if code == 101 => {
                    self.http2().send_response(&head, false).map_err(|_| End::ClientGone)?;
                }
                ClientHead::Http2(head) => self.http2().send_interim(&head).map_err(|_| End::ClientGone)?,
                ClientHead::Nothing => {}
            }
            let rest = (!rest.unread().is_empty()).then_some(rest);
            if code != 101 {
                return Ok(Taken::Interim(rest));
            }
            self.saw(code);
            return Ok(Taken::Switched(rest));
        }
        self.saw(code);
        let mut pump = Pump::new(body, transfer, self.outgoing.limits);
        if pump.accept(rest, &self.worker.buffers).is_err() {
            return Err(End::BadResponse);
        }
        match head {
            ClientHead::Lines(composed) => {
                let fits = pump.framed().is_some_and(|framed| framed.prepend(&composed));
                if !fits {
                    self.prelude.extend_from_slice(&composed);
                }
                self.worker.buffers.give_head(composed);
            }
            ClientHead::Http2(head) => {
                let ends = pump.ends_with_head();
                self.http2().send_response(&head, ends).map_err(|_| End::ClientGone)?;
            }
            ClientHead::Nothing => {}
        }
        Ok(Taken::Response(Response::Body { pump, client_persists, upstream_persists }))
    }

    fn saw(&mut self, code: u16) {
        self.seen.code = Some(code);
        self.seen.head_at = Some(Instant::now());
    }

    fn http2(&mut self) -> &mut Http2 {
        match self.client {
            Stream::Http2(stream) => stream,
            Stream::Plain(_) | Stream::Tls(_) => unreachable!("such a head is composed for an HTTP/2 client alone"),
        }
    }
}
