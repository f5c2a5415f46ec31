//! What can be set once for the whole process.

use super::{DurationText, SizeText, TimeoutText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// What one client may ask of the proxy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// Bytes of a request or response head, or of a trailer section. Default `64KiB`.
    pub(in crate::config) header_bytes: Option<At<SizeText>>,
    /// Header fields of a message. Default and maximum 100.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) header_count: Option<At<u64>>,
    /// Client connections that one worker holds; above it new ones are closed at once. Default 16384.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) connections_per_worker: Option<At<u64>>,
    /// Connections that one client, an IPv4 address or the /64 of an IPv6 address, has open in all workers; above it new
    /// ones are closed at once. Default: any number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) connections_per_client: Option<At<u64>>,
    /// How often one client may ask; above it the answer is 429. Default: as often as it likes.
    pub(in crate::config) requests_per_client: Option<At<RequestRate>>,
    /// Bytes of a request's body; above it the answer is 413. Default: any number.
    pub(in crate::config) request_body_bytes: Option<At<SizeText>>,
}

/// How often one client, an IPv4 address or the /64 of an IPv6 address, may ask: a token bucket, in all workers together.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RequestRate {
    /// Requests in a second, in the long run.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) per_second: At<u64>,
    /// Requests at once, after a while without any. Default: as many as `perSecond`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) burst: Option<At<u64>>,
}

/// What one HTTP/2 connection of a client may have under way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Http2 {
    /// Requests at the same time; a client that opens more is told to try again. Default 100.
    #[schemars(range(min = 1, max = 1_000))]
    pub(in crate::config) max_concurrent_streams: Option<At<u64>>,
    /// Bytes of one request's content that may have come and not gone on. What a connection can make Serin hold is this
    /// times `maxConcurrentStreams`. Default `64KiB`.
    pub(in crate::config) stream_window: Option<At<SizeText>>,
}

/// How long the proxy waits, and for what; `off` is for ever.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Timeouts {
    /// From the first byte of a request's head to its last. Default `10s`.
    pub(in crate::config) header_read: Option<At<TimeoutText>>,
    /// A client connection without a request. Default `75s`.
    pub(in crate::config) idle: Option<At<TimeoutText>>,
    /// To open a connection to an endpoint. Default `1s`.
    pub(in crate::config) connect: Option<At<TimeoutText>>,
    /// From the request sent to the head of the backend's response. Default `60s`.
    pub(in crate::config) response_head: Option<At<TimeoutText>>,
    /// Between two pieces of a response's content, while the client takes what there is; not for gRPC, whose streams may
    /// be silent. Default `5m`.
    pub(in crate::config) response_idle: Option<At<TimeoutText>>,
    /// From the request's head to the response's last byte. Default `off`.
    pub(in crate::config) request: Option<At<TimeoutText>>,
    /// A tunnel (WebSocket, or any other upgrade) in which no byte moves. Default `1h`.
    pub(in crate::config) tunnel_idle: Option<At<TimeoutText>>,
}

/// Which header fields the proxy adds to what it forwards.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Headers {
    /// A `Via` field, both ways. Default false.
    pub(in crate::config) via: Option<At<bool>>,
    /// An `x-request-id` where the client sent none. Default true.
    pub(in crate::config) request_id: Option<At<bool>>,
    /// `X-Forwarded-For`, `-Proto` and `-Host`. Default true.
    pub(in crate::config) forwarded: Option<At<bool>>,
}

/// How the process leaves.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Drain {
    /// How long the listeners go on accepting after readiness has failed. Default `5s`.
    pub(in crate::config) grace: Option<At<DurationText>>,
    /// How long requests in flight may take after that. Default `30s`.
    pub(in crate::config) timeout: Option<At<DurationText>>,
}

/// Where the rollouts' state lives.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Store {
    /// A directory, which must be writable; relative to this file.
    File(At<String>),
}

/// How names are resolved.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Dns {
    /// Asked instead of the system's resolvers: addresses, with a port unless it is 53.
    pub(in crate::config) nameservers: Option<At<Vec<At<String>>>>,
}
