//! One worker's side of one backend: the pools of its endpoints, and what the backend's settings say of them.

use super::breaker::{Load, Opening, Waiting};
use super::http2::{Awaited, Terms};
use super::pick::pick;
use super::pool::{Lease, Pool, Wear};
use crate::net::proxy_protocol::Addresses;
use crate::plan::{Available, CircuitBreaker, Endpoint, Health, Upstream};
use crate::stats::WorkerCounters;
use std::collections::HashMap;
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

/// The pools that there are, by the [identity](Endpoint::identity) of their endpoints: each is looked up at every change,
/// and one change of health is a change for all.
pub(super) type Known<'k> = HashMap<*const Health, &'k Rc<Pool>>;

impl Backend {
    /// For a backend with these `settings`; pools of `known` whose endpoints stay are kept.
    pub(super) fn new(
        settings: &Upstream,
        endpoints: &Available,
        known: &Known<'_>,
        seat: Seat,
        counters: &Arc<WorkerCounters>,
    ) -> Self {
        // Connections from before other certificates came are not used again, and count as long as they are open.
        let of = |endpoint: &Endpoint| known.get(&endpoint.identity()).copied();
        let load = endpoints.all.iter().find_map(of).map_or_else(Rc::default, |pool| Rc::clone(pool.load()));
        let pool = |endpoint: &Endpoint| match of(endpoint) {
            Some(pool) if pool.serves(endpoint) => Rc::clone(pool),
            _ => Rc::new(Pool::new(endpoint.clone(), Rc::clone(&load), Arc::clone(counters))),
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

    /// An idle connection to `pool`'s endpoint, if there is one that is neither too old nor has carried enough; where the
    /// endpoint was told whose it is, one of this `client`. With `careful` the kernel is asked as well whether the peer has
    /// closed it.
    pub fn reuse(&self, pool: &Rc<Pool>, careful: bool, client: impl Fn() -> Addresses, now_ms: u64) -> Option<Lease> {
        pool.reuse(careful, |wear| self.is_worn(wear, now_ms), client)
    }

    /// A stream on an HTTP/2 connection to `pool`'s endpoint, if there is one with room for it that is neither too old
    /// nor has carried enough.
    pub fn stream(&self, pool: &Rc<Pool>, now_ms: u64) -> Option<Lease> {
        pool.stream(|wear| self.is_worn(wear, now_ms), now_ms)
    }

    fn is_worn(&self, wear: Wear, now_ms: u64) -> bool {
        let is_limited = self.max_age_ms.is_some() || self.max_requests.is_some();
        is_limited && wear.is_worn(self.max_age_ms, self.max_requests, now_ms)
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
        if lease.and_a_request().is_none_or(|wear| !self.is_worn(wear, now_ms)) {
            lease.keep(now_ms);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::time::Instant;
    use tokio::net::TcpListener;

    const SEAT: Seat = Seat { worker: 0, workers: 1 };

    fn known(backend: &Backend) -> Known<'_> {
        backend.all().iter().map(|pool| (pool.endpoint().identity(), pool)).collect()
    }

    fn again(settings: &Upstream, endpoints: impl Iterator<Item = Endpoint>, before: &Known<'_>) -> Backend {
        let all: Arc<[Endpoint]> = endpoints.collect();
        Backend::new(settings, &all.into(), before, SEAT, &Arc::default())
    }

    /// Time is told, not waited for: opened at 0, idle from 1 on, and wanted at `now_ms` by a backend with these settings.
    async fn is_taken(settings: &Upstream, now_ms: u64) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::new(listener.local_addr().unwrap());
        let before = again(&Upstream::default(), [endpoint.clone()].into_iter(), &Known::new());
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let client = Addresses { source: address, destination: address };
        let lease = before.all()[0].connect(&client, 0).await.unwrap();
        before.keep(lease, 1);
        let backend = again(settings, [endpoint].into_iter(), &known(&before));
        let pool = &backend.all()[0];
        let taken = backend.reuse(pool, false, || client, now_ms).is_some();
        assert!(backend.reuse(pool, false, || client, now_ms).is_none(), "it is taken, or closed");
        taken
    }

    #[tokio::test]
    async fn a_connection_that_grew_too_old_while_it_was_idle_is_not_taken() {
        let aged = Upstream { max_connection_age: Some(Duration::from_secs(10)), ..Upstream::default() };
        assert!(is_taken(&aged, 8_000).await, "a tenth is taken off at most");
        assert!(!is_taken(&aged, 10_000).await);
        assert!(is_taken(&Upstream::default(), 10_000).await);
    }

    #[tokio::test]
    async fn a_connection_that_has_carried_enough_for_a_new_config_is_not_taken() {
        let at_most = |most| Upstream { max_requests_per_connection: Some(most), ..Upstream::default() };
        assert!(is_taken(&at_most(2), 2).await);
        assert!(!is_taken(&at_most(1), 2).await);
    }

    #[test]
    fn pools_stay_with_their_endpoints_in_whatever_order_and_go_with_them() {
        let endpoint = |port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut endpoints: Vec<Endpoint> = (1..=100).map(endpoint).collect();
        let before = again(&Upstream::default(), endpoints.iter().cloned(), &Known::new());
        endpoints.reverse();
        endpoints[7] = endpoint(endpoints[7].address.port());
        endpoints[9].protocol = crate::plan::Protocol::Http2;
        let now = again(&Upstream::default(), endpoints.iter().cloned(), &known(&before));
        for (place, (pool, endpoint)) in now.all().iter().zip(&endpoints).enumerate() {
            assert!(pool.serves(endpoint), "{place}");
            let is_kept = before.all().iter().any(|before| Rc::ptr_eq(before, pool));
            assert_eq!(is_kept, ![7, 9].contains(&place), "{place}: one is another with the same address");
            assert!(Rc::ptr_eq(pool.load(), before.all()[0].load()), "{place}: it is the backend's");
        }
    }

    /// One change among 32,000 endpoints costs about as much as 32 changes among 1,000 each, and not 32 times that. Both
    /// take as long as each other, so a busy machine slows both down.
    #[test]
    fn what_a_change_costs_grows_with_the_endpoints_and_no_faster() {
        let of = |count: u16| -> Arc<[Endpoint]> {
            (0..count).map(|port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)))).collect()
        };
        let took = |all: &Arc<[Endpoint]>, before: &Backend, times: usize| {
            let began = Instant::now();
            for _ in 0..times {
                assert_eq!(again(&Upstream::default(), all.iter().cloned(), &known(before)).len(), all.len());
            }
            began.elapsed()
        };
        let (few, many) = (of(1_000), of(32_000));
        let [of_few, of_many] =
            [&few, &many].map(|all| again(&Upstream::default(), all.iter().cloned(), &Known::new()));
        let rounds = (0..3).map(|_| (took(&few, &of_few, 32), took(&many, &of_many, 1)));
        let (in_parts, at_once): (Vec<_>, Vec<_>) = rounds.unzip();
        let (in_parts, at_once) = (in_parts.iter().min().unwrap(), at_once.iter().min().unwrap());
        println!("32 times 1,000 endpoints: {in_parts:?}; 32,000: {at_once:?}");
        assert!(*at_once < *in_parts * 12, "{in_parts:?}, and {at_once:?} at once");
    }
}
