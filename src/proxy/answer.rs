//! Takes in the head of a backend's answer: one of the interim ones, the last one, or a switch of protocols.
//!
//! What goes to the client in its place is composed here, before the content that came with it if there is room.

use super::body::Pump;
use super::buffer::Buffer;
use super::exchange::{End, Outgoing, Seen};
use super::worker::Worker;
use crate::http::{Outbound, Progress, ResponseHead, Transfer, Version, compose_response, response_head, slots};
use crate::net::Stream;
use std::time::Instant;

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
    /// The response.
    Response(Response),
}

/// Takes the head at the beginning of `buffer`, and puts the client's in its place, or sends it to an HTTP/2 client.
pub(super) fn take_head(
    mut buffer: Buffer,
    worker: &Worker,
    outgoing: &Outgoing<'_>,
    seen: &mut Seen,
    prelude: &mut Vec<u8>,
    client: &mut Stream,
) -> Result<Taken, End> {
    let mut slots = slots();
    let parsed = ResponseHead::parse(buffer.unread(), &mut slots, outgoing.limits, outgoing.to_head);
    let (head, length) = match parsed {
        Ok(Progress::Complete(head, length)) => (head, length),
        Ok(Progress::Partial) if buffer.unread().len() < outgoing.limits.bytes => return Ok(Taken::Partial(buffer)),
        Ok(Progress::Partial) | Err(_) => return Err(End::BadResponse),
    };
    let interim = head.code < 200;
    let switches = head.code == 101;
    if switches && !(outgoing.upgrades && head.switches(&outgoing.head)) {
        return Err(End::BadResponse);
    }
    if switches && !outgoing.body.is_over() {
        return Ok(Taken::Early(buffer));
    }
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
        changes: outgoing.changes.filter(|_| !interim || switches),
    };
    let (code, body, upstream_persists) = (head.code, head.body, head.persists);
    if let Stream::Http2(stream) = client {
        let sent = response_head(&head, &outbound).ok_or(End::BadResponse)?;
        buffer.consume(length);
        if interim {
            stream.send_interim(sent).map_err(|_| End::ClientGone)?;
            return Ok(Taken::Interim((!buffer.unread().is_empty()).then_some(buffer)));
        }
        seen.code = Some(code);
        seen.head_at = Some(Instant::now());
        let mut pump = Pump::new(body, transfer, outgoing.limits);
        pump.accept(buffer, &worker.buffers).map_err(|_| End::BadResponse)?;
        stream.send_response(sent, pump.ends_with_head()).map_err(|_| End::ClientGone)?;
        return Ok(Taken::Response(Response::Body { pump, client_persists, upstream_persists }));
    }
    let mut composed = worker.buffers.take_head();
    if interim {
        // An HTTP/1.0 client knows no interim responses (RFC 9110 section 15.2).
        if outgoing.version == Version::Http11 {
            compose_response(prelude, &head, &outbound);
        }
        buffer.consume(length);
        worker.buffers.give_head(composed);
        let rest = (!buffer.unread().is_empty()).then_some(buffer);
        if !switches {
            return Ok(Taken::Interim(rest));
        }
        seen.code = Some(code);
        seen.head_at = Some(Instant::now());
        return Ok(Taken::Switched(rest));
    }
    compose_response(&mut composed, &head, &outbound);
    seen.code = Some(code);
    seen.head_at = Some(Instant::now());
    buffer.consume(length);
    let mut pump = Pump::new(body, transfer, outgoing.limits);
    if pump.accept(buffer, &worker.buffers).is_err() {
        return Err(End::BadResponse);
    }
    let fits = pump.framed().is_some_and(|framed| framed.prepend(&composed));
    if !fits {
        prelude.extend_from_slice(&composed);
    }
    worker.buffers.give_head(composed);
    Ok(Taken::Response(Response::Body { pump, client_persists, upstream_persists }))
}
