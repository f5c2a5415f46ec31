//! One stream, and what it comes to under each judge.
//!
//! The stream is made once and shown to all of them; each sends a request where its own weights say, and is told what
//! came of it there. A judge that has taken the canary out is done, and the stream ends with the last of them.

use crate::judges::{self, Reverted};
use crate::scenario::Scenario;
use crate::sim::stream::{Outcome, Side, Stream};
use std::time::Duration;

/// Slower is as bad as failed for whoever waits: the limit that the judges have.
const SLOW: Duration = Duration::from_millis(500);

/// What one judge made of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Requests that the canary got.
    pub(crate) requests: u64,
    /// Those of them that were hurt: failed, or slower than half a second.
    pub(crate) hurt: u64,
    /// Those of the hurt that stable would have served well.
    pub(crate) excess: u64,
    pub(crate) reverted: Option<Reverted>,
}

/// The judges' names, in the order of the tallies.
pub(crate) fn names() -> Vec<&'static str> {
    judges::all().iter().map(|judge| judge.name()).collect()
}

/// Runs the stream of `seed` for `length` at most.
pub(crate) fn run(scenario: Scenario, rate: f64, seed: u64, length: Duration) -> Vec<Tally> {
    let mut judges: Vec<_> = judges::all().into_iter().map(|judge| (judge, Tally::default())).collect();
    for request in Stream::new(seed, rate, length, |at| scenario.weather(at)) {
        let mut all_done = true;
        for (judge, tally) in judges.iter_mut().filter(|(_, tally)| tally.reverted.is_none()) {
            judge.advance(request.at);
            tally.reverted = judge.reverted();
            if tally.reverted.is_some() {
                continue;
            }
            all_done = false;
            let side = judge.side(request.point);
            judge.record(&request, side);
            if side == Side::Canary {
                let is_hurt = |outcome: Outcome| !request.aborted && (outcome.failed || outcome.took > SLOW);
                let hurt = is_hurt(request.outcome(Side::Canary));
                tally.requests += 1;
                tally.hurt += u64::from(hurt);
                tally.excess += u64::from(hurt && !is_hurt(request.outcome(Side::Stable)));
            }
        }
        if all_done {
            break;
        }
    }
    for (judge, tally) in judges.iter_mut().filter(|(_, tally)| tally.reverted.is_none()) {
        judge.advance(length);
        tally.reverted = judge.reverted();
    }
    judges.into_iter().map(|(_, tally)| tally).collect()
}
