//! Where state lives, and the settings that are not the defaults.

use super::table::Table;
use crate::config::{defaults, format_duration, format_size};
use crate::plan::{Grpc, Plan, RequestRate, Store};
use crate::stats::GrpcStatus;
use std::time::Duration;

/// Where state lives, and what differs from the defaults.
pub(super) fn settings(plan: &Plan) -> String {
    let mut table = Table::default();
    let store = match &plan.store {
        Store::Dir(directory) => directory.display().to_string(),
        Store::BesideConfig => "beside the config, or in memory if that is not writable".into(),
    };
    table.row("state", [&store]);
    let servers: Vec<_> = plan.dns.nameservers.iter().map(ToString::to_string).collect();
    if !servers.is_empty() {
        table.row("dns", [&format!("asks {}", servers.join(", "))]);
    }
    let other = differences(plan);
    if other.is_empty() {
        table.row("settings", ["limits, http2, timeouts, headers, drain and grpc are the defaults"]);
    }
    for (what, now, default) in other {
        table.row("settings", [what, &now, &format!("(default {default})")]);
    }
    table.to_string()
}

fn statuses(grpc: Grpc) -> String {
    let names: Vec<_> = grpc.failures.iter().map(GrpcStatus::name).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// Each setting that is not the default: its key, what it is, what the default is.
fn differences(plan: &Plan) -> Vec<(&'static str, String, String)> {
    let timeout = |timeout: Option<Duration>| timeout.map_or_else(|| "off".into(), format_duration);
    let off = |limit: Option<String>| limit.unwrap_or_else(|| "off".into());
    let rate = |rate: RequestRate| format!("{} a second, {} at once", rate.per_second, rate.burst);
    let (limits, timeouts, headers, drain) = (&plan.limits, &plan.timeouts, &plan.headers, &plan.drain);
    let (of_limits, of_timeouts) = (defaults::LIMITS, defaults::TIMEOUTS);
    let (http2, of_http2) = (&plan.http2, defaults::HTTP2);
    let (of_headers, of_drain) = (defaults::HEADERS, defaults::DRAIN);
    let rows = [
        ("limits.headerBytes", format_size(limits.header_bytes), format_size(of_limits.header_bytes)),
        ("limits.headerCount", limits.header_count.to_string(), of_limits.header_count.to_string()),
        (
            "limits.connectionsPerWorker",
            limits.connections_per_worker.to_string(),
            of_limits.connections_per_worker.to_string(),
        ),
        (
            "limits.connectionsPerClient",
            off(limits.connections_per_client.map(|most| most.to_string())),
            off(of_limits.connections_per_client.map(|most| most.to_string())),
        ),
        (
            "limits.requestsPerClient",
            off(limits.requests_per_client.map(rate)),
            off(of_limits.requests_per_client.map(rate)),
        ),
        (
            "limits.requestBodyBytes",
            off(limits.request_body_bytes.map(format_size)),
            off(of_limits.request_body_bytes.map(format_size)),
        ),
        (
            "http2.maxConcurrentStreams",
            http2.max_concurrent_streams.to_string(),
            of_http2.max_concurrent_streams.to_string(),
        ),
        ("http2.streamWindow", format_size(http2.stream_window), format_size(of_http2.stream_window)),
        ("timeouts.headerRead", timeout(timeouts.header_read), timeout(of_timeouts.header_read)),
        ("timeouts.idle", timeout(timeouts.idle), timeout(of_timeouts.idle)),
        ("timeouts.connect", timeout(timeouts.connect), timeout(of_timeouts.connect)),
        ("timeouts.responseHead", timeout(timeouts.response_head), timeout(of_timeouts.response_head)),
        ("timeouts.responseIdle", timeout(timeouts.response_idle), timeout(of_timeouts.response_idle)),
        ("timeouts.request", timeout(timeouts.request), timeout(of_timeouts.request)),
        ("timeouts.tunnelIdle", timeout(timeouts.tunnel_idle), timeout(of_timeouts.tunnel_idle)),
        ("headers.via", headers.via.to_string(), of_headers.via.to_string()),
        ("headers.requestId", headers.request_id.to_string(), of_headers.request_id.to_string()),
        ("headers.forwarded", headers.forwarded.to_string(), of_headers.forwarded.to_string()),
        ("drain.grace", format_duration(drain.grace), format_duration(of_drain.grace)),
        ("drain.timeout", format_duration(drain.timeout), format_duration(of_drain.timeout)),
        ("grpc.failureStatuses", statuses(plan.grpc), statuses(Grpc::default())),
    ];
    rows.into_iter().filter(|(_, now, default)| now != default).collect()
}
