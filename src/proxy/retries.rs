//! Whether a request that failed is tried again, where, and after how long.
//!
//! Two things make a request be tried again. Where nothing of it was sent, another backend may have it whatever it is, so
//! a rollout's stable takes over at once what its canary could not be reached for: no rule has to ask for that, and it
//! costs the budget nothing, since each request is still served once at most. Everything else is up to the rule's `retry`
//! and bound by the worker's budget; and what may have been done already is done again only if that is the same as doing
//! it once (RFC 9110 section 9.2.2).

use super::attempts::Tried;
use super::choose::{Choice, stand_in};
use super::deadline::Deadline;
use super::exchange::{End, Outgoing, Seen};
use super::request::Forwarded;
use super::worker::{Current, Worker};
use crate::plan::Retry;
use crate::stats::Shard;
use std::time::Duration;

/// One request's tries.
pub(super) struct Retries<'a> {
    policy: Option<&'a Retry>,
    /// Where the try that is under way is counted.
    pub(super) shard: &'a Shard,
    /// How often the policy has had it tried again.
    again: u32,
}

/// The next try.
pub(super) struct Again {
    pub(super) choice: Choice,
    /// How long to wait before; `None` is not even a moment.
    pub(super) wait: Option<Duration>,
}

impl<'a> Retries<'a> {
    /// For a request's first try, which is counted in `shard`.
    pub(super) fn new(worker: &Worker, policy: Option<&'a Retry>, shard: &'a Shard) -> Self {
        if policy.is_some() {
            worker.retries.deposit(worker.now_ms());
        }
        Self { policy, shard, again: 0 }
    }

    /// What the rule says, if it has it that the request may be tried once more.
    pub(super) fn left(&self) -> Option<&'a Retry> {
        self.policy.filter(|policy| self.again < policy.attempts)
    }

    /// Whether a response with this code is held back, to try again in its place; then that is paid for.
    pub(super) fn holds(&self, code: u16, worker: &Worker, seen: &Seen, outgoing: &Outgoing) -> bool {
        self.left().is_some_and(|policy| policy.codes.contains(code))
            && may_be_done_twice(seen, outgoing)
            && self.pay(worker)
    }

    /// What follows a try that ended like this.
    pub(super) fn after(
        &mut self,
        worker: &Worker,
        tried: &Tried,
        seen: &Seen,
        request: &Forwarded,
        current: &Current,
        deadline: &Deadline,
    ) -> Option<Again> {
        let (unsent, held) = (tried.is_unsent(), matches!(tried, Tried::Held(_)));
        let unanswered = matches!(tried, Tried::Exchange(End::Reset | End::HeadTimeout { bound: false }));
        // What is held cannot be passed on any more: the wait finds that there is no time left.
        if !held && (deadline.bound_passed() || !(unsent || unanswered)) {
            return None;
        }
        // Stable's side may speak another version of HTTP: then what has been read is framed anew, and has to be here.
        let stable = stand_in(&current.snapshot, &request.choice).filter(|_| request.outgoing.body.can_rewind());
        if let Some(choice) = stable.filter(|_| unsent) {
            return Some(Again { choice, wait: None });
        }
        let policy = self.left()?;
        let goes_on = held || ((unsent || may_be_done_twice(seen, &request.outgoing)) && self.pay(worker));
        goes_on.then(|| {
            self.again += 1;
            let choice = stable.unwrap_or(Choice { instead_of: None, ..request.choice });
            Again { choice, wait: Some(policy.wait(self.again, worker.random())) }
        })
    }

    /// Takes what a try costs out of the worker's budget.
    fn pay(&self, worker: &Worker) -> bool {
        let granted = worker.retries.withdraw(worker.now_ms());
        if !granted {
            self.shard.record_retry_denied();
        }
        granted
    }
}

/// Whether the client has seen nothing of the answer, and doing it twice is the same as doing it once.
fn may_be_done_twice(seen: &Seen, outgoing: &Outgoing) -> bool {
    !seen.begun && outgoing.repeats && outgoing.body.can_rewind()
}
