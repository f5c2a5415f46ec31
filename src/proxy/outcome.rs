//! What the end of a request means: for its client, and for the counters of its version.

use super::attempts::Tried;
use super::exchange::{End, Seen};
use super::forward::Next;
use crate::http::{Inexpressible, Reason, Refusal};
use crate::stats::{Cause, Exchange as Record, GrpcEnd};

/// How an attempt at a request is counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) code: u16,
    pub(super) failure: Option<Cause>,
    /// Of a gRPC request: how it ended for its caller.
    pub(super) grpc: Option<GrpcEnd>,
}

/// What an end means for the client and for the counters.
pub(super) struct Outcome {
    /// What the client is told, if it has been told nothing yet.
    pub(super) reply: Option<Reason>,
    /// The code that is counted in place of the response's.
    pub(super) code: Option<u16>,
    pub(super) failure: Option<Cause>,
    pub(super) next: Next,
}

impl Outcome {
    /// How an attempt at a request that is not gRPC is counted, of whose response this was `seen`.
    pub(super) fn counted(&self, seen: Seen) -> Counted {
        let code = self.code.or(self.reply.map(Reason::code)).or(seen.code).unwrap_or(Record::CLIENT_CLOSED);
        let by_status = || (seen.code? >= 500 && self.code.is_none()).then_some(Cause::Status);
        Counted { code, failure: self.failure.or_else(by_status), grpc: None }
    }

    /// `persists`: the client's connection could carry another request after a response of Serin's own.
    pub(super) fn of(tried: Tried, persists: bool) -> Self {
        let after_reply = if persists { Next::Request } else { Next::Linger };
        let failed = |reason, cause| Self { reply: Some(reason), code: None, failure: Some(cause), next: after_reply };
        let whole = |next| Self { reply: None, code: None, failure: None, next };
        let cut = |cause| Self { reply: None, code: None, failure: Some(cause), next: Next::Cut };
        let gone = |reply, next| Self { reply, code: Some(Record::CLIENT_CLOSED), failure: None, next };
        match tried {
            Tried::NoEndpoint => failed(Reason::NoEndpoint, Cause::Connect),
            Tried::Overload => failed(Reason::Overload, Cause::Overload),
            Tried::ConnectFailed => failed(Reason::ConnectFailed, Cause::Connect),
            Tried::HandshakeFailed => failed(Reason::ConnectFailed, Cause::Tls),
            Tried::ConnectTimeout => failed(Reason::ConnectTimeout, Cause::ConnectTimeout),
            Tried::OutOfTime => failed(Reason::RequestTimeout, Cause::RequestTimeout),
            // Another try follows, or what comes in its place.
            Tried::Held(_) => whole(Next::Request),
            Tried::Switched(tunnel) => whole(Next::Tunnel(tunnel)),
            Tried::Exchange(end) => match end {
                End::Complete { client: true, .. } | End::Held => whole(Next::Request),
                End::Complete { client: false, .. } => whole(Next::Linger),
                End::Unsent | End::Reset => failed(Reason::Reset, Cause::Reset),
                End::BadResponse => failed(Reason::BadResponse, Cause::BadResponse),
                End::HeadTimeout { bound: false } => failed(Reason::ResponseHeadTimeout, Cause::ResponseHeadTimeout),
                End::HeadTimeout { bound: true } => failed(Reason::RequestTimeout, Cause::RequestTimeout),
                End::Truncated => cut(Cause::Truncated),
                End::CutOff => cut(Cause::RequestTimeout),
                End::Stalled => cut(Cause::ResponseIdleTimeout),
                End::ClientGone => gone(None, Next::Cut),
                End::ClientSlow => gone(Some(Reason::Refused(Refusal::TooSlow)), Next::Linger),
                End::BodyTooLarge => gone(Some(Reason::BodyTooLarge), Next::Linger),
                End::ClientMalformed => gone(Some(Reason::Refused(Refusal::Chunk)), Next::Linger),
                End::Inexpressible(Inexpressible::Target) => gone(Some(Reason::Refused(Refusal::Target)), Next::Linger),
                End::Inexpressible(Inexpressible::WebSocket) => failed(Reason::NoWebSocket, Cause::Status),
            },
        }
    }
}
