//! `serin check FILE`: what the file means, or everything that is wrong with it.

use super::{Outcome, upstream};
use crate::config::{self, defaults, format_duration, format_ratio, format_size};
use crate::plan::{LatencyBound, Limit, Metric, Plan, RateBound, Rollout, RouteId, Split, Stickiness, Store};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// Checks the file at `path`; `colour` adds ANSI sequences to the report of what is wrong.
pub fn run(path: &Path, colour: bool) -> Outcome {
    match config::load(path) {
        Ok(loaded) => Outcome { code: 0, stdout: summary(&loaded.plan, path), stderr: String::new() },
        Err(error) => Outcome { code: 2, stdout: String::new(), stderr: error.report(colour) },
    }
}

/// What would run, for a person to compare with what was meant.
fn summary(plan: &Plan, path: &Path) -> String {
    let mut parts = vec![format!("{} is right. This is what it means:\n", path.display()), ends(plan), backends(plan)];
    parts.extend(plan.backends.iter().filter_map(upstream::in_words));
    parts.extend((0..plan.routes.len()).map(|route| rules(plan, RouteId::new(route))));
    parts.extend(plan.rollouts.iter().map(|guard| rollout(plan, guard)));
    parts.push(settings(plan));
    parts.join("\n")
}

/// Where clients and operators connect.
fn ends(plan: &Plan) -> String {
    let mut table = Table::default();
    for listener in &plan.listeners {
        let any = if listener.address.port() == 0 { "(any free port)" } else { "" };
        table.row("listeners", [&*listener.name, &listener.address.to_string(), any]);
    }
    let token = plan.admin.token_file.as_ref().map(|file| format!("token in {}", file.display()));
    table.row("admin", ["", &plan.admin.address.to_string(), token.as_deref().unwrap_or("loopback only, no token")]);
    table.to_string()
}

fn backends(plan: &Plan) -> String {
    let mut table = Table::default();
    for backend in &plan.backends {
        table.row("backends", [&*backend.name, &*backend.version, &backend.endpoints.to_string()]);
    }
    table.to_string()
}

/// The rules of a route, the most specific match first, which is how they are tried.
fn rules(plan: &Plan, id: RouteId) -> String {
    let of_route = || plan.matcher.entries().filter(|(_, _, rule)| plan.rules[rule.index()].route == id);
    let hosts: Vec<_> = {
        let mut seen = BTreeSet::new();
        of_route().map(|(host, _, _)| host.to_string()).filter(|host| seen.insert(host.clone())).collect()
    };
    let first_host = of_route().next().map(|(host, _, _)| host);
    let mut table = Table::default();
    for (_, conditions, rule) in of_route().filter(|(host, _, _)| Some(*host) == first_host) {
        let rule = &plan.rules[rule.index()];
        let split = Split::new(&rule.backend_refs);
        let shares: Vec<_> = rule
            .backend_refs
            .iter()
            .enumerate()
            .map(|(index, reference)| {
                format!("{} {}", plan.backends[reference.backend.index()].name, format_ratio(split.fraction(index)))
            })
            .collect();
        let nobody = rule.backend_refs.iter().all(|reference| reference.weight == 0);
        let shares = if nobody { "nobody: all weights are 0, the answer is 500".into() } else { shares.join(", ") };
        table.row("", [&*rule.name, &conditions.to_string(), &shares]);
    }
    format!(
        "route {}, for {}; rules in the order in which they are tried\n{table}",
        plan.routes[id.index()].name,
        hosts.join(", ")
    )
}

fn rollout(plan: &Plan, rollout: &Rollout) -> String {
    let rule = &plan.rules[rollout.rule.index()];
    let (stable, canary) = (&plan.backends[rollout.stable.index()].name, &plan.backends[rollout.canary.index()].name);
    let mut table = Table::default();
    let revision =
        if rollout.revision.is_empty() { String::new() } else { format!(" (revision {})", rollout.revision) };
    let guards =
        format!("{}/{}, between {stable} and {canary}{revision}", plan.routes[rule.route.index()].name, rule.name);
    table.row("  guards", [&guards]);
    let by = match &rollout.stickiness {
        None => "nothing: every request is drawn anew".into(),
        Some(Stickiness::Header(name)) => format!("the header {name}"),
        Some(Stickiness::Cookie(name)) => format!("the cookie {name}"),
        Some(Stickiness::ClientIp) => "the client's address".into(),
    };
    table.row("  sticks by", [&by]);
    for alert in &rollout.alerts {
        table.row("  alerts", [&format!("POST {}", without_secrets(&alert.url))]);
    }
    let mut limits = Table::default();
    for limit in &rollout.rollback {
        limits.row("  out if", limit_in_words(limit).each_ref().map(String::as_str));
    }
    format!("rollout {}\n{table}{limits}", rollout.name)
}

fn limit_in_words(limit: &Limit) -> [String; 4] {
    let Limit::Requests(limit) = limit else {
        return [limit.name().to_string(), String::new(), String::new(), String::new()];
    };
    let max = match limit.metric {
        Metric::ErrorRate { max: RateBound::Share(max) } => format_ratio(max),
        Metric::Latency { max: LatencyBound::Time(max), .. } | Metric::LatencyMean { max } => format_duration(max),
        _ => String::new(),
    };
    let window = format!("over {}, from {} requests", format_duration(limit.window), limit.min_requests);
    let detector = match limit.metric {
        Metric::LatencyMean { .. } => String::new(),
        _ => format!("or at once on evidence (false alarms {:e})", limit.alpha),
    };
    [limit.metric.to_string(), format!("above {max}"), window, detector]
}

/// A webhook's path is often its password.
fn without_secrets(url: &str) -> String {
    let uri = url.parse::<http::Uri>().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?)));
    parts.map_or_else(|| "…".into(), |(scheme, host)| format!("{scheme}://{host}/…"))
}

/// Where state lives, and what differs from the defaults.
fn settings(plan: &Plan) -> String {
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
        table.row("settings", ["limits, timeouts, headers and drain are the defaults"]);
    }
    for (what, now, default) in other {
        table.row("settings", [what, &now, &format!("(default {default})")]);
    }
    table.to_string()
}

/// Each setting that is not the default: its key, what it is, what the default is.
fn differences(plan: &Plan) -> Vec<(&'static str, String, String)> {
    let timeout = |timeout: Option<Duration>| timeout.map_or_else(|| "off".into(), format_duration);
    let (limits, timeouts, headers, drain) = (&plan.limits, &plan.timeouts, &plan.headers, &plan.drain);
    let (of_limits, of_timeouts) = (defaults::LIMITS, defaults::TIMEOUTS);
    let (of_headers, of_drain) = (defaults::HEADERS, defaults::DRAIN);
    let rows = [
        ("limits.headerBytes", format_size(limits.header_bytes), format_size(of_limits.header_bytes)),
        ("limits.headerCount", limits.header_count.to_string(), of_limits.header_count.to_string()),
        (
            "limits.connectionsPerWorker",
            limits.connections_per_worker.to_string(),
            of_limits.connections_per_worker.to_string(),
        ),
        ("timeouts.headerRead", timeout(timeouts.header_read), timeout(of_timeouts.header_read)),
        ("timeouts.idle", timeout(timeouts.idle), timeout(of_timeouts.idle)),
        ("timeouts.connect", timeout(timeouts.connect), timeout(of_timeouts.connect)),
        ("timeouts.responseHead", timeout(timeouts.response_head), timeout(of_timeouts.response_head)),
        ("timeouts.request", timeout(timeouts.request), timeout(of_timeouts.request)),
        ("headers.via", headers.via.to_string(), of_headers.via.to_string()),
        ("headers.requestId", headers.request_id.to_string(), of_headers.request_id.to_string()),
        ("headers.forwarded", headers.forwarded.to_string(), of_headers.forwarded.to_string()),
        ("drain.grace", format_duration(drain.grace), format_duration(of_drain.grace)),
        ("drain.timeout", format_duration(drain.timeout), format_duration(of_drain.timeout)),
    ];
    rows.into_iter().filter(|(_, now, default)| now != default).collect()
}

/// Rows under a heading on their left, every column as wide as its widest cell.
#[derive(Default)]
struct Table(Vec<Vec<String>>);

impl Table {
    /// A heading that is the same as the row's above is left out.
    fn row<const N: usize>(&mut self, heading: &str, cells: [&str; N]) {
        let mut row = vec![heading.to_owned()];
        row.extend(cells.iter().map(|cell| (*cell).to_owned()));
        self.0.push(row);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const HEADING: usize = 11;
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<_> = (1..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut heading = "";
        for row in &self.0 {
            let shown = if row[0] == heading { "" } else { &row[0] };
            heading = &row[0];
            // A table without headings is indented instead.
            let mut line = if heading.is_empty() { "  ".into() } else { format!("{shown:HEADING$} ") };
            for (cell, width) in row[1..].iter().zip(&widths) {
                if *width > 0 {
                    let _ = write!(line, "{cell:width$}  ");
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
