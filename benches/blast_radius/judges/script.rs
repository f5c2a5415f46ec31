//! The hand-made script that Serin replaces: it steps the weight by the clock and looks once a minute.
//!
//! Its rule: more than five failures in the last five minutes, and the weight is 0. A count and not a rate, as scripts
//! that grep a log have it. It reads the counters themselves, without delay, and does not take a client's hang-up for a
//! failure. It does not look at latencies.

use super::{Judge, Reverted, side_at, weight_at};
use crate::sim::stream::{Request, Side};
use std::collections::VecDeque;
use std::time::Duration;

const POLL: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(300);
const MOST_FAILURES: usize = 5;

#[derive(Debug)]
pub(crate) struct Script {
    weight: f64,
    /// The canary's failures, oldest first.
    failures: VecDeque<Duration>,
    next_poll: Duration,
    reverted: Option<Reverted>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { weight: weight_at(Duration::ZERO), failures: VecDeque::new(), next_poll: POLL, reverted: None }
    }

    fn poll(&mut self, at: Duration) {
        self.failures.retain(|failure| *failure + WINDOW > at);
        if self.failures.len() > MOST_FAILURES {
            self.reverted = Some(Reverted { at, why: "more than 5 failures in 5m".to_owned(), blind: false });
            self.weight = 0.0;
        } else {
            self.weight = weight_at(at);
        }
    }
}

impl Judge for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn advance(&mut self, at: Duration) {
        while self.next_poll <= at && self.reverted.is_none() {
            self.poll(self.next_poll);
            self.next_poll += POLL;
        }
    }

    fn side(&self, point: u64) -> Side {
        side_at(point, self.weight)
    }

    fn record(&mut self, request: &Request, side: Side) {
        if side == Side::Canary && !request.aborted && request.outcome(side).failed {
            self.failures.push_back(request.at);
        }
    }

    fn reverted(&self) -> Option<Reverted> {
        self.reverted.clone()
    }
}
