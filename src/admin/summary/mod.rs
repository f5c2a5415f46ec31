//! The config in force, as the API shows it.
//!
//! The whole plan, defaults included, in the config's own keys and units. A webhook's address is cut down to its host,
//! and a Prometheus server's loses the password in it.

mod filters;
mod rollout;
mod tls;
mod upstream;

use super::ConfigView;
use crate::config::{format_duration, format_size};
use crate::net::IpNet;
use crate::net::proxy_protocol::Version;
use crate::plan::{Backend, Endpoints, Plan, Rule, RuleId, Store};
use crate::stats::GrpcStatus;
use rollout::rollout;
use serde_json::{Value, json};
use std::time::Duration;

/// The answer to `GET /api/v1/config`.
pub(super) fn of(config: &ConfigView) -> Value {
    let plan = &config.plan;
    let bound = |name: &str| config.listeners.iter().find(|(open, _)| **open == *name).map(|(_, address)| address);
    let listeners = plan.listeners.iter().map(|listener| {
        let tls = listener.tls.as_ref().map(tls::server);
        let from = (!listener.proxies.is_empty()).then(|| json!({ "from": networks(&listener.proxies) }));
        json!({
            "name": listener.name,
            "address": listener.address,
            "tls": tls,
            "proxyProtocol": from,
            "bound": bound(&listener.name),
        })
    });
    let admin = &plan.admin;
    json!({
        "hash": plan.hash,
        "file": config.file.to_string_lossy(),
        "loadedAt": config.loaded_at,
        "lastReloadError": config.last_reload_error,
        "listeners": listeners.collect::<Vec<_>>(),
        "admin": {
            "address": admin.address,
            "tokenFile": admin.token_file,
            "tls": admin.tls.as_ref().map(tls::server),
        },
        "backends": plan.backends.iter().map(backend).collect::<Vec<_>>(),
        "routes": routes(plan),
        "rollouts": plan.rollouts.iter().map(|r| rollout(plan, r)).collect::<Vec<_>>(),
        "limits": {
            "headerBytes": format_size(plan.limits.header_bytes),
            "headerCount": plan.limits.header_count,
            "connectionsPerWorker": plan.limits.connections_per_worker,
            "connectionsPerClient": plan.limits.connections_per_client,
            "requestsPerClient": plan.limits.requests_per_client.map(|rate| {
                json!({ "perSecond": rate.per_second, "burst": rate.burst })
            }),
            "requestBodyBytes": plan.limits.request_body_bytes.map(format_size),
        },
        "http2": {
            "maxConcurrentStreams": plan.http2.max_concurrent_streams,
            "streamWindow": format_size(plan.http2.stream_window),
        },
        "timeouts": {
            "headerRead": timeout(plan.timeouts.header_read),
            "idle": timeout(plan.timeouts.idle),
            "connect": timeout(plan.timeouts.connect),
            "responseHead": timeout(plan.timeouts.response_head),
            "responseIdle": timeout(plan.timeouts.response_idle),
            "request": timeout(plan.timeouts.request),
            "tunnelIdle": timeout(plan.timeouts.tunnel_idle),
        },
        "headers": {
            "via": plan.headers.via,
            "requestId": plan.headers.request_id,
            "forwarded": plan.headers.forwarded,
        },
        "drain": { "grace": format_duration(plan.drain.grace), "timeout": format_duration(plan.drain.timeout) },
        "store": match &plan.store {
            Store::Dir(directory) => json!({ "file": directory }),
            Store::BesideConfig => Value::Null,
        },
        "dns": { "nameservers": plan.dns.nameservers },
        "grpc": { "failureStatuses": plan.grpc.failures.iter().map(GrpcStatus::name).collect::<Vec<_>>() },
    })
}

fn networks(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

fn timeout(timeout: Option<Duration>) -> String {
    timeout.map_or_else(|| "off".into(), format_duration)
}

fn backend(backend: &Backend) -> Value {
    let endpoints = match &backend.endpoints {
        Endpoints::Static(addresses) => json!({ "static": addresses }),
        Endpoints::Dns { host, port } => json!({ "dns": format!("{host}:{port}") }),
    };
    let tls = backend.tls.as_ref().map(tls::backend);
    let mut shown = json!({ "name": backend.name, "version": backend.version, "endpoints": endpoints, "tls": tls });
    shown["proxyProtocol"] = backend.proxy_protocol.map(Version::label).into();
    upstream::add(&mut shown, backend);
    shown
}

fn routes(plan: &Plan) -> Vec<Value> {
    let routes = plan.routes.iter().enumerate().map(|(index, route)| {
        let rules = plan.rules.iter().enumerate().filter(|(_, rule)| rule.route.index() == index);
        let rules = rules.map(|(id, r)| rule(plan, RuleId::new(id), r));
        json!({ "name": route.name, "rules": rules.collect::<Vec<_>>() })
    });
    routes.collect()
}

fn rule(plan: &Plan, id: RuleId, rule: &Rule) -> Value {
    let of_rule = plan.matcher.entries().filter(|(_, _, entry)| *entry == id);
    let matches =
        of_rule.map(|(host, conditions, _)| json!({ "hostname": host.to_string(), "match": conditions.to_string() }));
    let rollout = rule.rollout.map(|id| &plan.rollouts[id.index()]);
    // Where a rollout takes steps, its two sides have no weight of their own.
    let stepped = rollout.filter(|rollout| rollout.progression.is_some());
    let refs = rule.backend_refs.iter().enumerate().map(|(index, r)| {
        let moved = stepped.is_some_and(|rollout| [rollout.stable, rollout.canary].contains(&r.backend));
        json!({
            "name": plan.backends[r.backend.index()].name,
            "weight": (!moved).then_some(r.weight),
            "filters": filters::of_way(plan, rule.filters.on_the_way_to(index)),
        })
    });
    json!({
        "name": rule.name,
        "matches": matches.collect::<Vec<_>>(),
        "filters": filters::of_rule(&rule.filters),
        "backendRefs": refs.collect::<Vec<_>>(),
        "rollout": rollout.map(|rollout| &rollout.name),
        "timeouts": {
            "request": timeout(rule.timeouts.request),
            "backendRequest": timeout(rule.backend_request),
        },
        "retry": rule.retry.as_ref().map(|retry| json!({
            "attempts": retry.attempts,
            "codes": retry.codes.iter().collect::<Vec<_>>(),
            "backoff": format_duration(retry.backoff),
            "perTryTimeout": timeout(retry.per_try_timeout),
        })),
    })
}
