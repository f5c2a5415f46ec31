//! What is done to what passes, in the config's own keys: a part of the config as the API shows it.
//!
//! A rule's filters are shown where they are obeyed: with each of its backendRefs, before that one's own; with the rule
//! itself stands what is done to answers that no backend gives. The values of header fields are left out: they may well
//! be credentials.

use crate::plan::{Filters, HeaderChanges, Mirror, PathModifier, Plan, Redirect, Rewrite, RuleFilters, Scheme};
use serde_json::{Value, json};

/// What is done to answers that no backend gives.
pub(super) fn of_rule(filters: &RuleFilters) -> Vec<Value> {
    let response = modifier("ResponseHeaderModifier", "responseHeaderModifier", &filters.response);
    response.into_iter().chain(filters.redirect.as_ref().map(redirect)).collect()
}

/// What is done on the way to a backend and back.
pub(super) fn of_way(plan: &Plan, filters: Option<&Filters>) -> Vec<Value> {
    let Some(filters) = filters else { return Vec::new() };
    let request = modifier("RequestHeaderModifier", "requestHeaderModifier", &filters.request);
    let response = modifier("ResponseHeaderModifier", "responseHeaderModifier", &filters.response);
    let mirrors = filters.mirrors.iter().map(|to| mirror(plan, to));
    request.into_iter().chain(response).chain(rewrite(&filters.rewrite)).chain(mirrors).collect()
}

/// `set`, `add` and `remove` that come to these changes.
fn modifier(kind: &str, key: &str, changes: &HeaderChanges) -> Option<Value> {
    if changes.is_empty() {
        return None;
    }
    let (mut set, mut add, mut remove) = (Vec::<&str>::new(), Vec::new(), Vec::<&str>::new());
    for (name, _) in changes.appended() {
        let is_set = set.iter().any(|other| other.eq_ignore_ascii_case(name));
        if changes.drops(name) && !is_set { set.push(name) } else { add.push(name) }
    }
    for name in changes.dropped() {
        let is_known = set.iter().chain(&remove).any(|other| other.eq_ignore_ascii_case(name));
        if !is_known {
            remove.push(name);
        }
    }
    let fields = |names: Vec<&str>| names.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>();
    Some(json!({ "type": kind, key: { "set": fields(set), "add": fields(add), "remove": remove } }))
}

fn redirect(redirect: &Redirect) -> Value {
    json!({ "type": "RequestRedirect", "requestRedirect": {
        "scheme": redirect.scheme.map(Scheme::as_str),
        "hostname": redirect.hostname,
        "path": redirect.path.as_ref().map(path),
        "port": redirect.port,
        "statusCode": redirect.code,
    } })
}

fn rewrite(rewrite: &Rewrite) -> Option<Value> {
    let shown = json!({ "hostname": rewrite.hostname, "path": rewrite.path.as_ref().map(path) });
    (*rewrite != Rewrite::default()).then(|| json!({ "type": "URLRewrite", "urlRewrite": shown }))
}

fn path(path: &PathModifier) -> Value {
    match path {
        PathModifier::Full(path) => json!({ "type": "ReplaceFullPath", "replaceFullPath": path }),
        PathModifier::Prefix { replacement, .. } => {
            let replacement = if replacement.is_empty() { "/" } else { replacement };
            json!({ "type": "ReplacePrefixMatch", "replacePrefixMatch": replacement })
        }
    }
}

fn mirror(plan: &Plan, mirror: &Mirror) -> Value {
    let (numerator, denominator) = mirror.part.fraction();
    json!({ "type": "RequestMirror", "requestMirror": {
        "backendRef": { "name": plan.backends[mirror.backend.index()].name },
        "fraction": { "numerator": numerator, "denominator": denominator },
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_as_lists_that_come_to_them_and_without_values() {
        let changes =
            |set: &[(&str, &str)], add: &[(&str, &str)], remove: &[&str]| HeaderChanges::new(set, add, remove);
        let rule = changes(&[("X-Tier", "secret")], &[("x-seen", "secret"), ("x-tier", "secret")], &["x-internal"]);
        let both = rule.then(&changes(&[("x-tier", "secret")], &[], &["Server"]));
        for (changes, expected) in [
            (
                &rule,
                json!({ "set": [{ "name": "X-Tier" }], "add": [{ "name": "x-seen" }, { "name": "x-tier" }],
                    "remove": ["x-internal"] }),
            ),
            (
                &both,
                json!({ "set": [{ "name": "x-tier" }], "add": [{ "name": "x-seen" }],
                    "remove": ["x-internal", "server"] }),
            ),
        ] {
            assert_eq!(modifier("T", "t", changes), Some(json!({ "type": "T", "t": expected })));
        }
        assert_eq!(modifier("T", "t", &HeaderChanges::default()), None);
    }

    #[test]
    fn a_rule_that_redirects_shows_where_to() {
        let to = Redirect {
            scheme: Some(Scheme::Https),
            hostname: None,
            path: Some(PathModifier::prefix("/old", "/")),
            port: Some(8_443),
            code: 308,
        };
        let shown = of_rule(&RuleFilters::redirecting(to, HeaderChanges::default()));
        let path = json!({ "type": "ReplacePrefixMatch", "replacePrefixMatch": "/" });
        let expected = json!({ "scheme": "https", "hostname": null, "path": path, "port": 8_443, "statusCode": 308 });
        assert_eq!(shown, [json!({ "type": "RequestRedirect", "requestRedirect": expected })]);
    }
}
