//! The config in force, as the API shows it.
//!
//! Names and numbers, written as the config writes them where there is a way to; durations in seconds. A webhook's
//! address is cut down to its host: what follows is often the secret that lets one post there.

use super::ConfigView;
use crate::plan::{Alert, Backend, Endpoints, Limit, Metric, Plan, Rollout, Rule, Stickiness};
use serde_json::{Value, json};

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
    })
}

fn backend(backend: &Backend) -> Value {
    let endpoints = match &backend.endpoints {
        Endpoints::Static(addresses) => json!({ "static": addresses }),
        Endpoints::Dns { host, port } => json!({ "dns": format!("{host}:{port}") }),
    };
    json!({ "name": backend.name, "version": backend.version, "endpoints": endpoints })
}

fn routes(plan: &Plan) -> Vec<Value> {
    let routes = plan.routes.iter().enumerate().map(|(index, route)| {
        let rules = plan.rules.iter().filter(|rule| rule.route.index() == index).map(|r| rule(plan, r));
        json!({ "name": route.name, "rules": rules.collect::<Vec<_>>() })
    });
    routes.collect()
}

fn rule(plan: &Plan, rule: &Rule) -> Value {
    let refs = rule.backend_refs.iter();
    let refs = refs.map(|r| json!({ "name": plan.backends[r.backend.index()].name, "weight": r.weight }));
    let rollout = rule.rollout.map(|id| &plan.rollouts[id.index()].name);
    json!({ "name": rule.name, "backendRefs": refs.collect::<Vec<_>>(), "rollout": rollout })
}

fn rollout(plan: &Plan, rollout: &Rollout) -> Value {
    let rule = &plan.rules[rollout.rule.index()];
    let route = &plan.routes[rule.route.index()];
    let stickiness = rollout.stickiness.as_ref().map(|stickiness| match stickiness {
        Stickiness::Header(name) => json!({ "header": name }),
        Stickiness::Cookie(name) => json!({ "cookie": name }),
        Stickiness::ClientIp => json!("clientIP"),
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
    let max = match limit.metric {
        Metric::ErrorRate { max } => json!(max),
        Metric::Latency { max, .. } | Metric::LatencyMean { max } => json!(max.as_secs_f64()),
    };
    json!({
        "metric": limit.metric.to_string(),
        "max": max,
        "window": limit.window.as_secs_f64(),
        "minRequests": limit.min_requests,
        "alpha": limit.alpha,
    })
}

fn alert(alert: &Alert) -> Value {
    let Alert::Webhook { url } = alert;
    let host =
        url.parse::<axum::http::Uri>().ok().and_then(|uri| Some(format!("{}://{}/…", uri.scheme()?, uri.host()?)));
    json!({ "webhook": host.unwrap_or_else(|| "…".into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhooks_secret_is_not_shown() {
        for (url, shown) in [
            ("https://hooks.example/services/T0/B0/secret", "https://hooks.example/…"),
            ("http://user:secret@hooks.example:8080?token=secret", "http://hooks.example/…"),
            ("not a url secret", "…"),
        ] {
            assert_eq!(alert(&Alert::Webhook { url: url.into() }), json!({ "webhook": shown }));
        }
    }
}
