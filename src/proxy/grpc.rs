//! What is different about a gRPC request: its caller says how long it waits, and its response says behind its content,
//! or in a head that has none, how it went.

use super::client::Client;
use super::exchange::{Outgoing, Seen};
use super::forward::Next;
use super::outcome::{Counted, Outcome};
use crate::http::{Asked, Reason, RequestHead, grpc};
use crate::net::Stream;
use crate::plan::Grpc;
use crate::stats::{Cause, Exchange as Record, GrpcEnd, GrpcStatus};
use std::time::Duration;

/// The HTTP status of every response in gRPC's way.
const CODE: u16 = 200;

/// A gRPC request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// How long it may take, its caller has said, and not the config.
    is_bound_by_caller: bool,
}

impl Call {
    /// What `head` asks for, if that is gRPC. Where its caller waits for less than `most`, which is how long the config
    /// lets a request take, that is shortened.
    #[inline]
    pub(super) fn of(head: &RequestHead<'_, '_>, most: &mut Option<Duration>) -> Option<Self> {
        // Every gRPC request is a POST, and most others are not.
        if head.method == "POST" { Self::of_post(head, most) } else { None }
    }

    fn of_post(head: &RequestHead<'_, '_>, most: &mut Option<Duration>) -> Option<Self> {
        let value = |name: &str| head.fields.0.iter().find(|line| line.name.eq_ignore_ascii_case(name));
        value("content-type").filter(|line| grpc::is_grpc(line.value))?;
        let timeout = value("grpc-timeout").and_then(|line| grpc::parse_timeout(line.value));
        let is_bound_by_caller = timeout.is_some_and(|timeout| most.is_none_or(|most| timeout < most));
        if is_bound_by_caller {
            *most = timeout;
        }
        Some(Self { is_bound_by_caller })
    }

    /// Whether it may take no longer than its caller has said: no endpoint is to be blamed for what is too short.
    pub(super) fn is_bound_by_caller(self) -> bool {
        self.is_bound_by_caller
    }

    /// How the request is counted that ended with `outcome`. It took so long, less the waits for the client, and might
    /// have taken so long at `most`. What was `seen` is given by value: a reference would keep it in every connection's
    /// task.
    pub(super) fn counted(
        self,
        outcome: &Outcome,
        seen: Seen,
        took: Duration,
        most: Option<Duration>,
        rules: Grpc,
    ) -> Counted {
        let ran_out = || self.is_bound_by_caller && most.is_some_and(|most| is_over(took, most));
        let sent = seen.code.unwrap_or(CODE);
        let end_of = |status| Some(GrpcEnd::Status(status));
        match (outcome.reply, outcome.failure) {
            (_, Some(Cause::RequestTimeout)) => self.out_of_time(rules),
            (None, None) if outcome.code.is_some() && ran_out() => self.out_of_time(rules),
            (None, None) if outcome.code.is_some() => {
                Counted { code: Record::CLIENT_CLOSED, failure: None, grpc: end_of(GrpcStatus::Cancelled) }
            }
            (None, None) => {
                let end = seen.grpc_end();
                Counted { code: sent, failure: rules.cause(end), grpc: Some(end) }
            }
            (None, failure) => Counted { code: sent, failure, grpc: end_of(GrpcStatus::Unavailable) },
            (Some(reason), failure) => {
                let code = outcome.code.unwrap_or(CODE);
                Counted { code, failure, grpc: end_of(grpc::status_of_reason(reason)) }
            }
        }
    }

    /// The deadline has passed: whoever noticed it first, it is one thing.
    fn out_of_time(self, rules: Grpc) -> Counted {
        let counts = !self.is_bound_by_caller || rules.failures.contains(GrpcStatus::DeadlineExceeded);
        let grpc = Some(GrpcEnd::Status(GrpcStatus::DeadlineExceeded));
        Counted { code: CODE, failure: counts.then_some(Cause::RequestTimeout), grpc }
    }
}

/// Whether a caller that hung up after `took` did so because its time was over. What it says is rounded up, and its clock
/// began to run a little before ours.
fn is_over(took: Duration, time: Duration) -> bool {
    const ROUNDED: Duration = Duration::from_millis(10);
    took + time / 32 + ROUNDED >= time
}

impl Outgoing {
    /// What would ask for an answer of Serin's own.
    pub(super) fn asked(&self) -> Asked {
        match self.grpc {
            Some(_) => Asked::Grpc,
            None if self.to_head => Asked::Head,
            None => Asked::Plain,
        }
    }
}

impl Seen {
    /// How a whole response to a gRPC request ended.
    pub(super) fn grpc_end(self) -> GrpcEnd {
        self.grpc.or(self.code.map(grpc::status_of_code)).unwrap_or(GrpcEnd::Missing)
    }
}

/// What becomes of a client whose gRPC response ended like this, all of it or not. Over HTTP/2, one that broke off still
/// ends in gRPC's way: a caller knows then that trying again may help, which a reset does not say.
pub(super) fn end_grpc(client: &mut Client, outcome: Outcome) -> Next {
    let reason =
        if outcome.failure == Some(Cause::RequestTimeout) { Reason::RequestTimeout } else { Reason::BrokenOff };
    if let (Next::Cut, Stream::Http2(stream)) = (&outcome.next, &mut client.stream)
        && stream.finish(Some(grpc::trailers(reason))).is_ok()
    {
        return Next::Close;
    }
    outcome.next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadLimits, Progress, slots};

    const MS: Duration = Duration::from_millis(1);

    fn call(fields: &str, mut most: Option<Duration>) -> Option<(Call, Option<Duration>)> {
        let head = format!("POST /a.B/C HTTP/1.1\r\nhost: h\r\n{fields}\r\n\r\n");
        let mut slots = slots();
        let limits = HeadLimits { bytes: 4_096, fields: 20 };
        match RequestHead::parse(head.as_bytes(), &mut slots, limits) {
            Ok(Progress::Complete(head, _)) => Call::of(&head, &mut most).map(|call| (call, most)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_shorter_of_both_times_bounds_a_call() {
        for (timeout, most, bound, callers) in [
            ("grpc-timeout: 500m", None, Some(500 * MS), true),
            ("grpc-timeout: 500m", Some(501 * MS), Some(500 * MS), true),
            ("grpc-timeout: 500m", Some(500 * MS), Some(500 * MS), false),
            ("grpc-timeout: 1H", Some(500 * MS), Some(500 * MS), false),
            ("grpc-timeout: nonsense", Some(500 * MS), Some(500 * MS), false),
            ("x: y", None, None, false),
        ] {
            let (call, left) = call(&format!("Content-Type: application/grpc+proto\r\n{timeout}"), most).unwrap();
            assert_eq!((left, call.is_bound_by_caller()), (bound, callers), "{timeout} {most:?}");
        }
        assert_eq!(call("content-type: application/grpc-web", None), None);
    }

    fn outcome(reply: Option<Reason>, code: Option<u16>, failure: Option<Cause>) -> Outcome {
        Outcome { reply, code, failure, next: Next::Close }
    }

    #[test]
    fn a_caller_that_hangs_up_at_its_deadline_ran_out_of_time_and_before_it_cancelled() {
        let (call, most) = call("content-type: application/grpc\r\ngrpc-timeout: 1S", None).unwrap();
        let rules = Grpc::default();
        let hung_up = outcome(None, Some(Record::CLIENT_CLOSED), None);
        for (took, code, status, failure) in [
            (100 * MS, 499, GrpcStatus::Cancelled, None),
            (950 * MS, 499, GrpcStatus::Cancelled, None),
            (970 * MS, 200, GrpcStatus::DeadlineExceeded, Some(Cause::RequestTimeout)),
            (1_050 * MS, 200, GrpcStatus::DeadlineExceeded, Some(Cause::RequestTimeout)),
        ] {
            let counted = call.counted(&hung_up, Seen::default(), took, most, rules);
            assert_eq!(counted, Counted { code, failure, grpc: Some(GrpcEnd::Status(status)) }, "{took:?}");
        }
    }

    #[test]
    fn how_an_answer_of_serins_own_is_counted_is_what_its_caller_is_told() {
        let (call, most) = call("content-type: application/grpc", None).unwrap();
        for (outcome, status) in [
            (outcome(Some(Reason::Overload), None, Some(Cause::Overload)), GrpcStatus::Unavailable),
            (outcome(Some(Reason::BadResponse), None, Some(Cause::BadResponse)), GrpcStatus::Internal),
            (outcome(Some(Reason::RequestTimeout), None, Some(Cause::RequestTimeout)), GrpcStatus::DeadlineExceeded),
            (outcome(None, None, Some(Cause::Truncated)), GrpcStatus::Unavailable),
        ] {
            let counted = call.counted(&outcome, Seen::default(), MS, most, Grpc::default());
            let expected = Counted { code: 200, failure: outcome.failure, grpc: Some(GrpcEnd::Status(status)) };
            assert_eq!(counted, expected);
        }
    }
}
