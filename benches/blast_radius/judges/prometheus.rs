//! What a Prometheus server knows of the canary: its counters as they were at the last scrapes.
//!
//! Scrapes are 15 s apart, as the servers that Flagger's and Istio's documentation install have it, and come half way
//! between two whole quarters of a minute: so a query at a full minute sees numbers that are 7.5 s old, which is the
//! average of what can happen. The series exist from the beginning, with zeroes: no increase is lost because a counter
//! was born with it. A query takes no time.

use crate::sim::stream::{Request, Side};
use std::collections::VecDeque;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(15);
const FIRST: Duration = Duration::from_millis(7_500);
/// More than any query here looks back on.
const KEPT: usize = 8;

/// No limit on latencies here has another bound: it is one of the bounds of the histograms' buckets.
pub(super) const SLOW: Duration = Duration::from_millis(500);

/// The canary's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// All requests, those of clients that hung up among them: their code is not a `5..`.
    pub(super) requests: u64,
    /// Those that were answered with a `5..`.
    pub(super) failed: u64,
    /// Those that took longer than [`SLOW`].
    pub(super) slow: u64,
}

#[derive(Debug)]
pub(super) struct Prometheus {
    counters: Counters,
    /// When it was scraped and what was found, oldest first.
    samples: VecDeque<(Duration, Counters)>,
    next_scrape: Duration,
}

impl Prometheus {
    pub(super) fn new() -> Self {
        Self { counters: Counters::default(), samples: VecDeque::new(), next_scrape: FIRST }
    }

    /// Scrapes what is due by `at`.
    pub(super) fn advance(&mut self, at: Duration) {
        while self.next_scrape <= at {
            if self.samples.len() == KEPT {
                self.samples.pop_front();
            }
            self.samples.push_back((self.next_scrape, self.counters));
            self.next_scrape += INTERVAL;
        }
    }

    pub(super) fn record(&mut self, request: &Request, side: Side) {
        if side == Side::Canary {
            let outcome = request.outcome(side);
            self.counters.requests += 1;
            self.counters.failed += u64::from(outcome.failed && !request.aborted);
            self.counters.slow += u64::from(outcome.took > SLOW);
        }
    }

    /// What `rate(…[window])` at `at` is made of: the increase from the oldest sample of the window to the newest. `None`
    /// unless there are two. What it is divided by falls out of every quotient.
    pub(super) fn rate(&self, at: Duration, window: Duration) -> Option<Counters> {
        let mut inside = self.samples.iter().filter(|(scraped, _)| *scraped + window > at && *scraped <= at);
        let (first, last) = (inside.clone().next()?, inside.next_back()?);
        (first.0 < last.0).then(|| last.1.since(first.1))
    }

    /// What `irate` at `at` is made of: the increase over the last two samples.
    pub(super) fn irate(&self, at: Duration) -> Option<Counters> {
        self.rate(at, 2 * INTERVAL)
    }
}

impl Counters {
    fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests - earlier.requests,
            failed: self.failed - earlier.failed,
            slow: self.slow - earlier.slow,
        }
    }

    /// The share of requests that did not fail; not a number without a request, as in `PromQL`.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(super) fn success_rate(self) -> f64 {
        (self.requests - self.failed) as f64 / self.requests as f64
    }

    /// Whether the 99th percentile is above [`SLOW`]; `None` without a request.
    pub(super) fn p99_is_slow(self) -> Option<bool> {
        (self.requests > 0).then_some(self.slow * 100 > self.requests)
    }
}
