//! The config in force, as the API shows it.
//!
//! The whole plan, defaults included, in the config's own keys and units. A webhook's address is cut down to its host:
//! what follows is often the secret that lets one post there.

use super::ConfigView;
use crate::config::{format_duration, format_ratio, format_size};
use crate::plan::{
    Alert, Backend, Endpoints, LatencyBound, Limit, Metric, Plan, RateBound, Rollout, Rule, RuleId, Stickiness, Store,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The answer to `GET /api/v1/config`.
pub(super) fn of(config: &ConfigView) -> Value {
    let plan = &config.plan;
    let bound = |name: &str| config.listeners.iter().find(|(open, _)| **open == *name).map(|(_, address)| address);
    let listeners = plan
        .listeners
        .iter()
        .map(|listener| json!({ "name": listener.name, "address": listener.address, "bound": bound(&listener.name) }));
    json!({
        "hash": plan.hash,
        "file": config.file.to_string_lossy(),
        "loadedAt": config.loaded_at,
        "lastReloadError": config.last_reload_error,
        "listeners": listeners.collect::<Vec<_>>(),
        "admin": { "address": plan.admin.address, "tokenFile": plan.admin.token_file },
        "backends": plan.backends.iter().map(backend).collect::<Vec<_>>(),
        "routes": routes(plan),
        "rollouts": plan.rollouts.iter().map(|r| rollout(plan, r)).collect::<Vec<_>>(),
        "limits": {
            "headerBytes": format_size(plan.limits.header_bytes),
            "headerCount": plan.limits.header_count,
            "connectionsPerWorker": plan.limits.connections_per_worker,
        },
        "timeouts": {
            "headerRead": timeout(plan.timeouts.header_read),
            "idle": timeout(plan.timeouts.idle),
            "connect": timeout(plan.timeouts.connect),
            "responseHead": timeout(plan.timeouts.response_head),
            "request": timeout(plan.timeouts.request),
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
    })
}

fn timeout(timeout: Option<Duration>) -> String {
    timeout.map_or_else(|| "off".into(), format_duration)
}

fn backend(backend: &Backend) -> Value {
    let endpoints = match &backend.endpoints {
        Endpoints::Static(addresses) => json!({ "static": addresses }),
        Endpoints::Dns { host, port } => json!({ "dns": format!("{host}:{port}") }),
    };
    let mut shown = json!({ "name": backend.name, "version": backend.version, "endpoints": endpoints });
    super::upstream::add(&mut shown, backend);
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
    let refs = rule.backend_refs.iter();
    let refs = refs.map(|r| json!({ "name": plan.backends[r.backend.index()].name, "weight": r.weight }));
    let rollout = rule.rollout.map(|id| &plan.rollouts[id.index()].name);
    json!({ "name": rule.name, "matches": matches.collect::<Vec<_>>(), "backendRefs": refs.collect::<Vec<_>>(), "rollout": rollout })
}

fn rollout(plan: &Plan, rollout: &Rollout) -> Value {
    let rule = &plan.rules[rollout.rule.index()];
    let route = &plan.routes[rule.route.index()];
    let stickiness = rollout.stickiness.as_ref().map(|stickiness| match stickiness {
        Stickiness::Header(name) => json!({ "header": name }),
        Stickiness::Cookie(name) => json!({ "cookie": name }),
        Stickiness::ClientIp => json!({ "clientIP": true }),
    });
    json!({
        "name": rollout.name,
        "rule": format!("{}/{}", route.name, rule.name),
        "stable": plan.backends[rollout.stable.index()].name,
        "canary": plan.backends[rollout.canary.index()].name,
        "revision": rollout.revision,
        "stickiness": stickiness,
        "rollback": rollout.rollback.iter().map(limit).collect::<Vec<_>>(),
        "alerts": rollout.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn limit(limit: &Limit) -> Value {
    let Limit::Requests(limit) = limit else { return json!({ "name": limit.name() }) };
    let max = match limit.metric {
        Metric::ErrorRate { max: RateBound::Share(max) } => json!(format_ratio(max)),
        Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => {
            json!(format_duration(max))
        }
        _ => json!(null),
    };
    json!({
        "metric": limit.metric.to_string(),
        "max": max,
        "window": format_duration(limit.window),
        "minRequests": limit.min_requests,
        "falseAlarmRate": limit.alpha,
    })
}

fn alert(alert: &Alert) -> Value {
    let host = alert
        .url
        .parse::<axum::http::Uri>()
        .ok()
        .and_then(|uri| Some(format!("{}://{}/…", uri.scheme()?, uri.host()?)));
    json!({ "webhook": host.unwrap_or_else(|| "…".into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{AlertFormat, Severity};

    #[test]
    fn a_webhooks_secret_is_not_shown() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/secret", "https://hooks.example/…"),
            ("http://user:secret@hooks.example:8080?token=secret", "http://hooks.example/…"),
            ("not a url secret", "…"),
        ] {
            let it = Alert { format: AlertFormat::Webhook, url: url.into(), severity: Severity::Info };
            assert_eq!(alert(&it), json!({ "webhook": shown }));
        }
    }
}
