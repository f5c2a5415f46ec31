//! Who gets a request: weights, explicit matches, stickiness, and what happens while one side is not there.

use crate::harness::{Client, Dns, Load, Serin, Service, eventually};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const REQUESTS: u64 = 20_000;

/// Two services and a rule over them, as `stable` and `canary`, with more config behind it.
fn two(stable: &Service, canary: &Service, weights: (u32, u32), more: &str) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: web
    rules:
      - name: everyone
        backendRefs: [{{ name: stable, weight: {} }}, {{ name: canary, weight: {} }}]
{more}
"#,
        stable.address(),
        canary.address(),
        weights.0,
        weights.1
    )
}

/// A rollout over that rule which keeps users on their side.
fn sticky_by(stickiness: &str) -> String {
    format!(
        "rollouts:\n  - {{ name: web, rule: web/everyone, stable: stable, canary: canary, stickiness: {stickiness}, \
         rollback: [{{ metric: error-rate, max: 50%, window: 1m }}] }}\n"
    )
}

/// Asserts that `count` of `total` is within five standard errors of `share`: a fair split is further off once in a
/// million times.
#[track_caller]
fn assert_share(what: &str, count: u64, total: u64, share: f64) {
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    let (count, total) = (count as f64, total as f64);
    let error = 5.0 * (total * share * (1.0 - share)).sqrt();
    assert!((count - total * share).abs() <= error, "{what}: {count} of {total} is not {share} within {error:.0}");
}

fn users(prefix: &str, n: usize) -> Vec<String> {
    (0..n).map(|i| format!("{prefix}-{i}")).collect()
}

#[test]
fn each_weight_gets_its_share_of_twenty_thousand_requests() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let mut serin = Serin::start(&two(&stable, &canary, (90, 10), ""));
    let address = serin.address();
    let mut seen = BTreeMap::<&str, u64>::new();
    for (weights, share) in [((90, 10), 0.1), ((999_000, 1_000), 0.001), ((1, 1), 0.5)] {
        serin.reload(&two(&stable, &canary, weights, "# another edit"));
        let report = Load::limited(address, 8, Duration::ZERO, REQUESTS).join();
        report.assert_flawless();
        assert_eq!(report.good(), REQUESTS);
        assert_share(&format!("{weights:?}"), report.from("canary"), REQUESTS, share);
        for name in ["stable", "canary"] {
            *seen.entry(name).or_default() += report.from(name);
        }
    }
    for (name, count) in seen {
        let labels = [("route", "web"), ("rule", "everyone"), ("backend", name), ("code", "200")];
        serin.await_count("serin_requests_total", &labels, count);
        serin.await_count("serin_request_duration_seconds_count", &[("backend", name)], count);
    }
}

#[test]
fn any_number_of_backends_share_a_rule() {
    let services = ["a", "b", "c", "d"].map(Service::start);
    let weights = [60, 25, 15, 0];
    let list: String = services.iter().zip(["a", "b", "c", "d"]).fold(String::new(), |all, (service, name)| {
        all + &format!("  - {{ name: {name}, version: \"1\", endpoints: {{ static: [\"{}\"] }} }}\n", service.address())
    });
    let refs: Vec<_> =
        ["a", "b", "c", "d"].iter().zip(weights).map(|(n, w)| format!("{{ name: {n}, weight: {w} }}")).collect();
    let rules = format!("[{{ name: all, backendRefs: [{}] }}]", refs.join(", "));
    let mut serin = Serin::start(&format!("backends:\n{list}routes: [{{ name: web, rules: {rules} }}]\n"));
    let report = Load::limited(serin.address(), 8, Duration::ZERO, REQUESTS).join();
    report.assert_flawless();
    for (name, share) in [("a", 0.6), ("b", 0.25), ("c", 0.15)] {
        assert_share(name, report.from(name), REQUESTS, share);
    }
    assert_eq!(report.from("d"), 0, "a weight of 0 is none at all");
}

#[test]
fn explicit_matches_are_exact() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let mut serin = Serin::start(&format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: other
    hostnames: ["*.other.example"]
    rules: [{{ name: all, backendRefs: [{{ name: canary }}] }}]
  - name: web
    rules:
      - name: testers
        matches:
          - headers: [{{ name: X-Canary, value: always }}]
          - cookies: [{{ name: canary, value: "1" }}]
          - queryParams: [{{ name: canary, value: "yes" }}]
          - {{ method: PUT, path: {{ type: PathPrefix, value: /put }} }}
          - path: {{ type: Exact, value: /exact }}
          - path: {{ type: PathPrefix, value: /beta }}
          - path: {{ type: RegularExpression, value: "/re/[0-9]+" }}
          - {{ path: {{ type: PathPrefix, value: /both }}, headers: [{{ name: a, value: "1" }}, {{ name: b, value: "2" }}] }}
        backendRefs: [{{ name: canary }}]
      - name: everyone
        backendRefs: [{{ name: stable }}]
"#,
        stable.address(),
        canary.address()
    ));
    let mut client = serin.client();
    let mut expected = 0;
    for (request, fields, canary) in [
        ("GET /", "", false),
        ("GET /", "x-canary: always", true),
        ("GET /", "X-CANARY: always", true),
        ("GET /", "X-Canary: never", false),
        ("GET /", "X-Canary: always2", false),
        ("GET /", "X-Canary: Always", false),
        ("GET /", "Cookie: a=b; canary=1; c=d", true),
        ("GET /", "Cookie: canary=11", false),
        ("GET /", "Cookie: xcanary=1", false),
        ("GET /?canary=yes", "", true),
        ("GET /?a=b&canary=yes&c", "", true),
        ("GET /?canary=no&canary=yes", "", false),
        ("GET /?xcanary=yes", "", false),
        ("PUT /put/x", "", true),
        ("GET /put/x", "", false),
        ("PUT /putx", "", false),
        ("GET /exact", "", true),
        ("GET /exact/", "", false),
        ("GET /exact?q", "", true),
        ("GET /beta", "", true),
        ("GET /beta/x", "", true),
        ("GET /betax", "", false),
        ("GET /re/123", "", true),
        ("GET /re/123x", "", false),
        ("GET /both", "a: 1\r\nb: 2", true),
        ("GET /both", "a: 1", false),
        ("GET http://a.b.other.example/", "", true),
        ("GET http://other.example/", "", false),
    ] {
        let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
        for _ in 0..3 {
            client.send(format!("{request} HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
            let response = client.response();
            let name = if canary { "canary" } else { "stable" };
            assert_eq!((response.status, response.backend()), (200, name), "{request} {fields}");
            expected += u64::from(canary);
        }
    }
    assert_eq!(canary.requests(), expected);
    let rule = [("route", "web"), ("rule", "testers"), ("backend", "canary")];
    serin.await_count("serin_requests_total", &rule, expected - 3);
    serin.await_count("serin_requests_total", &[("route", "other"), ("rule", "all")], 3);
}

/// Which side each user is on; asserts that a user is on one side only.
#[track_caller]
fn sides(client: &mut Client, users: &[String], field: impl Fn(&str) -> String) -> BTreeMap<String, bool> {
    let side = |user: &String| {
        let answers: Vec<_> =
            (0..3).map(|_| client.get_with("/", &format!("{}\r\n", field(user))).backend().to_owned()).collect();
        assert!(answers.windows(2).all(|w| w[0] == w[1]), "{user} was moved about: {answers:?}");
        (user.clone(), answers[0] == "canary")
    };
    users.iter().map(side).collect()
}

#[test]
fn raising_the_weight_moves_users_to_the_canary_and_never_back() {
    for (stickiness, field) in [("{ header: X-User-Id }", "x-user-id: "), ("{ cookie: uid }", "Cookie: a=b; uid=")] {
        let (stable, canary) = (Service::start("stable"), Service::start("canary"));
        let config = |weight| two(&stable, &canary, (100 - weight, weight), &sticky_by(stickiness));
        let mut serin = Serin::start(&config(20));
        let mut client = serin.client();
        let (users, field) = (users("user", 300), |user: &str| format!("{field}{user}"));
        let at_20 = sides(&mut client, &users, field);
        assert_share("at 20", at_20.values().filter(|c| **c).count() as u64, 300, 0.2);
        let mut before = at_20.clone();
        for weight in [21, 50, 100] {
            serin.reload(&config(weight));
            let now = sides(&mut client, &users, field);
            let back: Vec<_> = users.iter().filter(|u| before[*u] && !now[*u]).collect();
            assert!(back.is_empty(), "moved back at {weight}: {back:?}");
            before = now;
        }
        assert!(before.values().all(|canary| *canary), "100 is everybody");
        serin.reload(&config(20));
        assert_eq!(sides(&mut client, &users, field), at_20, "the same users as before");
        // Another process, the same users: nothing is remembered, so nothing can be forgotten.
        let mut serin = serin.restart();
        assert_eq!(sides(&mut serin.client(), &users, field), at_20);
    }
}

#[test]
fn a_request_without_the_key_is_split_at_random() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let mut serin = Serin::start(&two(&stable, &canary, (70, 30), &sticky_by("{ header: x-user-id }")));
    let report = Load::limited(serin.address(), 4, Duration::ZERO, 2_000).join();
    report.assert_flawless();
    assert_share("without a key", report.from("canary"), 2_000, 0.3);
}

#[test]
fn clients_are_told_apart_by_their_address() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let mut serin = Serin::start(&two(&stable, &canary, (60, 40), &sticky_by("{ clientIP: true }")));
    let address = serin.address();
    let side = |n: u8| {
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 1, n));
        let ask = || Client::connect_from(source, address).get("/").backend().to_owned();
        let first = ask();
        assert!((0..3).all(|_| ask() == first), "{source} was moved about");
        first == "canary"
    };
    let on_canary = (1..=200).filter(|n| side(*n)).count() as u64;
    assert_share("addresses", on_canary, 200, 0.4);
}

/// A canary by name and a stable by address, at even weights.
fn by_name(dns: &Dns, stable: &Service, canary: &str, weights: (u32, u32)) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "2", endpoints: {{ dns: "{canary}" }} }}
routes:
  - name: web
    rules:
      - name: everyone
        backendRefs: [{{ name: stable, weight: {} }}, {{ name: canary, weight: {} }}]
rollouts:
  - {{ name: web, rule: web/everyone, stable: stable, canary: canary, rollback: [{{ metric: error-rate, max: 5%, window: 1m }}] }}
dns: {{ nameservers: ["{}"] }}
"#,
        stable.address(),
        weights.0,
        weights.1,
        dns.address()
    )
}

#[test]
fn the_canarys_share_goes_to_stable_while_the_canary_has_no_endpoint() {
    let (dns, stable) = (Dns::start(), Service::start("stable"));
    let mut serin = Serin::start(&by_name(&dns, &stable, "canary.test:8004", (50, 50)));
    let report = Load::limited(serin.address(), 4, Duration::ZERO, 2_000).join();
    report.assert_flawless();
    assert_eq!(report.from("stable"), 2_000, "never a 503 while the other side is well");
    let fallbacks = serin.count("serin_fallback_total", &[]);
    assert_share("counted as fallbacks", fallbacks, 2_000, 0.5);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);

    // It comes up: the share is its own again.
    let canary = Service::start("canary");
    let port = canary.address().port();
    serin.reload(&by_name(&dns, &stable, &format!("canary.test:{port}"), (50, 50)));
    dns.set("canary.test", &[Ipv4Addr::LOCALHOST]);
    let mut client = serin.client();
    eventually("the canary is found", || client.get("/").backend() == "canary");
}

#[test]
fn a_name_is_followed_to_its_new_addresses() {
    let dns = Dns::start();
    dns.set("canary.test", &[Ipv4Addr::new(127, 0, 0, 2)]);
    let first = Service::start_at("127.0.0.2:0".parse().expect("an address"), "first");
    let port = first.address().port();
    let second = Service::start_at(format!("127.0.0.3:{port}").parse().expect("an address"), "second");
    let unused = Service::start("unused");
    let mut serin = Serin::start(&by_name(&dns, &unused, &format!("canary.test:{port}"), (0, 100)));
    let mut client = serin.client();
    eventually("the first address is found", || client.get("/").backend() == "first");
    let load = Load::start(serin.address(), 2, Duration::from_millis(1));
    dns.set("canary.test", &[Ipv4Addr::new(127, 0, 0, 3)]);
    eventually("the second address is found", || client.get("/").backend() == "second");
    load.stop().assert_flawless();
    let settled = first.requests();
    assert!((0..50).all(|_| client.get("/").backend() == "second"));
    assert_eq!(first.requests(), settled);
    assert!(second.requests() >= 50);
}
