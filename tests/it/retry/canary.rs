//! What a canary fails at, stable does in its place; and the canary is charged all the same.

use super::{OK, closed_port};
use crate::harness::{Backend, Conn, Load, Serin, Service, black_hole, eventually};
use std::net::SocketAddr;
use std::time::Duration;

/// A rule with these keys, half and half between stable and canary, under a rollout; and one for testers.
fn halves(stable: SocketAddr, canary: SocketAddr, keys: &str) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{stable}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ static: ["{canary}"] }} }}
routes:
  - name: web
    rules:
      - name: testers
        matches: [{{ headers: [{{ name: x-canary, value: always }}] }}]
        backendRefs: [{{ name: canary }}]
      - name: everyone
        {keys}
        backendRefs: [{{ name: stable }}, {{ name: canary }}]
rollouts:
  - name: web
    rule: web/everyone
    stable: stable
    canary: canary
    rollback: [{{ metric: error-rate, max: 5%, window: 5m }}]
"#
    )
}

fn canary_is_out(serin: &Serin) -> bool {
    serin.metric("serin_rollout_weight", &[("backend", "canary")]) == 0.0
}

/// Clients that go on until the canary is out see nothing but stable's answers, and it is out soon.
#[track_caller]
fn assert_rescued(serin: &mut Serin, cause: &str) {
    let load = Load::start(serin.address(), 4, Duration::from_millis(40));
    eventually("the canary is out", || canary_is_out(serin));
    let begun = load.begun();
    eventually("the load goes on", || load.begun() > begun + 50);
    let report = load.stop();
    report.assert_flawless();
    assert_eq!(report.good(), report.from("stable"), "{:?}", report.answers);
    let charged = serin.count("serin_failures_total", &[("backend", "canary"), ("cause", cause)]);
    assert!((5..=60).contains(&charged), "{charged} failures took it out");
    assert_eq!(serin.count("serin_requests_total", &[("backend", "canary")]), charged);
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 0);
    assert_eq!(serin.count("serin_requests_total", &[("backend", "stable"), ("code", "200")]), report.good());
}

#[test]
fn a_canary_that_refuses_connections_costs_nobody_an_answer_and_is_out_all_the_same() {
    let stable = Service::start("stable");
    let mut serin = Serin::start(&halves(stable.address(), closed_port(), ""));
    assert_rescued(&mut serin, "connect");
}

#[test]
fn nor_does_one_that_takes_none() {
    let stable = Service::start("stable");
    let (canary, _socket, _held) = black_hole();
    let config = halves(stable.address(), canary, "");
    let mut serin = Serin::start(&format!("{config}timeouts: {{ connect: 200ms }}\n"));
    assert_rescued(&mut serin, "connect-timeout");
}

#[test]
fn nor_does_one_that_has_too_much_to_do() {
    let stable = Service::start("stable");
    let canary = Backend::start(|conn| while conn.request().is_some() && !conn.await_close() {});
    let breaker = "name: canary, circuitBreaker: { maxRequests: 1 }";
    let config = halves(stable.address(), canary.address(), "").replacen("name: canary", breaker, 1);
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    let mut tester = serin.client();
    tester.send("GET / HTTP/1.1\r\nHost: t\r\nx-canary: always\r\n\r\n");
    canary.await_requests(1);
    assert_rescued(&mut serin, "overload");
    // Nobody stands in where the canary is asked for by name.
    let refused = serin.client().get_with("/", "x-canary: always\r\n");
    assert_eq!((refused.status, refused.head.one("x-serin-reason")), (503, Some("overload")));
}

#[test]
fn with_retry_neither_does_one_that_fails_closes_or_hangs() {
    type Script = fn(&mut Conn) -> bool;
    let scripts: [(&str, Script); 3] = [
        ("status", |conn| conn.send("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")),
        ("reset", |_| false),
        ("response-head-timeout", |conn| !conn.await_close()),
    ];
    for (cause, script) in scripts {
        let (stable, canary) =
            (Service::start("stable"), Backend::start(move |conn| while conn.request().is_some() && script(conn) {}));
        let keys = "retry: { attempts: 1, codes: [500], backoff: 1ms, perTryTimeout: 300ms }";
        let mut serin = Serin::start(&halves(stable.address(), canary.address(), keys));
        assert_rescued(&mut serin, cause);
    }
}

#[test]
fn what_cannot_be_sent_twice_is_rescued_where_nothing_was_sent() {
    let stable = Backend::replying(OK);
    let mut serin = Serin::start(&halves(stable.address(), closed_port(), ""));
    let mut client = serin.client();
    let refused = |serin: &Serin| serin.count("serin_failures_total", &[("backend", "canary"), ("cause", "connect")]);
    let mut sent = 0;
    while refused(&serin) < 3 {
        client.send("POST /pay HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().status, 200);
        sent += 1;
        assert!(sent < 100, "half of them are the canary's");
    }
    let requests = stable.requests();
    assert_eq!(requests.len(), sent, "each one once");
    assert!(requests.iter().all(|request| request.body == b"hello"));
    assert_eq!(serin.count("serin_retries_total", &[("backend", "canary")]), refused(&serin));
    assert_eq!(serin.count("serin_retry_budget_exhausted_total", &[]), 0, "nobody asked the budget");
}

#[test]
fn a_rule_for_the_canary_alone_has_nobody_to_be_rescued_by() {
    let stable = Service::start("stable");
    let mut serin = Serin::start(&halves(stable.address(), closed_port(), ""));
    let response = serin.client().get_with("/", "x-canary: always\r\n");
    assert_eq!((response.status, response.head.one("x-serin-reason")), (503, Some("connect-failed")));
    assert_eq!(stable.requests(), 0);
}

#[test]
fn where_stable_is_dead_as_well_each_is_charged_with_its_own() {
    let mut serin = Serin::start(&halves(closed_port(), closed_port(), ""));
    let mut client = serin.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 503);
    }
    let failed = |backend| serin.count("serin_failures_total", &[("backend", backend), ("cause", "connect")]);
    assert_eq!(failed("stable"), 20, "every request came to it in the end");
    let canarys = failed("canary");
    assert!((1..20).contains(&canarys), "{canarys}");
    assert!(!canary_is_out(&serin), "stable shows the same");
}

#[test]
fn stable_is_sent_what_its_own_filters_make_of_the_request() {
    let stable = Backend::replying("HTTP/1.1 200 OK\r\nx-from: backend\r\nContent-Length: 2\r\n\r\nok");
    let change = |side: &str| {
        let set = format!("set: [{{ name: x-side, value: {side} }}]");
        format!(
            "filters: [{{ type: RequestHeaderModifier, requestHeaderModifier: {{ {set} }} }}, \
             {{ type: ResponseHeaderModifier, responseHeaderModifier: {{ {set} }} }}]"
        )
    };
    let rewrite = "{ type: URLRewrite, urlRewrite: { path: { type: ReplaceFullPath, replaceFullPath: /next } } }";
    let config = halves(stable.address(), closed_port(), "").replace(
        "[{ name: stable }, { name: canary }]",
        &format!(
            "[{{ name: stable, weight: 0, {} }}, {{ name: canary, {} }}]",
            change("stable"),
            change("canary").replace("filters: [", &format!("filters: [{rewrite}, "))
        ),
    );
    let mut serin = Serin::start(&config);
    let mut client = serin.client();
    for request in [
        "GET /asked HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST /asked HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
        "POST /asked HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        client.send(request);
        let response = client.response();
        assert_eq!((response.status, response.head.one("x-side")), (200, Some("stable")));
    }
    let requests = stable.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.target(), request.head.one("x-side")), ("/asked", Some("stable")));
        assert!(request.method() == "GET" || request.body == b"hello", "{request:?}");
    }
    assert_eq!(serin.count("serin_failures_total", &[("backend", "canary")]), 3);
}
