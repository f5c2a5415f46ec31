//! What is set once for the whole process.

use super::{Check, value};
use crate::config::at::At;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units::{self, UnitError, format_duration, format_size};
use crate::plan::{Drain, HTTP2_CONNECTION_WINDOW, Headers, Http2, Limits, RequestRate, Store, Timeouts};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What holds when the file says nothing.
pub(crate) mod defaults {
    use crate::plan::{Drain, Headers, Http2, Limits, Timeouts};
    use std::time::Duration;

    pub(crate) const LIMITS: Limits = Limits {
        header_bytes: 64 << 10,
        header_count: 100,
        connections_per_worker: 16_384,
        connections_per_client: None,
        requests_per_client: None,
        request_body_bytes: None,
    };
    pub(crate) const HTTP2: Http2 = Http2 { max_concurrent_streams: 100, stream_window: 64 << 10 };
    pub(crate) const TIMEOUTS: Timeouts = Timeouts {
        header_read: Some(Duration::from_secs(10)),
        idle: Some(Duration::from_secs(75)),
        connect: Some(Duration::from_secs(1)),
        response_head: Some(Duration::from_secs(60)),
        response_idle: Some(Duration::from_secs(300)),
        request: None,
        tunnel_idle: Some(Duration::from_secs(3_600)),
    };
    pub(crate) const HEADERS: Headers = Headers { via: false, request_id: true, forwarded: true };
    pub(crate) const DRAIN: Drain = Drain { grace: Duration::from_secs(5), timeout: Duration::from_secs(30) };
}

/// A head below this would refuse what every browser sends; above it, one client could hold a worker's memory.
const HEADER_BYTES: RangeInclusive<usize> = 1 << 10..=16 << 20;
/// Below a frame a stream moves in crumbs; above it, one stream could hold a worker's memory.
const STREAM_WINDOW: RangeInclusive<usize> = 16 << 10..=16 << 20;
/// Above it, it is no limit: a pebibyte.
const BODY_BYTES: RangeInclusive<usize> = 1..=1 << 50;
/// More of anything is written by mistake.
const MOST: usize = 1_000_000;
/// Longer waits are `off`, written as a number by mistake.
pub(super) const LONGEST: Duration = Duration::from_secs(7 * 24 * 3_600);

impl Check<'_> {
    pub(super) fn limits(self, limits: Option<&raw::Limits>) -> Option<Limits> {
        let default = defaults::LIMITS;
        let Some(raw) = limits else { return Some(default) };
        let header_bytes = raw
            .header_bytes
            .as_ref()
            .map_or(Some(default.header_bytes), |at| self.size("headerBytes", at, HEADER_BYTES));
        let header_count = self.count("headerCount", raw.header_count.as_ref(), default.header_count, 1..=100);
        let connections_per_worker = self.count(
            "connectionsPerWorker",
            raw.connections_per_worker.as_ref(),
            default.connections_per_worker,
            1..=MOST,
        );
        let connections_per_client = Self::part(raw.connections_per_client.as_ref(), |at| {
            self.number("connectionsPerClient", Some(at), 1, 1..=MOST)
        });
        let requests_per_client = Self::part(raw.requests_per_client.as_ref(), |at| self.rate(at));
        let request_body_bytes =
            Self::part(raw.request_body_bytes.as_ref(), |at| self.size("requestBodyBytes", at, BODY_BYTES));
        Some(Limits {
            header_bytes: header_bytes?,
            header_count: header_count?,
            connections_per_worker: connections_per_worker?,
            connections_per_client: connections_per_client?,
            requests_per_client: requests_per_client?,
            request_body_bytes: request_body_bytes?,
        })
    }

    pub(super) fn http2(self, http2: Option<&At<raw::Http2>>) -> Option<Http2> {
        let default = defaults::HTTP2;
        let Some(at) = http2 else { return Some(default) };
        let raw = at.get()?;
        let streams = raw.max_concurrent_streams.as_ref();
        let streams = self.count("maxConcurrentStreams", streams, default.max_concurrent_streams, 1..=1_000);
        let window = raw
            .stream_window
            .as_ref()
            .map_or(Some(default.stream_window), |at| self.size("streamWindow", at, STREAM_WINDOW));
        let http2 = Http2 { max_concurrent_streams: streams?, stream_window: window? };
        if http2.connection_window() > HTTP2_CONNECTION_WINDOW {
            let problem = Problem::new(at.place, "these streams do not fit into one connection");
            let label = "`maxConcurrentStreams` times `streamWindow` is at most 2GiB less a byte";
            self.report(problem.label(label).help("allow fewer streams, or a smaller window"));
            return None;
        }
        Some(http2)
    }

    fn rate(self, at: &At<raw::RequestRate>) -> Option<RequestRate> {
        let raw = at.get()?;
        raw.per_second.need("perSecond", at.place, self.problems);
        let per_second = self.number("perSecond", Some(&raw.per_second), 1, 1..=MOST);
        let burst = self.number("burst", raw.burst.as_ref(), per_second.unwrap_or(1), 1..=MOST);
        Some(RequestRate { per_second: per_second?, burst: burst? })
    }

    /// A size within `range`.
    fn size(self, key: &str, at: &At<raw::SizeText>, range: RangeInclusive<usize>) -> Option<usize> {
        let bytes = self.unit(units::parse_size(&at.get()?.0), at)?;
        let fits = range.contains(&bytes);
        if !fits {
            let problem = Problem::new(at.place, format!("`{key}` cannot be {}", format_size(bytes)));
            self.report(problem.label(format!("{} to {}", format_size(*range.start()), format_size(*range.end()))));
        }
        fits.then_some(bytes)
    }

    pub(super) fn timeouts(self, timeouts: Option<&raw::Timeouts>) -> Option<Timeouts> {
        let default = defaults::TIMEOUTS;
        let Some(raw) = timeouts else { return Some(default) };
        let header_read = self.timeout("headerRead", raw.header_read.as_ref(), default.header_read);
        let idle = self.timeout("idle", raw.idle.as_ref(), default.idle);
        let connect = self.timeout("connect", raw.connect.as_ref(), default.connect);
        let response_head = self.timeout("responseHead", raw.response_head.as_ref(), default.response_head);
        let response_idle = self.timeout("responseIdle", raw.response_idle.as_ref(), default.response_idle);
        let request = self.timeout("request", raw.request.as_ref(), default.request);
        let tunnel_idle = self.timeout("tunnelIdle", raw.tunnel_idle.as_ref(), default.tunnel_idle);
        Some(Timeouts {
            header_read: header_read?,
            idle: idle?,
            connect: connect?,
            response_head: response_head?,
            response_idle: response_idle?,
            request: request?,
            tunnel_idle: tunnel_idle?,
        })
    }

    pub(super) fn headers(headers: Option<&raw::Headers>) -> Headers {
        let default = defaults::HEADERS;
        let flag = |at: Option<&At<bool>>, default| value(at).copied().unwrap_or(default);
        headers.map_or(default, |raw| Headers {
            via: flag(raw.via.as_ref(), default.via),
            request_id: flag(raw.request_id.as_ref(), default.request_id),
            forwarded: flag(raw.forwarded.as_ref(), default.forwarded),
        })
    }

    pub(super) fn drain(self, drain: Option<&raw::Drain>) -> Option<Drain> {
        let default = defaults::DRAIN;
        let Some(raw) = drain else { return Some(default) };
        let duration = |key, at: Option<&At<raw::DurationText>>, default| {
            at.map_or(Some(default), |at| self.duration(key, at, &at.get()?.0, Duration::ZERO..=LONGEST))
        };
        let grace = duration("grace", raw.grace.as_ref(), default.grace);
        let timeout = duration("timeout", raw.timeout.as_ref(), default.timeout);
        Some(Drain { grace: grace?, timeout: timeout? })
    }

    pub(super) fn store(self, store: Option<&raw::Store>) -> Option<Store> {
        match store {
            None => Some(Store::BesideConfig),
            Some(raw::Store::File(at)) => self.path(at, "file").map(Store::Dir),
        }
    }

    /// A timeout that is right; `None` inside is for ever.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    fn timeout(
        self,
        key: &str,
        at: Option<&At<raw::TimeoutText>>,
        default: Option<Duration>,
    ) -> Option<Option<Duration>> {
        let Some(at) = at else { return Some(default) };
        match at.get()?.0.as_str() {
            "off" => Some(None),
            text => self.duration(key, at, text, Duration::from_millis(1)..=LONGEST).map(Some),
        }
    }

    /// A duration within `range`.
    pub(super) fn duration<T>(
        self,
        key: &str,
        at: &At<T>,
        text: &str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let duration = self.unit(units::parse_duration(text), at)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let label = format!("{} to {}", format_duration(*range.start()), format_duration(*range.end()));
        let problem = Problem::new(at.place, format!("`{key}` cannot be {}", format_duration(duration))).label(label);
        let off = range.start().as_millis() == 1;
        self.report(if off { problem.help("`off` waits for ever") } else { problem });
        None
    }

    /// What a unit's reader gave; its error is reported.
    pub(super) fn unit<T, V>(self, read: Result<V, UnitError>, at: &At<T>) -> Option<V> {
        read.map_err(|error| {
            self.report(Problem::new(at.place, error.to_string()).label(error.label()));
        })
        .ok()
    }

    /// A whole number within `range`.
    pub(super) fn count(
        self,
        key: &str,
        at: Option<&At<u64>>,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Option<usize> {
        let Some(at) = at else { return Some(default) };
        let count = at.get()?;
        let within = usize::try_from(*count).ok().filter(|count| range.contains(count));
        if within.is_none() {
            let problem = Problem::new(at.place, format!("`{key}` cannot be {count}"));
            self.report(problem.label(format!("{} to {}", range.start(), range.end())));
        }
        within
    }
}
