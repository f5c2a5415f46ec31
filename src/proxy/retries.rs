//! Whether a request that failed is tried again, where, and after how long.
//!
//! Two things make a request be tried again. Where nothing of it was sent, another backend may have it whatever it is, so
//! a rollout's stable takes over at once what its canary could not be reached for, or had too much to do for: no rule has
//! to ask for that, and it costs the budget nothing, since each request is still served once at most. Everything else is up to the rule's `retry`
//! and bound by the worker's budget; and what may have been done already is done again only if that is the same as doing
//! it once (RFC 9110 section 9.2.2).

use super::attempts::{Attempts, Tried};
use super::choose::{Choice, stand_in};
use super::exchange::{End, Outgoing, Seen};
use super::worker::Worker;
use crate::plan::Retry;
use crate::stats::Shard;
use std::time::Duration;

/// What bounds a request's tries.
pub(super) struct Retries<'a> {
    /// What the rule says.
    pub(super) policy: Option<&'a Retry>,
    /// The rule does not have it that the request is tried once more.
    is_last: bool,
    /// Where the try that is under way is counted.
    pub(super) shard: &'a Shard,
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
        Self { policy, is_last: false, shard }
    }

    /// Whether a response with this code is held back, to try again in its place; then that is paid for.
    pub(super) fn holds(&self, code: u16, worker: &Worker, seen: &Seen, outgoing: &Outgoing<'_>) -> bool {
        self.policy.is_some_and(|policy| !self.is_last && policy.codes.contains(code))
            && may_be_done_twice(seen, outgoing)
            && self.pay(worker)
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

impl Attempts<'_, '_> {
    /// What follows a try that ended like this.
    pub(super) fn after(&mut self, tried: &Tried, seen: Seen) -> Option<Again> {
        let (unsent, held) = (tried.is_unsent(), matches!(tried, Tried::Held(_)));
        let unanswered =
            matches!(tried, Tried::Exchange(End::Reset | End::BadResponse | End::HeadTimeout { bound: false }));
        let overload = matches!(tried, Tried::Overload);
        // What is held cannot be passed on any more: the wait finds that there is no time left.
        if !held && (self.client.deadline.bound_passed() || !(unsent || unanswered || overload)) {
            return None;
        }
        let (snapshot, outgoing) = (&self.current.snapshot, &self.request.outgoing);
        let stable = stand_in(snapshot, &self.request.choice);
        let stable = stable.filter(|stable| self.request.can_turn_to(stable, &snapshot.plan));
        if let Some(choice) = stable.filter(|_| unsent || overload) {
            return Some(Again { choice, wait: None });
        }
        // Whoever has too much to do is not asked again.
        if overload {
            return None;
        }
        let policy = self.retries.policy.filter(|_| !self.retries.is_last)?;
        if !held && !((unsent || may_be_done_twice(&seen, outgoing)) && self.retries.pay(self.worker)) {
            return None;
        }
        let failed = self.failed();
        failed.again += 1;
        let again = failed.again;
        let wait = policy.wait(again, self.worker.random());
        self.retries.is_last = again >= policy.attempts;
        let choice = stable.unwrap_or(Choice { instead_of: None, ..self.request.choice });
        Some(Again { choice, wait: Some(wait) })
    }
}

/// Whether the client has seen nothing of the answer, and doing it twice is the same as doing it once.
fn may_be_done_twice(seen: &Seen, outgoing: &Outgoing<'_>) -> bool {
    !seen.begun && outgoing.repeats && outgoing.body.can_rewind()
}
