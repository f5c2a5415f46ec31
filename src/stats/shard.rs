//! One worker's counters for one backend of one rule.

use super::grpc::GrpcEnd;
use super::histogram::{BUCKETS, Histogram, increase};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How one attempt at a request went, said once, at its end. Most requests are one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The status that the client was sent, or would have been if it had not been tried again; 499 when it hung up before
    /// it had the whole response.
    pub code: u16,
    /// Why it counts as the backend's failure, if it does.
    pub failure: Option<Cause>,
    /// How it ended for a client that speaks gRPC; `None` for any other.
    pub grpc: Option<GrpcEnd>,
    /// From the attempt's start, which is the request's head or the end of the wait after the attempt before, to the
    /// backend's response head, if there was one.
    pub head: Option<Duration>,
    /// From the attempt's start to the response's end, less the time that the proxy waited for the client.
    pub duration: Duration,
}

impl Exchange {
    /// The code of a client that hung up: charged to neither version.
    pub const CLIENT_CLOSED: u16 = 499;
}

/// Why a request counts as the backend's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It answered with a 5xx status.
    Status,
    /// It had as much under way as its circuit breaker allows. Serin's own refusal, and charged all the same: what piles
    /// up is what the version did not answer, and one that hangs must not hide behind its breaker.
    Overload,
    /// No connection could be opened.
    Connect,
    /// No connection was open in time.
    ConnectTimeout,
    /// No response head came in time.
    ResponseHeadTimeout,
    /// Nothing more of a response's content came for too long.
    ResponseIdleTimeout,
    /// The request's own time ran out.
    RequestTimeout,
    /// The connection closed before a response head came.
    Reset,
    /// The connection closed before the response was whole.
    Truncated,
    /// What it sent is not HTTP/1.1.
    BadResponse,
    /// A connection was open, and the TLS handshake on it failed.
    Tls,
    /// A gRPC response ended with a status that counts as a failure.
    GrpcStatus,
    /// A gRPC response ended without a status.
    GrpcNoStatus,
}

impl Cause {
    /// Every cause, in the order of their counters.
    pub const ALL: [Self; 13] = [
        Self::Status,
        Self::Overload,
        Self::Connect,
        Self::ConnectTimeout,
        Self::ResponseHeadTimeout,
        Self::ResponseIdleTimeout,
        Self::RequestTimeout,
        Self::Reset,
        Self::Truncated,
        Self::BadResponse,
        Self::Tls,
        Self::GrpcStatus,
        Self::GrpcNoStatus,
    ];

    /// The value of the label `cause`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Overload => "overload",
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect-timeout",
            Self::ResponseHeadTimeout => "response-head-timeout",
            Self::ResponseIdleTimeout => "response-idle-timeout",
            Self::RequestTimeout => "request-timeout",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::BadResponse => "bad-response",
            Self::Tls => "tls",
            Self::GrpcStatus => "grpc-status",
            Self::GrpcNoStatus => "grpc-no-status",
        }
    }
}

/// One worker's counters for one backend of one rule. One thread writes, any thread reads.
#[derive(Debug)]
pub struct Shard {
    /// By status code, from 100 to 599.
    codes: Box<[AtomicU64; CODES]>,
    failures: [AtomicU64; Cause::ALL.len()],
    /// By how gRPC requests ended. Not there before the first.
    grpc: OnceLock<Box<[AtomicU64; GrpcEnd::COUNT]>>,
    fallbacks: AtomicU64,
    retries: AtomicU64,
    retries_denied: AtomicU64,
    /// Durations of all requests but the aborted ones.
    duration: Histogram,
    /// Durations of the aborted ones, up to the moment at which the client was gone. Not there before the first: most
    /// series never have one.
    abandoned: OnceLock<Histogram>,
    head: Histogram,
}

const CODES: usize = 500;
const FIRST_CODE: u16 = 100;

impl Default for Shard {
    fn default() -> Self {
        Self {
            codes: Box::new([const { AtomicU64::new(0) }; CODES]),
            failures: Default::default(),
            grpc: OnceLock::new(),
            fallbacks: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            retries_denied: AtomicU64::new(0),
            duration: Histogram::default(),
            abandoned: OnceLock::new(),
            head: Histogram::default(),
        }
    }
}

impl Shard {
    /// Counts one request. For the one writer. One whose client hung up is nobody's failure, whatever it says, so that
    /// there are never more failures than requests to judge.
    pub fn record(&self, exchange: &Exchange) {
        let code = usize::from(exchange.code.saturating_sub(FIRST_CODE)).min(CODES - 1);
        increase(&self.codes[code], 1);
        let aborted = exchange.code == Exchange::CLIENT_CLOSED;
        let durations = if aborted { self.abandoned.get_or_init(Histogram::default) } else { &self.duration };
        durations.record(exchange.duration);
        if let Some(head) = exchange.head {
            self.head.record(head);
        }
        if let Some(cause) = exchange.failure.filter(|_| !aborted) {
            increase(&self.failures[cause as usize], 1);
        }
        if let Some(end) = exchange.grpc {
            increase(&self.grpc.get_or_init(Box::default)[end.index()], 1);
        }
    }

    /// Counts a request that another backend took because this one had no ready endpoint. For the one writer.
    pub fn record_fallback(&self) {
        increase(&self.fallbacks, 1);
    }

    /// Counts a request that is tried again, on another connection, endpoint or backend. For the one writer.
    pub fn record_retry(&self) {
        increase(&self.retries, 1);
    }

    /// Counts a request that would be tried again, were the budget for that not spent. For the one writer.
    pub fn record_retry_denied(&self) {
        increase(&self.retries_denied, 1);
    }

    /// Adds what this shard has counted to `totals`.
    pub fn add_to(&self, totals: &mut Totals) {
        for (total, code) in totals.codes.iter_mut().zip(self.codes.iter()) {
            *total += code.load(Relaxed);
        }
        for (total, failures) in totals.failures.iter_mut().zip(&self.failures) {
            *total += failures.load(Relaxed);
        }
        for (total, ends) in totals.grpc.iter_mut().zip(self.grpc.get().into_iter().flat_map(|ends| ends.iter())) {
            *total += ends.load(Relaxed);
        }
        totals.fallbacks += self.fallbacks.load(Relaxed);
        totals.retries += self.retries.load(Relaxed);
        totals.retries_denied += self.retries_denied.load(Relaxed);
        for index in 0..BUCKETS {
            totals.duration[index] += self.duration.count(index);
            totals.head[index] += self.head.count(index);
        }
        if let Some(abandoned) = self.abandoned.get() {
            (0..BUCKETS).for_each(|index| totals.abandoned[index] += abandoned.count(index));
        }
        totals.duration_sum_us += self.duration.sum_us();
        totals.head_sum_us += self.head.sum_us();
    }
}

/// What has been counted since the process began, by all workers together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    codes: Vec<u64>,
    failures: [u64; Cause::ALL.len()],
    grpc: [u64; GrpcEnd::COUNT],
    /// Requests that another backend took because this one had no ready endpoint.
    pub fallbacks: u64,
    /// Times that a request was tried again.
    pub retries: u64,
    /// Times that a request would have been tried again, had the budget for that not been spent.
    pub retries_denied: u64,
    /// By bucket: from a request's head to its response's end, less the waits for the client. Aborted requests are
    /// not in it.
    pub duration: Vec<u64>,
    /// The same added up, in microseconds.
    pub duration_sum_us: u64,
    /// By bucket, the aborted requests: how long they had taken when their clients hung up, less the waits for them.
    pub abandoned: Vec<u64>,
    /// By bucket: from a request's head to the backend's response head.
    pub head: Vec<u64>,
    /// The same added up, in microseconds.
    pub head_sum_us: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            codes: vec![0; CODES],
            failures: Default::default(),
            grpc: Default::default(),
            fallbacks: 0,
            retries: 0,
            retries_denied: 0,
            duration: vec![0; BUCKETS],
            duration_sum_us: 0,
            abandoned: vec![0; BUCKETS],
            head: vec![0; BUCKETS],
            head_sum_us: 0,
        }
    }
}

impl Totals {
    /// The codes that were counted, with their counts.
    pub fn codes(&self) -> impl Iterator<Item = (u16, u64)> {
        (FIRST_CODE..).zip(&self.codes).filter(|(_, count)| **count > 0).map(|(code, count)| (code, *count))
    }

    /// All requests, whoever they are charged to.
    pub fn requests(&self) -> u64 {
        self.codes.iter().sum()
    }

    /// Requests whose client hung up.
    pub fn aborted(&self) -> u64 {
        self.codes[usize::from(Exchange::CLIENT_CLOSED - FIRST_CODE)]
    }

    /// Requests that count as the backend's failures.
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Failures by cause.
    pub fn failures(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.into_iter().zip(self.failures)
    }

    /// gRPC requests by how they ended, those of which there were any.
    pub fn grpc(&self) -> impl Iterator<Item = (GrpcEnd, u64)> {
        GrpcEnd::all().zip(self.grpc).filter(|(_, count)| *count > 0)
    }
}
