//! One address of a backend, and what the workers know in common about it.
//!
//! Three connect failures in a row in any worker rest the endpoint in all of them. It is written when a connect fails,
//! or succeeds after a failure, and likewise for requests, so on a good day nobody writes it and every worker's cache
//! keeps its copy. What else takes an endpoint out of use (its health, an ejection) is decided by one thread, which
//! reads what is collected here and publishes another snapshot.

use crate::net::proxy_protocol;
use crate::net::tls::Connector;
use crate::stats::Outcomes;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One address of a backend.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// Kept by the address for as long as it is in the backend, over any number of snapshots.
    pub health: Arc<Health>,
    /// How connections to it begin; `None`: in clear.
    pub tls: Option<Arc<Connector>>,
    /// The PROXY header that comes before that; `None`: none.
    pub proxy_protocol: Option<proxy_protocol::Version>,
    /// What is spoken on them.
    pub protocol: Protocol,
}

/// What is spoken to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2: many requests at a time on a connection; in clear with prior knowledge (RFC 9113 section 3.3), over TLS
    /// by ALPN (section 3.2).
    Http2,
}

impl Endpoint {
    /// A healthy endpoint that nobody has tried, which speaks HTTP/1.1 in clear and without a PROXY header.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, health: Arc::default(), tls: None, proxy_protocol: None, protocol: Protocol::Http1 }
    }

    /// What tells it from every other endpoint, and from one that had the same address once, for as long as it lives.
    pub fn identity(&self) -> *const Health {
        Arc::as_ptr(&self.health)
    }

    /// Whether connections to one are as good as connections to the other.
    pub fn is_same(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let same_beginning = same_tls && self.proxy_protocol == other.proxy_protocol;
        same_beginning && self.protocol == other.protocol && self.identity() == other.identity()
    }
}

impl Protocol {
    /// As it is written in the config.
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "http1",
            Self::Http2 => "http2",
        }
    }
}

/// What is known of an endpoint: whether it takes connections, and how its requests went.
#[derive(Debug, Default)]
pub struct Health {
    failures_in_a_row: AtomicU32,
    rests_in_a_row: AtomicU32,
    rests_until_ms: AtomicU64,
    failed_requests_in_a_row: AtomicU32,
    struck: AtomicBool,
    serves_since_ms: AtomicU64,
    outcomes: OnceLock<Box<[Outcomes]>>,
}

impl Health {
    /// How many connect failures in a row it takes.
    pub const FAILURES_TO_REST: u32 = 3;
    const FIRST_REST: Duration = Duration::from_secs(1);
    const LONGEST_REST: Duration = Duration::from_secs(60);

    /// A connect failed at `now_ms` (milliseconds on the process's own monotonic clock). The third in a row rests the
    /// endpoint for 1 s, and each further one that finds it rested for twice as long, up to 60 s. What fails meanwhile
    /// was on its way already: under load those are many, and all of them are one and the same failure.
    pub fn connect_failed(&self, now_ms: u64) {
        let failures = self.failures_in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let until_ms = self.rests_until_ms.load(Relaxed);
        if failures < Self::FAILURES_TO_REST || until_ms > now_ms {
            return;
        }
        let doublings = self.rests_in_a_row.load(Relaxed).min(6);
        let rest = Self::FIRST_REST.saturating_mul(1 << doublings).min(Self::LONGEST_REST);
        let rest_ms = u64::try_from(rest.as_millis()).expect("at most 60,000");
        // One of those who see it at the same moment has it rest.
        if self.rests_until_ms.compare_exchange(until_ms, now_ms + rest_ms, Relaxed, Relaxed).is_ok() {
            self.rests_in_a_row.fetch_add(1, Relaxed);
        }
    }

    /// A connect succeeded: whatever came before is forgotten.
    pub fn connected(&self) {
        if self.failures_in_a_row.load(Relaxed) != 0 {
            self.failures_in_a_row.store(0, Relaxed);
            self.rests_in_a_row.store(0, Relaxed);
            self.rests_until_ms.store(0, Relaxed);
        }
    }

    /// Whether the endpoint is to be left alone at `now_ms`.
    pub fn rests(&self, now_ms: u64) -> bool {
        self.rests_until_ms.load(Relaxed) > now_ms
    }

    /// Whether connects failed though it rested already.
    pub fn refuses_still(&self) -> bool {
        self.failures_in_a_row.load(Relaxed) > Self::FAILURES_TO_REST
    }

    /// Whether it has rested, and has taken no connection since.
    pub fn refuses(&self) -> bool {
        self.failures_in_a_row.load(Relaxed) >= Self::FAILURES_TO_REST
    }

    /// A request failed, and that was the endpoint's doing; each `strike` of them in a row, in whatever workers, are
    /// a strike. For the one writer of worker `worker`'s outcomes.
    pub fn request_failed(&self, worker: usize, strike: u32) {
        let failures = self.failed_requests_in_a_row.fetch_add(1, Relaxed).wrapping_add(1);
        if failures.is_multiple_of(strike) {
            self.struck.store(true, Relaxed);
        }
        self.count(worker, true);
    }

    /// A request was answered: the failures in a row are forgotten, a strike is not. For the one writer, as above.
    pub fn request_answered(&self, worker: usize) {
        if self.failed_requests_in_a_row.load(Relaxed) != 0 {
            self.failed_requests_in_a_row.store(0, Relaxed);
        }
        self.count(worker, false);
    }

    fn count(&self, worker: usize, failed: bool) {
        if let Some(outcomes) = self.outcomes.get() {
            outcomes[worker].record(failed);
        }
    }

    /// Whether there was a strike since the last call.
    pub fn take_strike(&self) -> bool {
        self.struck.load(Relaxed) && self.struck.swap(false, Relaxed)
    }

    /// Forgets failures in a row and a strike: of requests that were under way when the endpoint was ejected.
    pub fn forget_requests(&self) {
        self.failed_requests_in_a_row.store(0, Relaxed);
        self.struck.store(false, Relaxed);
    }

    /// From now on how each request went is counted, by each of `workers`; they are always as many.
    pub fn count_outcomes(&self, workers: usize) {
        self.outcomes.get_or_init(|| (0..workers).map(|_| Outcomes::default()).collect());
    }

    /// How many requests went well, and how many failed, since they are counted.
    pub fn outcomes(&self) -> (u64, u64) {
        let all = self.outcomes.get().into_iter().flatten();
        all.map(Outcomes::read).fold((0, 0), |(well, failed), one| (well + one.0, failed + one.1))
    }

    /// It joined the backend, or came back, at `now_ms`.
    pub fn serve_since(&self, now_ms: u64) {
        self.serves_since_ms.store(now_ms, Relaxed);
    }

    /// How far it has got with `over`, counted from when it joined or came back: from a tenth, linearly, to 1.
    pub fn warmth(&self, over: Duration, now_ms: u64) -> f64 {
        let since = Duration::from_millis(now_ms.saturating_sub(self.serves_since_ms.load(Relaxed)));
        since.div_duration_f64(over).clamp(0.1, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_failure_in_a_row_rests_it_and_each_further_one_behind_a_rest_twice_as_long() {
        let health = Health::default();
        health.connect_failed(0);
        health.connect_failed(0);
        assert!(!health.rests(0));
        let mut now_ms = 0;
        for (failure, rest_ms) in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000].iter().enumerate() {
            health.connect_failed(now_ms);
            assert!(health.refuses() && health.refuses_still() == (failure > 0), "failure {failure}");
            assert!(health.rests(now_ms + rest_ms - 1), "failure {failure}");
            now_ms += rest_ms;
            assert!(!health.rests(now_ms), "failure {failure}");
        }
        health.connected();
        assert!(!health.rests(0));
        health.connect_failed(0);
        assert!(!health.rests(0), "the count starts anew");
        health.connect_failed(0);
        health.connect_failed(0);
        assert!(health.rests(999) && !health.rests(1_000), "and so do the rests");
    }

    #[test]
    fn connects_that_fail_together_rest_it_as_one_does() {
        let health = Health::default();
        for n in 0..100 {
            health.connect_failed(n);
        }
        assert!(health.rests(1_001) && !health.rests(1_002));
        let workers_at_once = || (0..4).for_each(|_| health.connect_failed(1_002));
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(workers_at_once))));
        assert!(health.rests(3_001) && !health.rests(3_002), "twice as long, however many saw it");
    }

    #[test]
    fn failures_in_a_row_strike_and_an_answer_between_them_does_not_let_them() {
        let health = Health::default();
        let fail = |count| (0..count).for_each(|n| health.request_failed(n % 2, 5));
        fail(4);
        health.request_answered(0);
        fail(4);
        assert!(!health.take_strike());
        fail(1);
        health.request_answered(1);
        assert!(health.take_strike(), "an answer right after does not hide it");
        assert!(!health.take_strike(), "it is one");
        fail(10);
        assert!(health.take_strike(), "nobody ejected it, so it strikes again");
        fail(4);
        health.forget_requests();
        fail(1);
        assert!(!health.take_strike());
    }

    #[test]
    fn outcomes_are_counted_by_every_worker_once_that_is_asked_for() {
        let health = Health::default();
        health.request_answered(0);
        assert_eq!(health.outcomes(), (0, 0));
        health.count_outcomes(2);
        health.request_answered(0);
        health.request_answered(1);
        health.request_failed(1, 5);
        assert_eq!(health.outcomes(), (2, 1));
    }

    #[test]
    fn warmth_grows_from_a_tenth_to_1() {
        let health = Health::default();
        health.serve_since(1_000);
        let at = |now_ms| health.warmth(Duration::from_secs(10), now_ms);
        assert_eq!((at(1_000), at(6_000), at(11_000), at(99_000)), (0.1, 0.5, 1.0, 1.0));
    }
}
