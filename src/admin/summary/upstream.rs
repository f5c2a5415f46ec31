//! How a backend is kept well, in the config's own keys: a part of the config as the API shows it.

use crate::config::{format_duration, format_ratio};
use crate::plan::{Backend, HealthCheck, HealthQuestion, OutlierDetection};
use serde_json::{Value, json};
use std::time::Duration;

/// Adds the keys of `backend`'s settings to `shown`, defaults included; `null` is off.
pub(super) fn add(shown: &mut Value, backend: &Backend) {
    let upstream = &backend.upstream;
    let duration = |duration: Option<Duration>| duration.map(format_duration);
    shown["protocol"] = backend.protocol.label().into();
    shown["health"] = upstream.health.as_ref().map(health).into();
    shown["outlierDetection"] = upstream.outliers.as_ref().map(outliers).into();
    shown["panicThreshold"] = format_ratio(upstream.panic_threshold).into();
    shown["circuitBreaker"] = json!({
        "maxConnections": upstream.breaker.max_connections,
        "maxPendingRequests": upstream.breaker.max_pending_requests,
        "maxRequests": upstream.breaker.max_requests,
    });
    shown["slowStart"] = duration(upstream.slow_start).into();
    shown["maxConnectionAge"] = duration(upstream.max_connection_age).into();
    shown["maxRequestsPerConnection"] = upstream.max_requests_per_connection.into();
}

fn health(health: &HealthCheck) -> Value {
    let mut shown = json!({
        "interval": format_duration(health.interval),
        "timeout": format_duration(health.timeout),
        "healthyThreshold": health.healthy_threshold,
        "unhealthyThreshold": health.unhealthy_threshold,
    });
    match &health.question {
        HealthQuestion::Get(path) => shown["path"] = (**path).into(),
        HealthQuestion::Grpc(service) => shown["grpc"] = json!({ "service": service }),
    }
    shown
}

fn outliers(outliers: &OutlierDetection) -> Value {
    let success_rate = outliers.success_rate.map(|rate| {
        json!({
            "minimumHosts": rate.minimum_hosts,
            "minimumRequests": rate.minimum_requests,
            "stdevFactor": rate.stdev_factor,
        })
    });
    json!({
        "consecutiveFailures": outliers.consecutive_failures,
        "interval": format_duration(outliers.interval),
        "baseEjectionTime": format_duration(outliers.base_ejection_time),
        "maxEjectionPercent": outliers.max_ejection_percent,
        "successRate": success_rate,
    })
}
