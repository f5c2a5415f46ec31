//! What a rule's time-outs and retries are, in words: a part of what `serin check` tells.

use super::table::Table;
use crate::config::format_duration;
use crate::plan::{Plan, Retry, Rule};

/// What the file says of how long `rule`'s requests may take and when they are tried again; `None` when that is nothing.
pub(super) fn in_words(plan: &Plan, rule: &Rule) -> Option<String> {
    let bound = |bound: Option<_>| bound.map_or_else(|| "for ever".into(), format_duration);
    let whole = (rule.timeouts.request != plan.timeouts.request)
        .then(|| format!("{} for a request, with every attempt", bound(rule.timeouts.request)));
    let one = rule.backend_request.map(|most| format!("{} for one attempt", format_duration(most)));
    let rows = [
        ("  waits", whole),
        ("  waits", one),
        ("  retries", rule.retry.as_ref().map(again)),
        ("  retries", rule.retry.as_ref().map(apart)),
    ];
    let mut table = Table::default();
    let mut any = false;
    for (what, how) in rows {
        if let Some(how) = how {
            table.row(what, [&how]);
            any = true;
        }
    }
    any.then(|| format!("rule {}/{}\n{table}", plan.routes[rule.route.index()].name, rule.name))
}

fn again(retry: &Retry) -> String {
    let times = if retry.attempts == 1 { "once".into() } else { format!("{} times at most", retry.attempts) };
    let codes: Vec<_> = retry.codes.iter().map(|code| code.to_string()).collect();
    let or = if codes.is_empty() { String::new() } else { format!(", or a response with {}", codes.join(", ")) };
    format!("{times}, when there is no response{or}")
}

fn apart(retry: &Retry) -> String {
    let each = retry.per_try_timeout.map(|most| format!("; each try {} to the response's head", format_duration(most)));
    format!("after {} or longer{}", format_duration(retry.backoff), each.unwrap_or_default())
}
