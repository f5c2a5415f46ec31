//! One worker's side of one backend: the pools of its endpoints, and what the backend's settings say of them.

use super::breaker::{Load, Opening, Waiting};
use super::http2::{Awaited, Terms};
use super::pick::pick;
use super::pool::{Lease, Pool};
use crate::plan::{Available, CircuitBreaker, Endpoint, Upstream};
use crate::stats::WorkerCounters;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One worker's side of one backend.
#[derive(Debug)]
pub struct Backend {
    worker: usize,
    all: Box<[Rc<Pool>]>,
    /// Those whose endpoints are used.
    used: Box<[Rc<Pool>]>,
    load: Rc<Load>,
    /// This worker's part.
    breaker: CircuitBreaker,
    slow_start: Option<Duration>,
    max_age_ms: Option<u64>,
    max_requests: Option<u32>,
    /// How many failed requests in a row are a strike, where anybody wants to know.
    strike: Option<u32>,
}

/// Which worker of how many.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// From 0.
    pub worker: usize,
    /// At least 1.
    pub workers: usize,
}

impl Backend {
    /// For a backend with these `settings`; pools of `known` whose endpoints stay are kept.
    pub(super) fn new<'k>(
        settings: &Upstream,
        endpoints: &Available,
        known: &(impl Iterator<Item = &'k Rc<Pool>> + Clone),
        seat: Seat,
        counters: &Arc<WorkerCounters>,
    ) -> Self {
        // Connections from before other certificates came are not used again, and count as long as they are open.
        let of = |endpoint: &Endpoint| known.clone().find(|pool| pool.is_of(endpoint));
        let load = endpoints.all.iter().find_map(of).map_or_else(Rc::default, |pool| Rc::clone(pool.load()));
        let pool = |endpoint: &Endpoint| {
            let mut known = known.clone();
            known
                .find(|pool| pool.serves(endpoint))
                .cloned()
                .unwrap_or_else(|| Rc::new(Pool::new(endpoint.clone(), Rc::clone(&load), Arc::clone(counters))))
        };
        let all: Box<[_]> = endpoints.all.iter().map(pool).collect();
        // What is used is in the order of all.
        let mut used = endpoints.used.iter().peekable();
        let used = all.iter().filter(|pool| used.next_if(|endpoint| pool.is_of(endpoint)).is_some()).cloned().collect();
        Self {
            worker: seat.worker,
            all,
            used,
            load,
            breaker: settings.breaker.share(seat.worker, seat.workers),
            slow_start: settings.slow_start,
            max_age_ms: settings.max_connection_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            max_requests: settings.max_requests_per_connection,
            strike: settings.outliers.as_ref().map(|outliers| outliers.consecutive_failures),
        }
    }

    /// The pools of all endpoints, the unused ones too.
    pub(super) fn all(&self) -> &[Rc<Pool>] {
        &self.all
    }

    /// How many endpoints there are to try.
    pub fn len(&self) -> usize {
        self.used.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }

    /// The endpoint for a request, which may be one that rests or was `tried` where there is no other; `None` when there
    /// is none at all. `random` is drawn evenly from all of `u64`.
    pub fn pick(&self, tried: &[Rc<Pool>], random: u64, now_ms: u64) -> Option<&Rc<Pool>> {
        pick(&self.used, tried, random, now_ms, self.slow_start)
    }

    /// Whether another request may be under way.
    pub fn admits(&self) -> bool {
        self.breaker.max_requests.is_none_or(|most| self.all.iter().map(|pool| pool.pending()).sum::<u32>() < most)
    }

    /// Whether a connection to `pool`'s endpoint may be opened. Where there are too many, one that is idle at another
    /// endpoint is closed for it, so that no endpoint goes without because others were there first.
    pub fn opening(&self, pool: &Rc<Pool>) -> Option<(Waiting, Opening)> {
        Some((self.load.wait(self.breaker)?, self.begin(pool)?))
    }

    /// A stream on an HTTP/2 connection to `pool`'s endpoint, if there is one with room for it that is neither too old
    /// nor has carried enough.
    pub fn stream(&self, pool: &Rc<Pool>, now_ms: u64) -> Option<Lease> {
        pool.stream(|wear| wear.is_worn(self.max_age_ms, self.max_requests, now_ms), now_ms)
    }

    /// Waits for an HTTP/2 connection to `pool`'s endpoint: for one that others wait for already and that will have
    /// room, or for another, as `terms` say. `None` where more must not wait, or more connections must not be.
    pub fn await_connection(&self, pool: &Rc<Pool>, terms: Terms, now_ms: u64) -> Option<(Waiting, Awaited)> {
        let waiting = self.load.wait(self.breaker)?;
        let awaited = match pool.join() {
            Some(awaited) => awaited,
            None => pool.open(self.begin(pool)?, terms, now_ms),
        };
        Some((waiting, awaited))
    }

    fn begin(&self, pool: &Rc<Pool>) -> Option<Opening> {
        self.load.begin(self.breaker, || {
            let mut others = self.all.iter().filter(|other| !Rc::ptr_eq(other, pool));
            // What is idle here is somebody else's, or it would have been used.
            others.any(|other| other.close_oldest()) || pool.close_oldest()
        })
    }

    /// Keeps a connection whose exchange is over, and on which nothing more is expected, for the next request, unless
    /// it is too old or has carried enough.
    pub fn keep(&self, mut lease: Lease, now_ms: u64) {
        if (self.max_age_ms.is_some() || self.max_requests.is_some())
            && lease.is_worn(self.max_age_ms, self.max_requests, now_ms)
        {
            return;
        }
        lease.keep(now_ms);
    }

    /// A request to `pool`'s endpoint failed, and that was the endpoint's doing.
    pub fn failed(&self, pool: &Pool) {
        if let Some(strike) = self.strike {
            pool.endpoint().health.request_failed(self.worker, strike);
        }
    }

    /// A request to `pool`'s endpoint was answered.
    pub fn answered(&self, pool: &Pool) {
        if self.strike.is_some() {
            pool.endpoint().health.request_answered(self.worker);
        }
    }
}
