//! What was written: the types of the file, one to one with its keys.
//!
//! Nothing is checked here but shapes; `check` says what the values mean. The comments on these types are what
//! editors show, by way of the JSON Schema. Every field is an [`At`], so that a bad one never hides the next.

mod backends;
mod filters;
mod grpc;
mod limits;
mod proxy_protocol;
mod rollouts;
mod routes;
mod settings;
mod tell;
mod texts;
mod tls;

pub(super) use backends::{CircuitBreaker, GrpcHealth, HealthCheck, OutlierDetection, Protocol, SuccessRate};
pub(super) use filters::{
    Filter, FilterType, Fraction, HeaderField, HeaderModifier, PathModifier, PathModifierType, RequestMirror,
    RequestRedirect, Scheme, UrlRewrite,
};
pub(super) use grpc::{Grpc, StatusText};
pub(super) use limits::{Limit, Prometheus};
pub(super) use proxy_protocol::{ProxyProtocol, ProxyProtocolVersion};
pub(super) use rollouts::{Inconclusive, Promotion, Rollout, Steps, Stickiness, Then};
pub(super) use routes::{BackendRef, NameMatch, PathMatch, PathType, RequestMatch, Route, Rule, TextType};
pub(super) use settings::{Dns, Drain, Headers, Http2, Limits, RequestRate, Store, Timeouts};
pub(super) use tell::{Alert, Severity, Webhook, WebhookType};
pub(super) use texts::{
    AddressText, BoundText, ComparisonText, DurationText, FactorText, LabelText, RateText, SizeText, TimeoutText,
    VersionText, WeightText,
};
pub(super) use tls::{BackendTls, ServerTls};

use super::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Serin's config: where clients connect, which versions of which services are behind, who gets what share, and what
/// takes a canary out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "Serin's config")]
pub(super) struct Config {
    /// Where clients connect; at least one.
    #[schemars(length(min = 1))]
    pub(super) listeners: At<Vec<At<Listener>>>,
    /// Where operators and scrapers connect: health, metrics, API.
    pub(super) admin: Option<At<Admin>>,
    /// The versions of the services behind; at least one.
    #[schemars(length(min = 1))]
    pub(super) backends: At<Vec<At<Backend>>>,
    /// Which requests go where; at least one. Words and precedence are those of the Gateway API's `HTTPRoute`.
    #[schemars(length(min = 1))]
    pub(super) routes: At<Vec<At<Route>>>,
    /// What moves and guards the weights of a rule.
    pub(super) rollouts: Option<At<Vec<At<Rollout>>>>,
    /// What one client may ask of the proxy.
    pub(super) limits: Option<At<Limits>>,
    /// What one HTTP/2 connection of a client may have under way.
    pub(super) http2: Option<At<Http2>>,
    /// How long the proxy waits, and for what.
    pub(super) timeouts: Option<At<Timeouts>>,
    /// Which header fields the proxy adds to what it forwards.
    pub(super) headers: Option<At<Headers>>,
    /// How the process leaves.
    pub(super) drain: Option<At<Drain>>,
    /// Where the rollouts' state lives. Default: beside this file if that is writable, otherwise in memory.
    pub(super) store: Option<At<Store>>,
    /// How names are resolved.
    pub(super) dns: Option<At<Dns>>,
    /// What counts as the failure of a gRPC request.
    pub(super) grpc: Option<At<Grpc>>,
}

/// One address that accepts clients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Listener {
    /// Unique among the listeners.
    pub(super) name: At<String>,
    /// Address and port, as in `0.0.0.0:8080` or `[::]:8080` (which takes IPv4 too). Port 0 takes any free one.
    pub(super) address: At<AddressText>,
    /// With it, clients speak TLS here. Default: in clear.
    pub(super) tls: Option<At<ServerTls>>,
    /// With it, connections from some proxies begin with a PROXY header. Default: nobody's do.
    pub(super) proxy_protocol: Option<At<ProxyProtocol>>,
}

/// The operators' listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Admin {
    /// Address and port. Default `127.0.0.1:9900`.
    pub(super) address: Option<At<AddressText>>,
    /// The file that holds the bearer token for calls that change something; relative to this file. Without one, such
    /// calls must come over loopback.
    pub(super) token_file: Option<At<String>>,
    /// With it, operators and scrapers speak TLS here. Default: in clear.
    pub(super) tls: Option<At<ServerTls>>,
}

/// One version of a service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Backend {
    /// Unique among the backends.
    pub(super) name: At<String>,
    /// What is deployed there, as you call it; a label of the metrics.
    pub(super) version: Option<At<VersionText>>,
    /// Where its endpoints come from.
    pub(super) endpoints: At<Endpoints>,
    /// With it, Serin speaks TLS to the endpoints. Default: in clear.
    pub(super) tls: Option<At<BackendTls>>,
    /// What Serin speaks to the endpoints. Default `http1`.
    pub(super) protocol: Option<At<Protocol>>,
    /// Serin begins each connection to the endpoints with a PROXY header of this version, which tells the client's address;
    /// no two clients share a connection then. Default: without.
    pub(super) proxy_protocol: Option<At<ProxyProtocolVersion>>,
    /// Asks the endpoints how they are. Default: nobody asks.
    pub(super) health: Option<At<HealthCheck>>,
    /// Ejects endpoints whose requests fail. Default: three failed connects in a row rest an endpoint, nothing else.
    pub(super) outlier_detection: Option<At<OutlierDetection>>,
    /// When less than this part of the endpoints is healthy and not ejected, all of them are used again: what is left
    /// would not stand the whole load. Default `50%`; `0` never does.
    pub(super) panic_threshold: Option<At<RateText>>,
    /// What is refused at once. Default: nothing.
    pub(super) circuit_breaker: Option<At<CircuitBreaker>>,
    /// How long an endpoint that joined or came back gets less than its part, from a tenth on. Default: not at all.
    pub(super) slow_start: Option<At<DurationText>>,
    /// How old a connection gets before it is not used again, so that load moves to endpoints that joined. Default: any
    /// age.
    pub(super) max_connection_age: Option<At<DurationText>>,
    /// How many requests a connection carries before it is closed. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_requests_per_connection: Option<At<u64>>,
}

/// Where a backend's endpoints come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Endpoints {
    /// A name and a port, as in `my-service:8080`: every address that the name has, looked up again as its TTL runs out.
    Dns(At<String>),
    /// Addresses and ports, as in `10.0.0.1:8080`.
    Static(At<Vec<At<AddressText>>>),
}

/// Keys that the design has and this version has not: named, so that nobody takes them for typos.
pub(super) fn is_not_built_yet(owner: &str, key: &str) -> bool {
    matches!((owner, key), ("Rule", "retry" | "timeouts") | ("Config", "tls"))
}
