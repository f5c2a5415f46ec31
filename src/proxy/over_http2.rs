//! The exchange where the backend speaks HTTP/2: heads apart from the content, which moves as any other does.

use super::answer::{Receiver, Response, Taken, take_http2_head};
use super::exchange::{End, Exchange};
use crate::http::{Http2Request, Inexpressible};
use crate::net::{NoResponse, Stream};
use std::task::{Context, Poll, ready};

/// What was sent over HTTP/2.
#[derive(Debug, Default)]
pub(super) struct OverHttp2 {
    /// A CONNECT.
    connects: bool,
    /// The head was all of it.
    ended_with_head: bool,
}

impl Exchange<'_> {
    /// Sends the request's head.
    pub(super) fn send_http2_head(&mut self) -> Result<(), End> {
        let Stream::Http2(stream) = &mut *self.upstream else { return Ok(()) };
        let request = Http2Request::read(&self.outgoing.head, stream.is_secure(), stream.takes_extended_connect());
        let Http2Request { head, connects } = request.map_err(End::Inexpressible)?;
        let ended_with_head = self.outgoing.body.ends_with_head();
        if connects && !ended_with_head {
            return Err(End::Inexpressible(Inexpressible::WebSocket));
        }
        // Behind a CONNECT the stream goes on.
        stream.send_request(head, ended_with_head && !connects).map_err(|_| End::Unsent)?;
        self.over_http2 = OverHttp2 { connects, ended_with_head };
        self.head_sent = self.outgoing.head.len();
        Ok(())
    }

    /// Takes the response's head. Ready when a head has been taken in, an interim one or the last.
    pub(super) fn poll_http2_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        let Stream::Http2(stream) = &mut *self.upstream else { return Poll::Pending };
        let response = match ready!(stream.poll_response(cx)) {
            Ok(response) => response,
            Err(error) => {
                return Poll::Ready(Err(match stream.no_response(&error) {
                    NoResponse::Unprocessed if self.may_be_sent_again() => End::Unsent,
                    NoResponse::Malformed => End::BadResponse,
                    NoResponse::Unprocessed | NoResponse::Broken => End::Reset,
                }));
            }
        };
        let mut receiver = Receiver {
            worker: self.worker,
            outgoing: &*self.outgoing,
            seen: &mut self.seen,
            prelude: &mut self.prelude,
            client: &mut self.client.stream,
        };
        match take_http2_head(&response, stream, self.over_http2.connects, cx, &mut receiver)? {
            Taken::Response(response) => self.response = response,
            Taken::Switched(rest) => self.response = Response::Head(rest),
            Taken::Interim(_) | Taken::Partial(_) | Taken::Early(_) => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing of the request's content is lost to another attempt.
    fn may_be_sent_again(&self) -> bool {
        let body = &self.outgoing.body;
        body.written() == 0 && (self.over_http2.ended_with_head || !body.is_over())
    }
}
