//! A rollout's part of the summary.

use crate::config::{format_duration, format_ratio, host_alone, without_user};
use crate::plan::{
    Alert, AlertFormat, LatencyBound, Limit, Metric, Plan, Progression, QueryLimit, RateBound, RequestLimit, Rollout,
    Stickiness, Then, Webhook, WebhookKind,
};
use serde_json::{Map, Value, json};

pub(super) fn rollout(plan: &Plan, rollout: &Rollout) -> Value {
    let rule = &plan.rules[rollout.rule.index()];
    let route = &plan.routes[rule.route.index()];
    let stickiness = rollout.stickiness.as_ref().map(|stickiness| match stickiness {
        Stickiness::Header(name) => json!({ "header": name }),
        Stickiness::Cookie(name) => json!({ "cookie": name }),
        Stickiness::ClientIp => json!({ "clientIP": true }),
    });
    let progression = rollout.progression.as_ref();
    json!({
        "name": rollout.name,
        "rule": format!("{}/{}", route.name, rule.name),
        "stable": plan.backends[rollout.stable.index()].name,
        "canary": plan.backends[rollout.canary.index()].name,
        "revision": rollout.revision,
        "stickiness": stickiness,
        "steps": progression.map(steps),
        "progressDeadline": progression.map(|progression| format_duration(progression.progress_deadline)),
        "inconclusive": progression.map(inconclusive),
        "rollback": rollout.rollback.iter().map(|it| limit(it, true)).collect::<Vec<_>>(),
        "promotion": progression.map(promotion),
        "webhooks": rollout.webhooks.iter().map(webhook).collect::<Vec<_>>(),
        "alerts": rollout.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn steps(progression: &Progression) -> Vec<Value> {
    let steps = progression.steps.iter();
    steps.map(|step| json!({ "weight": format!("{}%", step.weight), "for": format_duration(step.hold) })).collect()
}

fn inconclusive(progression: &Progression) -> Value {
    let then = match progression.inconclusive.then {
        Then::Hold => "hold",
        Then::Rollback => "rollback",
    };
    json!({ "after": format_duration(progression.inconclusive.after), "then": then })
}

fn promotion(progression: &Progression) -> Value {
    let promotion = &progression.promotion;
    json!({
        "auto": promotion.auto,
        "return": format_duration(promotion.return_over),
        "limits": promotion.limits.iter().map(|it| limit(it, false)).collect::<Vec<_>>(),
    })
}

fn limit(limit: &Limit, takes_out: bool) -> Value {
    match limit {
        Limit::Requests(limit) => request_limit(limit, takes_out),
        Limit::Query(limit) => query_limit(limit),
    }
}

fn request_limit(limit: &RequestLimit, takes_out: bool) -> Value {
    let (key, bound) = match limit.metric {
        Metric::ErrorRate { max: RateBound::Share(max) } => ("max", format_ratio(max)),
        Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => {
            ("max", format_duration(max))
        }
        Metric::ErrorRate { max: RateBound::TimesStable(times) }
        | Metric::Latency { max: LatencyBound::TimesStable(times), .. } => ("comparedToStable", format!("{times}x")),
        Metric::ErrorRate { max: RateBound::AboveStable(more) } => {
            ("comparedToStable", format!("+{}", format_ratio(more)))
        }
    };
    // What raises no alarm has no rate of false ones, and its key is refused: a mean, and a limit of the promotion.
    let alpha = (takes_out && !matches!(limit.metric, Metric::LatencyMean { .. })).then_some(limit.alpha);
    json!({
        "metric": limit.metric.to_string(),
        key: bound,
        "window": format_duration(limit.window),
        "minRequests": limit.min_requests,
        "falseAlarmRate": alpha,
    })
}

fn query_limit(limit: &QueryLimit) -> Value {
    let prometheus = &limit.prometheus;
    json!({
        "name": limit.name,
        "prometheus": {
            "url": without_user(&prometheus.url),
            "query": prometheus.query,
            "timeout": format_duration(prometheus.timeout),
            "tokenFile": prometheus.token_file,
            "caFile": prometheus.ca_file,
        },
        "min": limit.range.min,
        "max": limit.range.max,
        "window": format_duration(limit.window),
        "interval": format_duration(limit.interval),
        "minSamples": limit.min_samples,
    })
}

fn webhook(hook: &Webhook) -> Value {
    let metadata: Map<String, Value> = hook.metadata.iter().map(|(key, text)| (key.to_string(), json!(text))).collect();
    json!({
        "name": hook.name,
        "type": hook.kind.name(),
        "url": host_alone(&hook.url),
        "timeout": format_duration(hook.timeout),
        "interval": format_duration(hook.interval),
        "retries": hook.retries,
        "threshold": (hook.kind == WebhookKind::Rollout).then_some(hook.threshold),
        "metadata": metadata,
    })
}

fn alert(alert: &Alert) -> Value {
    let key = match alert.format {
        AlertFormat::Webhook => "webhook",
        AlertFormat::Slack => "slack",
        AlertFormat::Teams => "teams",
    };
    json!({ key: { "url": host_alone(&alert.url), "severity": alert.severity.name() } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use std::path::Path;

    const FULL: &str = include_str!("../../../config/full.yaml");

    fn plan(text: &str) -> Plan {
        config::check(text, Path::new("/etc/serin.yaml"))
            .unwrap_or_else(|problems| panic!("{}", problems.report(false)))
    }

    fn shown(plan: &Plan) -> String {
        json!(plan.rollouts.iter().map(|it| rollout(plan, it)).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn what_is_shown_means_what_the_file_means_but_for_the_secrets() {
        let mut written = plan(FULL);
        let (before, _) = FULL.split_once("\nrollouts:\n").unwrap();
        let read_back = plan(&format!("{before}\nrollouts: {}\n", shown(&written).replace('…', "")));
        for it in &mut written.rollouts {
            let urls = it
                .webhooks
                .iter_mut()
                .map(|hook| &mut hook.url)
                .chain(it.alerts.iter_mut().map(|alert| &mut alert.url));
            urls.for_each(|url| *url = host_alone(url).replace('…', "").into());
        }
        assert_eq!(read_back.rollouts, written.rollouts);
    }

    #[test]
    fn a_secret_is_not_shown() {
        let text = FULL
            .replace("https://hooks.example.com/serin", "https://hooks.example.com/secret")
            .replace("http://load.example.com/test", "http://load.example.com/secret")
            .replace("https://prometheus.example.com", "https://user:secret@prometheus.example.com");
        let shown = shown(&plan(&text));
        assert!(!shown.contains("secret") && shown.contains("https://prometheus.example.com\""), "{shown}");
    }
}
