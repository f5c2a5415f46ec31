//! How a backend is kept well.

use super::{DurationText, FactorText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// What is spoken to a backend.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Protocol {
    /// HTTP/1.1: one request at a time on a connection.
    Http1,
    /// HTTP/2: many requests at a time on a connection. With `tls` the endpoints have to choose `h2` by ALPN; in clear
    /// they have to expect HTTP/2 from the first byte on.
    Http2,
}

/// Asks every endpoint how it is, on a connection of its own: either with `path`, by a `GET` over the backend's protocol,
/// to which an answer from 200 to 399 is a good one, or with `grpc`, by gRPC's health service, to which `SERVING` is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct HealthCheck {
    /// What is asked for, as in `/healthz`.
    #[schemars(regex(pattern = r"^/[!-~]*$"))]
    pub(in crate::config) path: Option<At<String>>,
    /// Asks by `grpc.health.v1.Health/Check`, over HTTP/2.
    pub(in crate::config) grpc: Option<At<GrpcHealth>>,
    /// From one question to the next, a tenth more or less. Default `5s`.
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// For one answer. Default `1s`.
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// How many good answers in a row bring an endpoint back. Default 2.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) healthy_threshold: Option<At<u64>>,
    /// How many bad answers in a row take an endpoint out. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) unhealthy_threshold: Option<At<u64>>,
}

/// What gRPC's health service is asked about; `{}` for the server as a whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct GrpcHealth {
    /// A service's full name, as in `shop.v1.Orders`. Default: the server as a whole.
    #[schemars(length(max = 1_024))]
    pub(in crate::config) service: Option<At<String>>,
}

/// Ejects endpoints whose requests fail: 5xx, connections refused, broken or too slow to open, answers that come too
/// late, are cut short or are not HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct OutlierDetection {
    /// How many failures in a row. Default 5.
    #[schemars(range(min = 1, max = 10_000))]
    pub(in crate::config) consecutive_failures: Option<At<u64>>,
    /// How often success rates are compared, and how long without another ejection it takes to be forgiven one.
    /// Default `10s`.
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// How long the first ejection lasts; the second one twice as long, and so on, up to `5m`. Default `30s`.
    pub(in crate::config) base_ejection_time: Option<At<DurationText>>,
    /// How much of the backend may be ejected at a time, rounded down to whole endpoints. Default 50.
    #[schemars(range(min = 0, max = 100))]
    pub(in crate::config) max_ejection_percent: Option<At<u64>>,
    /// Compares the endpoints' success rates with each other. Default: it does not.
    pub(in crate::config) success_rate: Option<At<SuccessRate>>,
}

/// Ejects endpoints that succeed much less often than the others.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct SuccessRate {
    /// How many endpoints there must be to compare. Default 5, of which one can just be far enough from the others for
    /// the default `stdevFactor`.
    #[schemars(range(min = 2, max = 65_535))]
    pub(in crate::config) minimum_hosts: Option<At<u64>>,
    /// How many requests an endpoint must have had in the interval to be one of them. Default 100.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) minimum_requests: Option<At<u64>>,
    /// How many standard deviations below the mean is too far. Default 1.9.
    pub(in crate::config) stdev_factor: Option<At<FactorText>>,
}

/// What a backend may have under way in all workers together; each worker has an even part of it, and at least one.
/// What is above is answered with 503 and `x-serin-reason: overload` at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the keys are Envoy's")]
pub(in crate::config) struct CircuitBreaker {
    /// Connections, idle ones included. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_connections: Option<At<u64>>,
    /// Requests that wait for a connection to be opened. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_pending_requests: Option<At<u64>>,
    /// Requests under way, tunnels included. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) max_requests: Option<At<u64>>,
}
