//! The plan: the immutable, fully checked form of the config that workers obey.
//!
//! Two values live here. A [`Plan`] is what the operator's file means, once every reference in it has been resolved
//! and every bound checked; building one is `config`'s job and can fail, reading one cannot. A [`Snapshot`] is a plan
//! at one moment: the same plan, with the addresses that discovery found and the weights that the rollouts decided.
//! Workers read snapshots and nothing else, through one atomic load a request; whatever changes, the control thread
//! publishes a whole new snapshot and never touches an old one.

mod available;
mod display;
mod endpoint;
mod filters;
mod grpc;
mod ids;
mod limit;
mod matcher;
mod retry;
mod rollout;
mod snapshot;
mod split;
mod sticky;
mod tell;
mod tls;
mod upstream;

pub use available::{Available, Standing};
pub use endpoint::{Endpoint, Health, Protocol};
pub use filters::{Filters, HeaderChanges, Mirror, Part, PathModifier, Redirect, Rewrite, RuleFilters, Scheme};
pub use grpc::{Grpc, GrpcFailures};
pub use ids::{BackendId, RolloutId, RouteId, RuleId};
pub use limit::{LatencyBound, Limit, Metric, Prometheus, Quantile, QueryLimit, Range, RateBound, RequestLimit};
pub use matcher::{
    Fields, Hostname, Matcher, NameMatch, PathMatch, Request, RequestMatch, TextMatch, Wildcard, any_cookie,
};
pub use retry::{ErrorCodes, Retry};
pub use rollout::{Inconclusive, Progression, Promotion, Rollout, Step, Stickiness, Then};
pub use snapshot::{MirrorShards, RefShards, Snapshot};
pub use split::{Share, Split};
pub use sticky::sticky_point;
pub use tell::{Alert, AlertFormat, Severity, Webhook, WebhookKind};
pub use tls::{BackendTls, CertificateFiles, ServerTls};
pub use upstream::{CircuitBreaker, HealthCheck, HealthQuestion, OutlierDetection, SuccessRate, Upstream};

use crate::net::{IpNet, proxy_protocol};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that the config file says, with names resolved to ids and every bound checked.
#[derive(Debug)]
pub struct Plan {
    /// Fnv-1a with 128 bits over the file's bytes, 32 hex digits: plans with the same hash were written by the same
    /// text (nobody who can write the file needs a collision).
    pub hash: String,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Where operators and scrapers connect.
    pub admin: Admin,
    /// Indexed by [`BackendId`].
    pub backends: Vec<Backend>,
    /// Indexed by [`RouteId`].
    pub routes: Vec<Route>,
    /// All rules of all routes, in the file's order. Indexed by [`RuleId`].
    pub rules: Vec<Rule>,
    /// Finds the rule for a request, by `HTTPRoute`'s precedence.
    pub matcher: Matcher,
    /// Indexed by [`RolloutId`].
    pub rollouts: Vec<Rollout>,
    /// What one client may ask of the proxy.
    pub limits: Limits,
    /// What one HTTP/2 connection of a client may have under way.
    pub http2: Http2,
    /// How long the proxy waits, and for what.
    pub timeouts: Timeouts,
    /// Which fields the proxy adds to what it forwards.
    pub headers: Headers,
    /// How the process leaves.
    pub drain: Drain,
    /// Where the rollouts' state lives.
    pub store: Store,
    /// How names are resolved.
    pub dns: Dns,
    /// Which gRPC statuses are failures.
    pub grpc: Grpc,
}

/// One address that accepts clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Unique among the listeners.
    pub name: Arc<str>,
    /// Unique among the listeners; `[::]` also accepts IPv4.
    pub address: SocketAddr,
    /// `None`: in clear.
    pub tls: Option<ServerTls>,
    /// The proxies, such as load balancers, whose connections begin with a PROXY header; nobody else's do.
    pub proxies: Arc<[IpNet]>,
}

/// The operators' listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address; loopback unless the file says otherwise.
    pub address: SocketAddr,
    /// The file that holds the bearer token that mutating calls must show. Without one they must come over loopback.
    pub token_file: Option<PathBuf>,
    /// `None`: in clear.
    pub tls: Option<ServerTls>,
}

/// One version of a service.
#[derive(Debug)]
pub struct Backend {
    /// Unique among the backends.
    pub name: Arc<str>,
    /// What is deployed there, as the operator calls it; empty when not said.
    pub version: Arc<str>,
    /// Where its endpoints come from.
    pub endpoints: Endpoints,
    /// `None`: in clear.
    pub tls: Option<BackendTls>,
    /// What is spoken to its endpoints.
    pub protocol: Protocol,
    /// The PROXY header with which connections to it begin; `None`: without.
    pub proxy_protocol: Option<proxy_protocol::Version>,
    /// How it is kept well.
    pub upstream: Upstream,
}

/// Where a backend's endpoints come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoints {
    /// Written in the file.
    Static(Vec<SocketAddr>),
    /// The A and AAAA records of a name, looked up again as their TTL runs out.
    Dns {
        /// The name, absolute or to be completed by the resolver's search list.
        host: String,
        /// The port of every endpoint.
        port: u16,
    },
}

/// A named group of rules for some hostnames, as in `HTTPRoute`.
#[derive(Debug)]
pub struct Route {
    /// Unique among the routes.
    pub name: Arc<str>,
}

/// What carries weights, as in `HTTPRoute`.
#[derive(Debug)]
pub struct Rule {
    /// The route that it is part of.
    pub route: RouteId,
    /// Unique in its route; `rule-N` (from 0) when the file gives none.
    pub name: Arc<str>,
    /// The backends and their weights as the file has them, each backend at most once; empty exactly when the rule
    /// redirects.
    pub backend_refs: Vec<BackendRef>,
    /// What is done to its requests and to their responses.
    pub filters: RuleFilters,
    /// The rollout that guards this rule.
    pub rollout: Option<RolloutId>,
    /// How long the proxy waits here: the plan's, with the rule's own `request` in place of its.
    pub timeouts: Timeouts,
    /// From the start of one attempt to its response's last byte. Default `None`.
    pub backend_request: Option<Duration>,
    /// When a request is tried again. Default: when nothing of it was sent, and never because of a response.
    pub retry: Option<Retry>,
}

/// A backend's part in a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendRef {
    /// Which backend.
    pub backend: BackendId,
    /// Relative to the other weights of the rule; 0 to 1,000,000.
    pub weight: u32,
}

/// What one client may ask of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request or response head, or of a trailer section. Default 64 KiB.
    pub header_bytes: usize,
    /// Header fields of a message. Default and maximum 100.
    pub header_count: usize,
    /// Client connections that one worker holds; above it new ones are closed at once. Default 16,384.
    pub connections_per_worker: usize,
    /// Connections that one client has open in all workers; above it new ones are closed at once. A client here is an
    /// IPv4 address or the /64 of an IPv6 address. Default any number.
    pub connections_per_client: Option<u32>,
    /// How often one client may ask, of all workers together. Default as often as it likes.
    pub requests_per_client: Option<RequestRate>,
    /// Bytes of a request's body, without what frames them. Default any number.
    pub request_body_bytes: Option<usize>,
}

/// A token bucket's measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// Tokens that come in a second, of which a request takes one; 1 to 1,000,000.
    pub per_second: u32,
    /// How many tokens there can be; 1 to 1,000,000.
    pub burst: u32,
}

impl RequestRate {
    /// From one token to the next.
    pub fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }

    /// How long an empty bucket takes to be full.
    pub fn to_fill(self) -> Duration {
        self.interval() * self.burst
    }
}

/// What one HTTP/2 connection of a client may have under way (RFC 9113 sections 5.1.2 and 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2 {
    /// Requests at the same time. Default 100.
    pub max_concurrent_streams: usize,
    /// Bytes of a request's content that may have come and not gone on. Default 64 KiB. Times the streams it fits into a
    /// connection's window, [`HTTP2_CONNECTION_WINDOW`].
    pub stream_window: usize,
}

impl Http2 {
    /// The connection's window: every stream may fill its own, so that one whose backend is slow never stops another.
    pub fn connection_window(self) -> usize {
        self.max_concurrent_streams * self.stream_window
    }
}

/// The largest window that a connection may have (RFC 9113 section 6.9.1).
pub const HTTP2_CONNECTION_WINDOW: usize = (1 << 31) - 1;

/// How long the proxy waits; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last. Default 10 s.
    pub header_read: Option<Duration>,
    /// A client connection without a request. Default 75 s.
    pub idle: Option<Duration>,
    /// To open a connection to an endpoint. Default 1 s.
    pub connect: Option<Duration>,
    /// From the request sent to the backend's response head. Default 60 s.
    pub response_head: Option<Duration>,
    /// Between two pieces of a response's content, while its client takes what there is. Not of a gRPC response. Default
    /// 5 min.
    pub response_idle: Option<Duration>,
    /// From a request's head read to its response's last byte, all attempts together. Default `None`.
    pub request: Option<Duration>,
    /// A tunnel in which no byte moves. Default 1 h.
    pub tunnel_idle: Option<Duration>,
}

/// Which fields the proxy adds to what it forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers {
    /// Add a `Via` field (RFC 9110 section 7.6.3) both ways. Default off.
    pub via: bool,
    /// Add `x-request-id` where the client sent none. Default on.
    pub request_id: bool,
    /// Add to `X-Forwarded-For` and set `-Proto` and `-Host`. Default on.
    pub forwarded: bool,
}

/// How the process leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long the listeners accept after readiness has failed. Default 5 s.
    pub grace: Duration,
    /// How long requests in flight may take after that. Default 30 s.
    pub timeout: Duration,
}

/// Where the rollouts' state lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// A directory that the operator named: not being able to write there is an error.
    Dir(PathBuf),
    /// The config file's directory if it is writable, otherwise memory, with a warning.
    BesideConfig,
}

/// How names are resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Asked instead of the system's resolvers when not empty.
    pub nameservers: Vec<SocketAddr>,
}
