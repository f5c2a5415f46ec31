//! `serin check FILE`: what the file means, or everything that is wrong with it.

mod filters;
mod limits;
mod rollout;
mod settings;
mod table;
mod tls;
mod upstream;
mod webhooks;

use super::Outcome;
use crate::config::{self, format_ratio};
use crate::plan::{Plan, RouteId, Rule, Split};
use rollout::rollout;
use settings::settings;
use std::collections::BTreeSet;
use std::path::Path;
use table::Table;

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
        let any = (listener.address.port() == 0).then(|| "(any free port)".to_owned());
        let from: Vec<_> = listener.proxies.iter().map(ToString::to_string).collect();
        let proxied = (!from.is_empty()).then(|| format!("PROXY headers from {}", from.join(", ")));
        let more: Vec<_> = any.into_iter().chain(proxied).collect();
        let tls = tls::server(listener.tls.as_ref());
        table.row("listeners", [&*listener.name, &listener.address.to_string(), &more.join("; "), &tls]);
    }
    let token = plan.admin.token_file.as_ref().map(|file| format!("token in {}", file.display()));
    let token = token.as_deref().unwrap_or("loopback only, no token");
    table.row("admin", ["", &plan.admin.address.to_string(), token, &tls::server(plan.admin.tls.as_ref())]);
    table.to_string()
}

fn backends(plan: &Plan) -> String {
    let mut table = Table::default();
    for backend in &plan.backends {
        let (endpoints, tls) = (backend.endpoints.to_string(), tls::backend(backend.tls.as_ref()));
        table.row("backends", [&*backend.name, &*backend.version, &endpoints, &tls]);
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
        table.row(
            "",
            [&*rule.name, &conditions.to_string(), &shares(plan, rule), &filters::in_words(plan, &rule.filters)],
        );
    }
    format!(
        "route {}, for {}; rules in the order in which they are tried\n{table}",
        plan.routes[id.index()].name,
        hosts.join(", ")
    )
}

/// Who gets which share; where a rollout takes steps, its two sides have one between them.
fn shares(plan: &Plan, rule: &Rule) -> String {
    if rule.filters.redirect.is_some() {
        return "nobody".into();
    }
    if rule.backend_refs.iter().all(|reference| reference.weight == 0) {
        return "nobody: all weights are 0, the answer is 500".into();
    }
    let rollout = rule.rollout.map(|id| &plan.rollouts[id.index()]).filter(|rollout| rollout.progression.is_some());
    let split = Split::new(&rule.backend_refs);
    let (mut shares, mut between) = (Vec::new(), 0.0);
    for (index, reference) in rule.backend_refs.iter().enumerate() {
        let fraction = split.fraction(index);
        if rollout.is_some_and(|rollout| [rollout.stable, rollout.canary].contains(&reference.backend)) {
            between += fraction;
        } else {
            shares.push(format!("{} {}", plan.backends[reference.backend.index()].name, format_ratio(fraction)));
        }
    }
    if let Some(rollout) = rollout {
        let (stable, canary) = (&plan.backends[rollout.stable.index()], &plan.backends[rollout.canary.index()]);
        let of_rule = if shares.is_empty() { String::new() } else { format!(" {}", format_ratio(between)) };
        shares.push(format!("{} and {}{of_rule}, by the rollout's steps", stable.name, canary.name));
    }
    shares.join(", ")
}
