//! The server as its clients see it, over real sockets.

mod events;
mod verbs;

use super::{Command, ConfigView, EventLog, RolloutView, Server, Sources, View};
use crate::config::defaults::TIMEOUTS;
use crate::net::tls::ServerName;
use crate::plan::{
    Admin, Alert, AlertFormat, Backend, BackendId, BackendRef, BackendTls, CertificateFiles, Dns, Drain, Endpoints,
    Filters, Grpc, HeaderChanges, Headers, Hostname, Limit, Limits, Listener, Matcher, Metric, Mirror, Part,
    PathModifier, Plan, Protocol, RequestLimit, RequestMatch, Rewrite, Rollout, RolloutId, Route, RouteId, Rule,
    RuleFilters, RuleId, ServerTls, Severity, Store, Timeouts, Upstream,
};
use crate::stats::Registry;
use crate::stats::export::{ConfigFacts, Facts};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Of a rule with two backendRefs, the second of which has filters of its own.
fn filters(copied_to: BackendId) -> RuleFilters {
    let request = HeaderChanges::new(&[("authorization", "secret")], &[], &["x-internal"]);
    let mirrors = vec![Mirror { backend: copied_to, part: Part::new(1, 1_000).unwrap(), place: 0 }];
    let rewrite = Rewrite { hostname: None, path: Some(PathModifier::prefix("/old", "/new")) };
    let rule = Filters { request, mirrors, ..Filters::default() };
    RuleFilters::forwarding(&rule, &[Filters::default(), Filters { rewrite, ..Filters::default() }])
}

fn plan(token_file: Option<PathBuf>) -> Plan {
    let backend = |name: &str, endpoints, tls| Backend {
        name: name.into(),
        version: "1".into(),
        endpoints,
        tls,
        protocol: Protocol::Http1,
        proxy_protocol: None,
        upstream: Upstream::default(),
    };
    let files = CertificateFiles { certificate: "/run/tls/tls.crt".into(), key: "/run/tls/tls.key".into() };
    let listener_tls = ServerTls { certificates: vec![files], client_ca: None };
    let name = ServerName::try_from("canary.example.com").unwrap();
    let canary_tls = BackendTls { ca: None, server_name: Some(name), certificate: None };
    let (stable, canary, rule) = (BackendId::new(0), BackendId::new(1), RuleId::new(0));
    Plan {
        hash: "abc".into(),
        listeners: vec![Listener {
            name: "web".into(),
            address: ([0, 0, 0, 0], 0).into(),
            tls: Some(listener_tls),
            proxies: ["10.0.0.0/8".parse().unwrap()].into(),
        }],
        admin: Admin { address: ([127, 0, 0, 1], 0).into(), token_file, tls: None },
        backends: vec![
            backend("stable", Endpoints::Static(vec![([10, 0, 0, 1], 80).into()]), None),
            backend("canary", Endpoints::Dns { host: "canary".into(), port: 80 }, Some(canary_tls)),
        ],
        routes: vec![Route { name: "data-tier".into() }],
        rules: vec![Rule {
            route: RouteId::new(0),
            name: "everyone".into(),
            backend_refs: vec![BackendRef { backend: stable, weight: 90 }, BackendRef { backend: canary, weight: 10 }],
            filters: filters(stable),
            rollout: Some(RolloutId::new(0)),
            timeouts: TIMEOUTS,
            backend_request: None,
            retry: None,
        }],
        matcher: Matcher::new([(Hostname::Any, RequestMatch::everything(), rule)]),
        rollouts: vec![Rollout {
            name: "data-tier".into(),
            rule,
            stable,
            canary,
            revision: "1".into(),
            stickiness: None,
            stable_caught_up: false,
            progression: None,
            rollback: vec![Limit::Requests(RequestLimit {
                metric: Metric::LatencyMean { max: Duration::from_millis(500) },
                window: Duration::from_secs(300),
                min_requests: 50,
                alpha: 1e-5,
            })],
            webhooks: Vec::new(),
            alerts: vec![Alert {
                format: AlertFormat::Webhook,
                url: "https://hooks.example/secret".into(),
                severity: Severity::Info,
            }],
        }],
        limits: Limits {
            header_bytes: 65_536,
            header_count: 100,
            connections_per_worker: 1,
            connections_per_client: None,
            requests_per_client: None,
            request_body_bytes: None,
        },
        http2: crate::plan::Http2 { max_concurrent_streams: 1, stream_window: 65_536 },
        timeouts: Timeouts {
            header_read: None,
            idle: None,
            connect: None,
            response_head: None,
            response_idle: None,
            request: None,
            tunnel_idle: None,
        },
        headers: Headers { via: false, request_id: true, forwarded: true },
        drain: Drain { grace: Duration::ZERO, timeout: Duration::ZERO },
        store: Store::BesideConfig,
        dns: Dns::default(),
        grpc: Grpc::default(),
    }
}

fn view(token_file: Option<PathBuf>) -> View {
    let config = ConfigView {
        plan: Arc::new(plan(token_file)),
        file: "serin.yaml".into(),
        loaded_at: "2026-03-01T12:34:56.789Z".into(),
        listeners: vec![("web".into(), ([0, 0, 0, 0], 8080).into())],
        last_reload_error: Some("line 3: no such key".into()),
    };
    let side = json!({ "backend": "stable", "version": "1", "weight": 50, "ready": true, "requests": 0, "failed": 0,
        "aborted": 0, "errorRate": null, "latency": { "meanMs": null, "p50Ms": null, "p99Ms": null } });
    let status = json!({ "name": "data-tier", "rule": "data-tier/everyone", "phase": "RolledBack", "revision": "1",
        "since": "2026-03-01T12:34:56.789Z", "window": "5m", "stable": side, "canary": side, "limits": [],
        "lastDecision": null });
    let status = serde_json::from_value(status).unwrap();
    View {
        not_ready: Vec::new(),
        config: Some(Arc::new(config)),
        rollouts: vec![RolloutView { name: "data-tier".into(), status }],
        facts: Arc::default(),
    }
}

/// A server, what it shows, and the control thread's end of its commands.
struct Rig {
    server: Server,
    view: Arc<ArcSwap<View>>,
    events: EventLog,
    commands: mpsc::Receiver<Command>,
}

fn start(view: View) -> Rig {
    start_with(view, EventLog::new(Vec::new()))
}

fn start_with(view: View, events: EventLog) -> Rig {
    let (send, commands) = mpsc::channel(4);
    let view = Arc::new(ArcSwap::from_pointee(view));
    let server = Server::bind(([127, 0, 0, 1], 0).into(), Arc::default(), sources(&view, &events, send)).unwrap();
    Rig { server, view, events, commands }
}

fn sources(view: &Arc<ArcSwap<View>>, events: &EventLog, commands: mpsc::Sender<Command>) -> Sources {
    Sources { counters: Arc::new(Registry::new(1)), view: Arc::clone(view), events: events.reader(), commands }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends one request and reads to the end: the status, the head, the body.
fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> (u16, String, String) {
    let mut stream = connect(address);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

impl Rig {
    fn ask(&self, method: &str, path: &str, fields: &str) -> (u16, String, String) {
        ask(self.server.local_addr(), method, path, fields)
    }
}

#[test]
fn ready_only_when_nothing_speaks_against_it_but_always_alive() {
    let rig = start(View::default());
    assert_eq!(rig.ask("GET", "/healthz", "").0, 200);
    let (status, _, body) = rig.ask("GET", "/readyz", "");
    assert_eq!((status, body.as_str()), (503, "no config is loaded yet\n"));
    for path in ["/api/v1/config", "/api/v1/rollouts", "/api/v1/rollouts/data-tier"] {
        assert_eq!(rig.ask("GET", path, "").0, 503, "{path}: no rollout is missing before there is a config");
    }
    assert_eq!(rig.ask("POST", "/api/v1/rollouts/data-tier/retry", "").0, 503);
    let not_ready = vec!["listener `web` is not bound".into(), "draining".into()];
    rig.view.store(Arc::new(View { not_ready, ..view(None) }));
    assert_eq!(rig.ask("GET", "/readyz", "").2, "listener `web` is not bound\ndraining\n");
    rig.view.store(Arc::new(view(None)));
    assert_eq!(rig.ask("GET", "/readyz", "").0, 200);
    assert_eq!(rig.ask("HEAD", "/readyz", "").2, "");
}

#[test]
fn the_config_in_force_is_shown_without_its_secrets() {
    let rig = start(view(Some("/run/secrets/token".into())));
    let (status, _, body) = rig.ask("GET", "/api/v1/config", "");
    assert_eq!(status, 200);
    assert!(!body.contains("secret\""), "neither in addresses nor in fields: {body}");
    let config = json_of(&body);
    assert_eq!(config["hash"], "abc");
    assert_eq!(config["loadedAt"], "2026-03-01T12:34:56.789Z");
    assert_eq!(config["lastReloadError"], "line 3: no such key");
    assert_eq!(config["listeners"][0]["bound"], "0.0.0.0:8080");
    assert_eq!(config["listeners"][0]["tls"]["certificates"][0]["keyFile"], "/run/tls/tls.key");
    assert_eq!((&config["admin"]["tls"], &config["backends"][0]["tls"]), (&Value::Null, &Value::Null));
    assert_eq!(config["listeners"][0]["proxyProtocol"]["from"][0], "10.0.0.0/8");
    assert_eq!(config["backends"][0]["proxyProtocol"], Value::Null);
    assert_eq!(config["backends"][1]["endpoints"]["dns"], "canary:80");
    assert_eq!(config["backends"][1]["tls"]["serverName"], "canary.example.com");
    let rule = &config["routes"][0]["rules"][0];
    assert_eq!((&rule["backendRefs"][1]["name"], &rule["backendRefs"][1]["weight"]), (&"canary".into(), &10.into()));
    let modifier = json!({ "set": [{ "name": "authorization" }], "add": [], "remove": ["x-internal"] });
    let mirror = json!({ "backendRef": { "name": "stable" }, "fraction": { "numerator": 1, "denominator": 1_000 } });
    let path = json!({ "type": "ReplacePrefixMatch", "replacePrefixMatch": "/new" });
    let of_rule = [
        json!({ "type": "RequestHeaderModifier", "requestHeaderModifier": modifier }),
        json!({ "type": "RequestMirror", "requestMirror": mirror }),
    ];
    let own = json!({ "type": "URLRewrite", "urlRewrite": { "hostname": null, "path": path } });
    assert_eq!(rule["backendRefs"][0]["filters"], json!(of_rule));
    assert_eq!(rule["backendRefs"][1]["filters"], json!([of_rule[0], own, of_rule[1]]));
    assert_eq!(rule["filters"], json!([]), "nothing is done to answers of Serin's own");
    assert_eq!(config["rollouts"][0]["rule"], "data-tier/everyone");
    assert_eq!(config["rollouts"][0]["rollback"][0]["max"], "500ms");
}

#[test]
fn rollouts_are_listed_and_found_by_name() {
    let rig = start(view(None));
    let (_, _, all) = rig.ask("GET", "/api/v1/rollouts", "");
    assert_eq!(json_of(&all)["rollouts"][0]["phase"], "RolledBack");
    assert_eq!(json_of(&rig.ask("GET", "/api/v1/rollouts/data%2Dtier", "").2)["phase"], "RolledBack");
    let (status, _, body) = rig.ask("GET", "/api/v1/rollouts/data-teir", "");
    assert_eq!(status, 404);
    assert_eq!(json_of(&body)["error"], "there is no rollout `data-teir`; did you mean `data-tier`?");
}

#[test]
fn what_is_not_there_and_what_is_not_taken_is_said_in_json() {
    let rig = start(view(None));
    let (status, _, body) = rig.ask("GET", "/nowhere", "");
    assert_eq!(status, 404);
    assert!(json_of(&body)["error"].as_str().unwrap().contains("/nowhere"));
    let (status, head, body) = rig.ask("GET", "/api/v1/rollouts/data-tier/retry", "");
    assert_eq!(status, 405);
    assert!(head.contains("allow: post"), "{head}");
    assert!(json_of(&body)["error"].as_str().unwrap().contains("takes no GET"));
    assert!(rig.ask("GET", "/", "").2.contains("/metrics"));
}

#[test]
fn metrics_show_the_facts_of_the_view_in_force() {
    let rig = start(view(None));
    let config = ConfigFacts { hash: "xyz".into(), ..ConfigFacts::default() };
    let facts = Facts { config, ..Facts::default() };
    rig.view.store(Arc::new(View { facts: Arc::new(facts), ..view(None) }));
    let (status, head, body) = rig.ask("GET", "/metrics", "");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("serin_config_info{hash=\"xyz\"} 1\n"), "{body}");
}

#[test]
fn connections_that_lie_idle_or_never_read_keep_nobody_out() {
    let rig = start(view(None));
    let address = rig.server.local_addr();
    let stuck: Vec<_> = (0..200)
        .map(|i| {
            let mut stream = connect(address);
            let sent: &[u8] = if i % 2 == 0 { b"GET /metr" } else { b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" };
            // The server may have closed an early one to make room: that is the point.
            let _ = stream.write_all(sent);
            stream
        })
        .collect();
    assert_eq!(rig.ask("GET", "/healthz", "").0, 200);
    assert_eq!(rig.ask("GET", "/metrics", "").0, 200);
    drop(stuck);
}

#[test]
fn a_taken_address_is_an_error_that_names_it() {
    let rig = start(view(None));
    let (commands, _) = mpsc::channel(1);
    let error = Server::bind(rig.server.local_addr(), Arc::default(), sources(&rig.view, &rig.events, commands))
        .unwrap_err()
        .to_string();
    assert!(error.contains(&rig.server.local_addr().to_string()) && error.contains("admin.address"), "{error}");
}

#[test]
fn a_dropped_server_frees_its_address() {
    let rig = start(view(None));
    let address = rig.server.local_addr();
    drop(rig.server);
    assert!(TcpStream::connect(address).is_err());
}
