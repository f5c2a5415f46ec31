//! Traffic to judge: two versions behind one split, tick by tick, from a seed.

use super::super::*;
use super::at_ms;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Ticks a second.
pub(super) const SECOND: u64 = 10;

/// Requests that arrive at random and are split at random.
pub(super) struct Traffic {
    rng: StdRng,
    /// Requests a tick, of both versions.
    a_tick: f64,
    /// The canary's share.
    share: f64,
    ticks: u64,
    verdict: Verdict,
    pub(super) canary_requests: u64,
}

impl Traffic {
    pub(super) fn new(seed: u64, a_second: f64, share: f64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, a_tick: a_second / 10.0, share, ticks: 0, verdict: Verdict::Inconclusive, canary_requests: 0 }
    }

    /// Moves the split, and says so.
    pub(super) fn set_share(&mut self, guard: &mut Guard, share: f64) {
        self.share = share;
        guard.resplit(share);
    }

    /// One tick in which requests fail with these probabilities.
    pub(super) fn tick(&mut self, guard: &mut Guard, canary: f64, stable: f64) -> Verdict {
        if self.ticks == 0 {
            guard.resplit(self.share);
        }
        let arrivals = self.arrivals();
        self.ticks += 1;
        // Hours of nothing are told now and then, and not tick by tick.
        if arrivals == 0 && !self.ticks.is_multiple_of(SECOND) {
            return self.verdict;
        }
        let ours = hits(&mut self.rng, arrivals, self.share);
        let mut side = |of: u64, p: f64| {
            let failed = hits(&mut self.rng, of, p);
            Delta { requests: of, judged: of, failed, ..Delta::default() }
        };
        let (ours, theirs) = (side(ours, canary), side(arrivals - ours, stable));
        self.canary_requests += ours.judged;
        guard.observe(&ours, &theirs, at_ms(100 * self.ticks));
        self.verdict = guard.finding().verdict;
        self.verdict
    }

    /// So many ticks of the same; the first with a breach (counted from 1) ends them.
    pub(super) fn run(&mut self, guard: &mut Guard, ticks: u64, canary: f64, stable: f64) -> Option<u64> {
        (1..=ticks).find(|_| self.tick(guard, canary, stable) == Verdict::Breach)
    }

    fn arrivals(&mut self) -> u64 {
        let (mut left, mut arrivals) = (self.a_tick, 0);
        while left > 0.0 {
            arrivals += u64::from(self.rng.random_bool(left.min(1.0)));
            left -= 1.0;
        }
        arrivals
    }
}

/// How many of `of` come true, each with probability `p`: from hit to hit by gaps, so that rare ones cost little.
fn hits(rng: &mut StdRng, of: u64, p: f64) -> u64 {
    if p > 0.5 {
        return of - hits(rng, of, 1.0 - p);
    }
    let (mut at, mut hits) = (0.0, 0);
    let of = float(of);
    loop {
        let gap = (rng.random::<f64>().max(f64::MIN_POSITIVE).ln() / (-p).ln_1p()).floor();
        at += gap + 1.0;
        if p <= 0.0 || at > of {
            return hits;
        }
        hits += 1;
    }
}
