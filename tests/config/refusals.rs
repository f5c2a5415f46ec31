//! Everything that is refused, one by one: exactly one problem each, so that no mistake brings others in its train.

mod limits;
mod retries;
mod steps;
mod tell;

use super::{GOOD, STEPPED, check_text, edited, with};

/// Checks that `text` is refused for one reason only, which says `expected`.
fn refused(text: &str, expected: &str) {
    let problems = check_text(text).expect_err(expected);
    let lines = problems.lines();
    assert!(lines.len() == 1 && lines[0].contains(expected), "expected `{expected}` alone, found {lines:#?} in {text}");
}

#[test]
fn the_good_files_are_good() {
    for text in [GOOD, STEPPED] {
        check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)));
    }
}

#[test]
fn shapes_and_keys() {
    refused("", "the file is empty");
    refused("# nothing\n", "the file is empty");
    refused("listeners", "expected a mapping");
    refused(&with("a: [1"), "not YAML: ");
    refused(&with("---\nb: 1"), "one document a file");
    refused(&with("timeout: {}"), "unknown key `timeout` (did you mean `timeouts`?)");
    refused(&with("routes: []"), "`routes` is there twice");
    refused(&with("tls: {}"), "does not have `tls` yet");
    refused(&with("timeouts: 5s"), "expected a mapping");
    refused(&with("headers: { via: yes }"), "expected `true` or `false`, found `yes`");
    refused(&with("headers: { via: \"true\" }"), "found the text \"true\"");
    refused(&edited("weight: 90", "weight: ninety"), "expected a whole number, found `ninety`");
    refused(&edited("weight: 90", "weight: -1"), "expected a whole number, found `-1`");
    refused(&edited("weight: 90", "weight: \"90\""), "expected a whole number, found the text \"90\"");
}

#[test]
fn what_is_required() {
    let problems = check_text("limits: {}").unwrap_err().lines();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for key in ["listeners", "backends", "routes"] {
        assert!(problems.iter().any(|line| line.ends_with(&format!("`{key}` is missing"))), "{problems:#?}");
    }
    refused(&edited("name: web, ", ""), "`name` is missing");
    refused(&edited(", address: \"127.0.0.1:8080\"", ""), "`address` is missing");
    refused(&edited("address: \"127.0.0.1:8080\"", "address:"), "`address` is empty");
    refused(&edited("    stable: stable\n", ""), "`stable` is missing");
    refused(&edited("        backendRefs: [{ name: canary }]\n", ""), "`backendRefs` is missing");
    refused(&edited("[{ name: canary }]", "[]"), "`backendRefs` has nothing in it");
    refused(
        &edited("listeners:\n  - { name: web, address: \"127.0.0.1:8080\" }", "listeners: []"),
        "`listeners` has nothing in it",
    );
    refused(&edited("max: 5%, ", ""), "`max` is missing");
    refused(&edited(", window: 5m", ""), "`window` is missing");
    refused(&edited("{ url: \"https://hooks.example.com/x\" }", "{}"), "`url` is missing");
    refused(&edited("static: [\"10.0.0.1:8004\"]", "static: []"), "`static` has nothing in it");
    refused(
        &edited("[{ headers: [{ name: X-Canary, value: always }] }]", "[{ headers: [{ name: a }] }]"),
        "`value` is missing",
    );
}

#[test]
fn names_and_references() {
    refused(&edited("name: web,", "name: \"a b\","), "`a b` is no name");
    refused(&edited("- name: testers", "- name: a/b"), "`a/b` is no name");
    refused(&edited("- name: testers", "- name: everyone"), "two rules are called `everyone`");
    refused(
        &with("# x").replace("backends:\n", "backends:\n  - { name: stable, endpoints: { dns: \"x:1\" } }\n"),
        "two backends are called `stable`",
    );
    refused(
        &edited("listeners:\n", "listeners:\n  - { name: web, address: \"127.0.0.1:1\" }\n"),
        "two listeners are called `web`",
    );
    refused(
        &edited("[{ name: canary }]", "[{ name: canari }]"),
        "no backend is called `canari` (did you mean `canary`?)",
    );
    refused(&edited("[{ name: canary }]", "[{ name: other }]"), "known here: `canary` and `stable`");
    refused(&edited("[{ name: canary }]", "[{ name: canary }, { name: canary }]"), "the rule refers to `canary` twice");
    refused(
        &edited("rule: shop/everyone", "rule: shop/everyon"),
        "no rule is called `shop/everyon` (did you mean `shop/everyone`?)",
    );
    refused(&edited("    canary: canary", "    canary: canry"), "no backend is called `canry`");
    refused(&edited("    canary: canary", "    canary: stable"), "`stable` and `canary` are the same backend");
    refused(&edited("rule: shop/everyone", "rule: shop/testers"), "the rule does not refer to the backend `stable`");
    refused(
        &with("  - { name: two, rule: shop/everyone, stable: stable, canary: canary, stickiness: { cookie: c } }"),
        "two rollouts guard this rule",
    );
    let both = "[{ name: canary }, { name: stable }]";
    refused(
        &with("  - { name: two, rule: shop/testers, stable: stable, canary: canary, stickiness: { cookie: c } }")
            .replace("[{ name: canary }]", both),
        "two rollouts bring in the same canary (give this one a backend of its own, or lead both to one rule",
    );
    refused(
        &with("  - { name: shop, rule: shop/testers, stable: canary, canary: stable, stickiness: { cookie: c } }")
            .replace("[{ name: canary }]", both),
        "two rollouts are called `shop`",
    );
    refused(&edited("weight: 90", "weight: 1000001"), "a weight of 1000001 is too much");
    refused(&edited("version: \"1.4.1\"", "version: \"\""), "`version` is empty");
    refused(&edited("version: \"1.4.1\"", "version: \"  \""), "`version` is empty");
    refused(&edited("version: \"1.4.1\"", "version: \"1.4.1 \""), "`version` begins or ends with white space");
    refused(&edited("    canary: canary", "    canary: canary\n    revision: \" 1\""), "`revision` begins or ends");
    refused(&edited("  - name: shop\n    rule", "  - name: -shop\n    rule"), "a rollout cannot be called `-shop`");
}

#[test]
fn addresses() {
    refused(&edited("127.0.0.1:8080", ":8080"), "every address is `0.0.0.0:8080`");
    refused(&edited("127.0.0.1:8080", "localhost:8080"), "write `127.0.0.1:8080`");
    refused(&edited("127.0.0.1:8080", "127.0.0.1"), "add a port, as in `127.0.0.1:8080`");
    refused(&edited("127.0.0.1:8080", "::1:8080"), "write `[::1]:8080`");
    refused(&edited("127.0.0.1:8080", "127.0.0.1:99999"), "is no address and port");
    refused(
        &edited("10.0.0.1:8004", "my-service:8004"),
        "a name is for a backend's `endpoints: { dns: \"my-service:8004\" }`",
    );
    refused(&edited("10.0.0.1:8004", "10.0.0.1:0"), "nobody can connect to port 0");
    refused(&edited("\"10.0.0.1:8004\"", "\"10.0.0.1:8004\", \"10.0.0.1:8004\""), "`10.0.0.1:8004` is there twice");
    refused(
        &edited("listeners:\n", "listeners:\n  - { name: x, address: \"127.0.0.1:8080\" }\n"),
        "is taken by another listener",
    );
    refused(
        &edited("listeners:\n", "listeners:\n  - { name: x, address: \"[::]:8080\" }\n"),
        "is taken by another listener",
    );
    refused(&with("admin: { address: \"0.0.0.0:8080\" }"), "`0.0.0.0:8080` is taken by another listener");
    refused(&edited("127.0.0.1:8080", "0.0.0.0:9900"), "is where the admin listener is");
    refused(&with("admin: { tokenFile: \"\" }"), "`tokenFile` is an empty path");
    refused(&with("dns: { nameservers: [one] }"), "`one` is no address and port");
    refused(&with("dns: { nameservers: [\"10.0.0.1:0\"] }"), "nobody can connect to port 0");
    refused(&edited("stable:8004", "stable"), "`stable` has no port (as in `stable:8080`)");
    refused(&edited("stable:8004", "stable:http"), "`http` is no port");
    refused(&edited("stable:8004", "stable:0"), "`0` is no port");
    refused(&edited("stable:8004", "sta ble:1"), "`sta ble` is no host name");
    refused(&edited("stable:8004", "10.0.0.1:80"), "is an address, not a name (write `static: [\"10.0.0.1:80\"]`)");
    refused(
        &edited("{ dns: \"stable:8004\" }", "{ dns: \"stable:1\", static: [\"10.0.0.1:1\"] }"),
        "both `dns` and `static`",
    );
    refused(&edited("{ dns: \"stable:8004\" }", "{}"), "expected one of `dns` and `static`");
    refused(&edited("{ dns: \"stable:8004\" }", "dns"), "expected `{ dns: … }`");
}

#[test]
fn matches() {
    let host = |text: &str| edited("[shop.example.com]", &format!("[\"{text}\"]"));
    refused(&host("*"), "leave `hostnames` out for every host");
    refused(&host("http://a"), "the host alone, without `http://`");
    refused(&host("a:80"), "the host alone, without a port");
    refused(&host("a.*.b"), "a `*` stands alone before the first dot");
    refused(&host("a..b"), "`a..b` is no host name");
    refused(&host("a\", \"A"), "`A` is there twice");
    let m = |text: &str| edited("[{ headers: [{ name: X-Canary, value: always }] }]", &format!("[{{ {text} }}]"));
    refused(&m("path: { value: a }"), "`a` is no path (write `/a`)");
    refused(&m("path: { value: \"/a?b\" }"), "for the query there are `queryParams`");
    refused(&m("path: { value: \"/a b\" }"), "percent-encode");
    refused(&m("path: { type: Prefix, value: /a }"), "unknown value `Prefix`");
    refused(&m("path: { type: exact, value: /a }"), "did you mean `Exact`?");
    refused(&m("path: { type: RegularExpression, value: \"(\" }"), "bad regular expression: unclosed group");
    refused(&m("path: { type: RegularExpression, value: \"a)|(b\" }"), "bad regular expression: unopened group");
    refused(
        &m("path: { type: RegularExpression, value: \"(a{999}){999}\" }"),
        "bad regular expression: Compiled regex exceeds size limit",
    );
    refused(&m("method: get"), "write `GET`");
    refused(&m("method: CONNECT"), "`CONNECT` never reaches a rule");
    refused(&m("method: \"G E\""), "`G E` is no method");
    refused(&m("headers: [{ name: \"a b\", value: x }]"), "`a b` is no name of a header");
    refused(&m("cookies: [{ name: \"a;b\", value: x }]"), "`a;b` is no name of a cookie");
    refused(&m("queryParams: [{ name: \"a=b\", value: x }]"), "`a=b` is no name of a query parameter");
    refused(&m("headers: [{ type: PathPrefix, name: a, value: x }]"), "unknown value `PathPrefix`");
    refused(
        &edited("        matches: [{ headers: [{ name: X-Canary, value: always }] }]\n", ""),
        "no request reaches this rule",
    );
}

#[test]
fn rollouts() {
    refused(&edited("{ header: X-User-Id }", "{ header: \"a b\" }"), "`a b` is no name of a header");
    refused(&edited("{ header: X-User-Id }", "{ cooky: a }"), "unknown key `cooky` (did you mean `cookie`?)");
    refused(&edited("{ header: X-User-Id }", "{ clientIP: false }"), "keeps nobody anywhere");
    refused(&edited("{ header: X-User-Id }", "{ header: a, cookie: b }"), "both `header` and `cookie`");
    refused(
        &edited("    rollback:\n      - { metric: error-rate, max: 5%, window: 5m }\n", ""),
        "nothing can raise these alerts",
    );
    refused(&edited("version: \"1.5.0\", ", ""), "the canary has no version");
    let idle = edited("    rollback:\n      - { metric: error-rate, max: 5%, window: 5m }\n", "");
    refused(&idle.replace("    stickiness: { header: X-User-Id }\n", ""), "this rollout does nothing");
}

#[test]
fn settings() {
    refused(&with("limits: { headerBytes: 1 }"), "`headerBytes` cannot be 1B");
    refused(&with("limits: { headerBytes: 64kib }"), "a size is a whole number of bytes and a unit");
    refused(&with("limits: { headerCount: 0 }"), "`headerCount` cannot be 0");
    refused(&with("limits: { headerCount: 101 }"), "`headerCount` cannot be 101");
    refused(&with("limits: { connectionsPerWorker: 0 }"), "`connectionsPerWorker` cannot be 0");
    refused(&with("http2: { maxConcurrentStreams: 0 }"), "`maxConcurrentStreams` cannot be 0");
    refused(&with("http2: { maxConcurrentStreams: 1001 }"), "`maxConcurrentStreams` cannot be 1001");
    refused(&with("http2: { streamWindow: 8KiB }"), "`streamWindow` cannot be 8KiB");
    refused(&with("http2: { streamWindow: 16MiB, maxConcurrentStreams: 128 }"), "these streams do not fit into one");
    refused(&with("limits: { connectionsPerClient: 0 }"), "`connectionsPerClient` cannot be 0");
    refused(&with("limits: { requestBodyBytes: 0 }"), "`requestBodyBytes` cannot be 0B");
    refused(&with("limits: { requestBodyBytes: much }"), "a size is a whole number of bytes and a unit");
    refused(&with("limits: { requestsPerClient: 10 }"), "expected a mapping");
    refused(&with("limits: { requestsPerClient: { burst: 10 } }"), "`perSecond` is missing");
    refused(&with("limits: { requestsPerClient: { perSecond: 0 } }"), "`perSecond` cannot be 0");
    refused(&with("limits: { requestsPerClient: { perSecond: 1.5 } }"), "expected a whole number");
    refused(&with("limits: { requestsPerClient: { perSecond: 1, burst: 0 } }"), "`burst` cannot be 0");
    for key in ["headerRead", "idle", "connect", "responseHead", "responseIdle", "request", "tunnelIdle"] {
        refused(&with(&format!("timeouts: {{ {key}: 0s }}")), &format!("`{key}` cannot be 0s (`off` waits for ever)"));
        refused(&with(&format!("timeouts: {{ {key}: 10 }}")), "a duration needs a unit: `10s`, `10ms` or `10m`");
    }
    refused(&with("timeouts: { idle: never }"), "a duration is a number and a unit");
    refused(&with("drain: { grace: 5 s }"), "no unit of time is called ` s`");
    refused(&with("drain: { timeout: off }"), "a duration is a number and a unit");
    refused(&with("drain: { timeout: 30d }"), "`timeout` cannot be 30d");
    refused(&with("store: { dir: x }"), "unknown key `dir`");
    refused(&with("store: { file: \"\" }"), "`file` is an empty path");
}
