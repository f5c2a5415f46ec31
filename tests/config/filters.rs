//! Filters as written: what they come to, and what is refused.

use super::{check_text, edited};
use serin::plan::{PathModifier, Plan, Scheme};

/// The rule `everyone`, for `/shop`, with these filters.
fn rule(filters: &str) -> String {
    edited(
        "      - name: everyone\n",
        &format!(
            "      - name: everyone\n        matches: [{{ path: {{ value: /shop }} }}]\n        filters: [{filters}]\n"
        ),
    )
}

/// A rule that redirects.
fn redirect(written: &str) -> String {
    redirecting(&format!("{{ type: RequestRedirect, requestRedirect: {{ {written} }} }}"), "")
}

/// A rule with these filters and without backendRefs.
fn redirecting(filters: &str, more: &str) -> String {
    edited(
        "    rules:\n",
        &format!(
            "    rules:\n      - name: moved\n        matches: [{{ path: {{ value: /old }} }}]\n        filters: [{filters}]\n{more}"
        ),
    )
}

fn headers(written: &str) -> String {
    rule(&format!("{{ type: RequestHeaderModifier, requestHeaderModifier: {{ {written} }} }}"))
}

fn rewrite(written: &str) -> String {
    rule(&format!("{{ type: URLRewrite, urlRewrite: {{ {written} }} }}"))
}

fn refused(text: &str, expected: &str) {
    let problems = check_text(text).expect_err(expected);
    let lines = problems.lines();
    assert!(lines.len() == 1 && lines[0].contains(expected), "expected `{expected}` alone, found {lines:#?} in {text}");
}

fn plan(text: &str) -> Plan {
    check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)))
}

#[test]
fn a_rules_filters_come_before_those_of_its_backend_refs() {
    let both = headers("set: [{ name: X-A, value: rule }], add: [{ name: x-b, value: rule }]").replace(
        "weight: 10 }",
        "weight: 10, filters: [{ type: RequestHeaderModifier, requestHeaderModifier: { set: [{ name: x-a, value: ref }] } }] }",
    );
    let plan = plan(&both);
    let appended = |index| {
        let filters = plan.rules[1].filters.on_the_way_to(index).unwrap();
        assert!(filters.request.drops("X-a") && !filters.request.drops("x-b"));
        filters.request.appended().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    assert_eq!(appended(0), ["x-a: rule", "x-b: rule"]);
    assert_eq!(appended(1), ["x-b: rule", "x-a: ref"]);
    assert!(plan.rules[0].filters.on_the_way_to(0).is_none(), "a rule without filters has none");
}

#[test]
fn a_prefix_is_replaced_where_all_matches_have_it() {
    let replaced = |text: &str| match plan(text).rules[1].filters.on_the_way_to(0).unwrap().rewrite.path.clone() {
        Some(PathModifier::Prefix { matched, replacement }) => (matched.into_string(), replacement.into_string()),
        other => panic!("{other:?}"),
    };
    let text = rewrite("path: { type: ReplacePrefixMatch, replacePrefixMatch: /x/ }");
    assert_eq!(replaced(&text), ("/shop".into(), "/x".into()));
    let two = text
        .replace("[{ path: { value: /shop } }]", "[{ path: { value: /a/ } }, { path: { value: /a }, method: POST }]");
    assert_eq!(replaced(&two), ("/a".into(), "/x".into()));
    let none = text.replace("        matches: [{ path: { value: /shop } }]\n", "");
    assert_eq!(replaced(&none), (String::new(), "/x".into()), "no matches are the prefix /");
}

#[test]
fn a_redirect_needs_no_backends() {
    let plan = plan(&redirect("scheme: https, hostname: Shop.example.com, port: 8443, statusCode: 308"));
    let redirect = plan.rules[0].filters.redirect.clone().unwrap();
    assert_eq!((redirect.scheme, redirect.hostname.as_deref()), (Some(Scheme::Https), Some("shop.example.com")));
    assert_eq!((redirect.port, redirect.code), (Some(8443), 308));
    assert!(plan.rules[0].backend_refs.is_empty());
}

#[test]
fn header_modifiers() {
    refused(&headers(""), "this `RequestHeaderModifier` changes nothing");
    refused(&headers("set: [{ name: HOST, value: a }]"), "use a `URLRewrite` with `hostname`");
    for name in ["Content-Length", "transfer-encoding"] {
        refused(&headers(&format!("remove: [{name}]")), "says where a message ends");
    }
    for name in ["Connection", "keep-alive", "TE", "Upgrade", "Expect", "proxy-authorization", "http2-settings"] {
        refused(&headers(&format!("add: [{{ name: {name}, value: a }}]")), "is between two neighbours on the way");
    }
    let response =
        |list: &str| rule(&format!("{{ type: ResponseHeaderModifier, responseHeaderModifier: {{ {list} }} }}"));
    refused(&response("set: [{ name: host, value: a }]"), "`host` is a field of requests");
    refused(&headers("set: [{ name: \"a b\", value: x }]"), "`a b` is no name of a header");
    refused(&headers("set: [{ name: x-a }]"), "`value` is missing");
    refused(&headers("set: [{ name: x-a, value: \"\" }]"), "`remove` takes a field away");
    refused(&headers("set: [{ name: x-a, value: \" a\" }]"), "white space at either end");
    refused(&headers("set: [{ name: x-a, value: \"a\\r\\nx-b: 1\" }]"), "is no value of a header");
    refused(&headers("set: [{ name: x-a, value: é }]"), "all of ASCII");
    refused(&headers(&format!("set: [{{ name: x-a, value: {} }}]", "a".repeat(4_097))), "at most 4,096 characters");
    refused(&headers(&format!("remove: [{}]", "a".repeat(257))), "at most 256");
    refused(&headers("set: [{ name: x-a, value: a }, { name: X-A, value: b }]"), "`x-a` is there twice");
    refused(&headers("remove: [x-a, X-A]"), "`x-a` is there twice");
    refused(&headers("add: [{ name: X-A, value: a }], remove: [x-a]"), "`x-a` is written here and removed after that");
    let names: Vec<_> = (0..17).map(|n| format!("x-{n}")).collect();
    refused(&headers(&format!("remove: [{}]", names.join(", "))), "`remove` has 17 items");
}

#[test]
fn rewrites() {
    refused(&rewrite(""), "this `URLRewrite` changes nothing");
    refused(&rewrite("hostname: \"*.example.com\""), "is no single host");
    refused(&rewrite("hostname: \"a:80\""), "the host alone, without a port");
    refused(&rewrite("path: { type: ReplaceFullPath }"), "`replaceFullPath` is missing");
    refused(
        &rewrite("path: { type: ReplaceFullPath, replacePrefixMatch: /a }"),
        "`replacePrefixMatch` is of the other type",
    );
    refused(&rewrite("path: { type: ReplaceFullPath, replaceFullPath: a }"), "`a` is no path (write `/a`)");
    refused(&rewrite("path: { type: ReplaceFullPath, replaceFullPath: \"/a?b\" }"), "`/a?b` is no path");
    let prefix = rewrite("path: { type: ReplacePrefixMatch, replacePrefixMatch: \"\" }");
    plan(&prefix);
    let without = "`ReplacePrefixMatch` without one prefix to replace";
    refused(&prefix.replace("value: /shop", "type: Exact, value: /shop"), without);
    refused(&prefix.replace("{ path: { value: /shop } }", "{ path: { value: /a } }, { path: { value: /b } }"), without);
    refused(&prefix.replace("{ path: { value: /shop } }", "{ path: { value: shop } }"), "`shop` is no path");
}

#[test]
fn redirects() {
    refused(&redirect(""), "leads back to where the request came from");
    refused(&redirect("statusCode: 301"), "leads back to where the request came from");
    refused(&redirect("scheme: ftp"), "unknown value `ftp`");
    refused(&redirect("port: 0"), "`port` cannot be 0");
    refused(&redirect("scheme: https, statusCode: 304"), "`statusCode` cannot be 304");
    let text = "{ type: RequestRedirect, requestRedirect: { scheme: https } }";
    refused(&redirecting(text, "        backendRefs: [{ name: stable }]\n"), "`backendRefs` of a rule that redirects");
    let with = |other: &str| redirecting(&format!("{text}, {other}"), "");
    plan(&with("{ type: ResponseHeaderModifier, responseHeaderModifier: { remove: [x-serin-reason] } }"));
    refused(&with("{ type: URLRewrite, urlRewrite: { hostname: a } }"), "`URLRewrite` beside a `RequestRedirect`");
    refused(
        &with("{ type: RequestHeaderModifier, requestHeaderModifier: { remove: [a] } }"),
        "`RequestHeaderModifier` beside a `RequestRedirect`",
    );
    let of_ref = edited("weight: 10 }", &format!("weight: 10, filters: [{text}] }}"));
    refused(&of_ref, "a `RequestRedirect` of a backendRef");
    let guarded = edited("rule: shop/everyone", "rule: shop/moved").replace(
        "    rules:\n",
        &format!("    rules:\n      - name: moved\n        matches: [{{ path: {{ value: /old }} }}]\n        filters: [{text}]\n"),
    );
    let lines = check_text(&guarded).expect_err("it has no backends").lines();
    assert!(lines.iter().all(|line| line.contains("the rule does not refer to the backend")), "{lines:#?}");
}

#[test]
fn mirrors() {
    let mirror = |written: &str| rule(&format!("{{ type: RequestMirror, requestMirror: {{ {written} }} }}"));
    let parts = |text: &str| {
        let plan = plan(text);
        let filters = plan.rules[1].filters.on_the_way_to(0).unwrap();
        filters.mirrors.iter().map(|mirror| (mirror.backend.index(), mirror.part.share())).collect::<Vec<_>>()
    };
    assert_eq!(parts(&mirror("backendRef: { name: canary }")), [(1, 1.0)]);
    assert_eq!(parts(&mirror("backendRef: { name: canary }, percent: 25")), [(1, 0.25)]);
    assert_eq!(parts(&mirror("backendRef: { name: canary }, fraction: { numerator: 1 }")), [(1, 0.01)]);
    let two = "{ type: RequestMirror, requestMirror: { backendRef: { name: stable } } }, \
               { type: RequestMirror, requestMirror: { backendRef: { name: canary }, fraction: { numerator: 1, denominator: 8 } } }";
    assert_eq!(parts(&rule(two)), [(0, 1.0), (1, 0.125)]);
    refused(&mirror("percent: 1"), "`backendRef` is missing");
    refused(&mirror("backendRef: { name: canry }"), "no backend is called `canry` (did you mean `canary`?)");
    refused(&mirror("backendRef: { name: canary }, percent: 101"), "`percent` cannot be 101");
    refused(
        &mirror("backendRef: { name: canary }, percent: 1, fraction: { numerator: 1 }"),
        "both `percent` and `fraction`",
    );
    refused(&mirror("backendRef: { name: canary }, fraction: { numerator: 101 }"), "`numerator` cannot be 101");
    refused(
        &mirror("backendRef: { name: canary }, fraction: { numerator: 0, denominator: 0 }"),
        "`denominator` cannot be 0",
    );
    refused(&mirror("backendRef: { name: canary }, fraction: { denominator: 2 }"), "`numerator` is missing");
    refused(&rule(&two.replace("stable", "canary")), "two mirrors to one backend");
}

#[test]
fn types_and_their_keys() {
    refused(&rule("{ type: URLRewrite }"), "`urlRewrite` is missing");
    refused(&rule("{ urlRewrite: { hostname: a } }"), "`type` is missing");
    refused(&rule("{ type: UrlRewrite, urlRewrite: { hostname: a } }"), "did you mean `URLRewrite`?");
    refused(&rule("{ type: ExtensionRef }"), "unknown value `ExtensionRef`");
    refused(
        &rule("{ type: URLRewrite, urlRewrite: { hostname: a }, requestRedirect: { scheme: https } }"),
        "`requestRedirect` is not for a `URLRewrite`",
    );
    let twice = "{ type: URLRewrite, urlRewrite: { hostname: a } }";
    refused(&rule(&format!("{twice}, {twice}")), "two filters are a `URLRewrite`");
}
