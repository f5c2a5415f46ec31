//! What a rule does to what passes, in words.

use crate::config::format_ratio;
use crate::plan::{PathModifier, Plan, Redirect, RuleFilters};

/// In one line; empty when nothing is done.
pub(super) fn in_words(plan: &Plan, filters: &RuleFilters) -> String {
    let mut parts: Vec<String> = filters.redirect.iter().map(redirect).collect();
    let forwarding = || filters.on_every_way();
    if forwarding().any(|filters| !filters.request.is_empty()) {
        parts.push("request headers changed".into());
    }
    if !filters.response.is_empty() || forwarding().any(|filters| !filters.response.is_empty()) {
        parts.push("response headers changed".into());
    }
    for filters in forwarding() {
        let hostname = filters.rewrite.hostname.as_ref().map(|hostname| format!("host rewritten to {hostname}"));
        let path = filters.rewrite.path.as_ref().map(|path| format!("path rewritten {}", modifier(path)));
        let mirrors = filters.mirrors.iter().map(|mirror| {
            let (share, backend) = (format_ratio(mirror.part.share()), &plan.backends[mirror.backend.index()].name);
            format!("{share} copied to {backend}")
        });
        for part in hostname.into_iter().chain(path).chain(mirrors) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    parts.join(", ")
}

fn redirect(redirect: &Redirect) -> String {
    let to = [
        redirect.scheme.map(|scheme| format!("scheme {}", scheme.as_str())),
        redirect.hostname.as_ref().map(|hostname| format!("host {hostname}")),
        redirect.port.map(|port| format!("port {port}")),
        redirect.path.as_ref().map(|path| format!("path {}", modifier(path))),
    ];
    let to: Vec<_> = to.into_iter().flatten().collect();
    format!("redirected with {}: {}", redirect.code, to.join(", "))
}

fn modifier(path: &PathModifier) -> String {
    match path {
        PathModifier::Full(path) => format!("to {path}"),
        PathModifier::Prefix { matched, replacement } => {
            let [matched, replacement] = [matched, replacement].map(|text| if text.is_empty() { "/" } else { text });
            format!("from {matched} to {replacement}")
        }
    }
}
