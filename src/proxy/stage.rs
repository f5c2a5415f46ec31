//! What an exchange waits for, and so whose time is running.

use super::answer::Response;
use super::body::Side;
use super::exchange::{End, Exchange};
use std::time::Instant;

/// What an exchange is waiting for, which decides how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    ClientBody,
    UpstreamTakes,
    Head,
    ClientTakes,
    UpstreamBody,
}

impl Exchange<'_, '_> {
    fn blocks_on_client(&self, sends_body: bool) -> bool {
        match &self.response {
            Response::Head(_) => {
                !self.prelude.is_empty() || (sends_body && self.outgoing.body.waits_for() == Side::Source)
            }
            Response::Body { pump, .. } => !self.prelude.is_empty() || pump.waits_for() == Side::Sink,
        }
    }

    /// Sets the deadline for what is waited for now, and starts the client's clock if that is the client.
    pub(super) fn enter_stage(&mut self) {
        let sends_body = !self.outgoing.body.is_over() && !self.request_failed;
        let client_blocks = self.blocks_on_client(sends_body);
        let stage = match (&self.response, client_blocks) {
            (Response::Head(_), true) if self.prelude.is_empty() => Stage::ClientBody,
            (_, true) => Stage::ClientTakes,
            (Response::Head(_), false) if sends_body => Stage::UpstreamTakes,
            (Response::Head(_), false) => Stage::Head,
            (Response::Body { .. }, false) => Stage::UpstreamBody,
        };
        // A stage in which bytes move is entered anew each time they do: the deadline is for standing still.
        if self.stage != Some(stage) || stage != Stage::Head {
            if let (Stage::Head, false) = (stage, self.seen.begun)
                && let Some(most) = self.retries.and_then(|retries| retries.policy?.per_try_timeout)
            {
                self.client.deadline.bound_head(most);
            }
            let timeouts = self.outgoing.timeouts;
            self.client.deadline.set(match stage {
                Stage::ClientTakes => timeouts.idle,
                Stage::ClientBody if self.outgoing.grpc.is_none() => timeouts.idle,
                // Of a gRPC stream that is silent both ways nobody can say whose turn it is.
                Stage::ClientBody | Stage::UpstreamTakes | Stage::Head => timeouts.response_head,
                Stage::UpstreamBody if self.outgoing.grpc.is_none() => timeouts.response_idle,
                // What a stream that is silent for long is waited for is said by its caller's deadline, if by anybody.
                Stage::UpstreamBody => None,
            });
            self.stage = Some(stage);
        }
        if client_blocks {
            self.waits_since = Some(Instant::now());
        }
    }

    pub(super) fn timed_out(&self) -> End {
        match self.stage {
            Some(Stage::ClientBody) => End::ClientSlow,
            Some(Stage::ClientTakes) => End::ClientGone,
            Some(Stage::UpstreamBody) if self.client.deadline.attempt_passed() => End::CutOff,
            Some(Stage::UpstreamBody) => End::Stalled,
            Some(Stage::UpstreamTakes | Stage::Head) | None => {
                End::HeadTimeout { bound: self.client.deadline.bound_passed() }
            }
        }
    }
}
