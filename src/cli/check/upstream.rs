//! How a backend is kept well, in words: a part of what `serin check` tells.

use super::table::Table;
use crate::config::{format_duration, format_ratio};
use crate::net::proxy_protocol::Version;
use crate::plan::{Backend, CircuitBreaker, HealthCheck, HealthQuestion, OutlierDetection, Protocol, Upstream};

/// What the file says of `backend` beyond its endpoints; `None` when that is nothing.
pub(super) fn in_words(backend: &Backend) -> Option<String> {
    let upstream = &backend.upstream;
    let default = Upstream::default();
    let panic = (upstream.panic_threshold.to_bits() != default.panic_threshold.to_bits())
        .then(|| format!("below {} of the endpoints", format_ratio(upstream.panic_threshold)));
    let speaks = (backend.protocol != Protocol::default()).then(|| backend.protocol.label().into());
    let proxied = |version: Version| format!("the client's address in a PROXY header, {}", version.label());
    let rows = [
        ("  speaks", speaks),
        ("  tells", backend.proxy_protocol.map(proxied)),
        ("  asks", upstream.health.as_ref().map(health)),
        ("  ejects", upstream.outliers.as_ref().map(outliers)),
        ("  ejects", upstream.outliers.as_ref().and_then(success_rate)),
        ("  uses all", panic),
        ("  refuses", breaker(upstream.breaker)),
        (
            "  warms up",
            upstream.slow_start.map(|over| format!("an endpoint that joins over {}", format_duration(over))),
        ),
        ("  renews", renews(upstream)),
    ];
    let mut table = Table::default();
    let mut any = false;
    for (what, how) in rows {
        if let Some(how) = how {
            table.row(what, [&how]);
            any = true;
        }
    }
    any.then(|| format!("backend {}\n{table}", backend.name))
}

fn health(health: &HealthCheck) -> String {
    let question = match &health.question {
        HealthQuestion::Get(path) => format!("GET {path}"),
        HealthQuestion::Grpc(service) if service.is_empty() => "gRPC's health service".into(),
        HealthQuestion::Grpc(service) => format!("gRPC's health service about {service}"),
    };
    format!(
        "{question} every {}, for {} at most; out after {} bad answers, back after {} good ones",
        format_duration(health.interval),
        format_duration(health.timeout),
        health.unhealthy_threshold,
        health.healthy_threshold
    )
}

fn outliers(outliers: &OutlierDetection) -> String {
    format!(
        "after {} failures in a row, for {} and longer, {}% of the endpoints at most",
        outliers.consecutive_failures,
        format_duration(outliers.base_ejection_time),
        outliers.max_ejection_percent
    )
}

fn success_rate(outliers: &OutlierDetection) -> Option<String> {
    let rate = outliers.success_rate?;
    Some(format!(
        "or {} deviations below the mean success rate of {} with {} requests or more in {}",
        rate.stdev_factor,
        rate.minimum_hosts,
        rate.minimum_requests,
        format_duration(outliers.interval)
    ))
}

fn breaker(breaker: CircuitBreaker) -> Option<String> {
    let ceilings = [
        (breaker.max_connections, "connections"),
        (breaker.max_pending_requests, "requests that wait for a connection"),
        (breaker.max_requests, "requests"),
    ];
    let above: Vec<_> = ceilings.iter().filter_map(|(most, what)| Some(format!("{} {what}", (*most)?))).collect();
    (!above.is_empty()).then(|| format!("what is above {}", above.join(", or ")))
}

fn renews(upstream: &Upstream) -> Option<String> {
    let age = upstream.max_connection_age.map(|age| format!("after {}", format_duration(age)));
    let requests = upstream.max_requests_per_connection.map(|count| format!("after {count} requests"));
    let both: Vec<_> = age.into_iter().chain(requests).collect();
    (!both.is_empty()).then(|| format!("connections {}", both.join(", or ")))
}
