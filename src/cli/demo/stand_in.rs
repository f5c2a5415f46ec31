//! A stand-in for Serin, to try the demo's own part: it splits and forwards, and judges as it is told to.

use super::{DemoArgs, Front, Outcome, run};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What it does about a canary that fails.
#[derive(Clone, Copy)]
enum Judge {
    TakesItOutAfter(u64),
    LooksAway,
}

struct StandIn {
    address: SocketAddr,
    admin: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    stable: SocketAddr,
    canary: SocketAddr,
    judge: Judge,
    requests: AtomicU64,
    failures: AtomicU64,
}

impl Front for StandIn {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    fn stop(self) {}
}

impl Shared {
    fn is_out(&self) -> bool {
        matches!(self.judge, Judge::TakesItOutAfter(failures) if self.failures.load(Relaxed) >= failures)
    }

    async fn forward(&self) -> Option<Response<Full<Bytes>>> {
        let to_canary = self.requests.fetch_add(1, Relaxed).is_multiple_of(10) && !self.is_out();
        let stream = tokio::net::TcpStream::connect(if to_canary { self.canary } else { self.stable }).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let (head, body) = sender.send_request(Request::new(Full::<Bytes>::default())).await.ok()?.into_parts();
        self.failures.fetch_add(u64::from(!head.status.is_success()), Relaxed);
        Some(Response::from_parts(head, Full::new(body.collect().await.ok()?.to_bytes())))
    }

    fn answer(&self) -> String {
        let status =
            if self.is_out() { status("RolledBack", 0.0, None, 1.0) } else { status("Progressing", 10.0, None, 0.0) };
        json!({ "rollouts": [status] }).to_string()
    }
}

/// A rollout as the admin API shows it, with this weight and these errors of the canary.
pub(super) fn status(phase: &str, weight: f64, errors: Option<f64>, evidence: f64) -> serde_json::Value {
    let side = |backend: &str, version: &str, weight: f64, errors: Option<f64>| {
        let [mean, p50, p99] = [4.5, 4.4, 130.0].map(|ms| errors.map(|_| ms));
        json!({ "backend": backend, "version": version, "weight": weight, "ready": true, "requests": 266, "failed": 1,
            "aborted": 0, "errorRate": errors, "latency": { "meanMs": mean, "p50Ms": p50, "p99Ms": p99 } })
    };
    let limit = |metric: &str, unit: &str, max: f64, verdict: &str, evidence: Option<f64>| {
        json!({ "metric": metric, "unit": unit, "max": max, "window": "30s", "minSamples": 50, "verdict": verdict,
            "reason": null, "value": null, "samples": 266, "evidence": evidence })
    };
    let of_errors = if evidence >= 1.0 { "Breach" } else { "Inconclusive" };
    json!({ "name": "demo", "rule": "demo/everyone", "phase": phase, "revision": "2.0.0",
        "since": "2026-03-01T12:34:56.789Z", "window": "30s",
        "stable": side("stable", "1.0.0", 100.0 - weight, Some(0.0)), "canary": side("canary", "2.0.0", weight, errors),
        "limits": [limit("error-rate", "ratio", 0.05, of_errors, Some(evidence)),
            limit("latency-p99", "ms", 500.0, "Healthy", None)],
        "lastDecision": null })
}

fn start(config: &Path, judge: Judge) -> StandIn {
    let text = std::fs::read_to_string(config).unwrap();
    let mut services = text.split("static: [\"").skip(1).map(|rest| rest.split('"').next().unwrap().parse().unwrap());
    let (stable, canary) = (services.next().unwrap(), services.next().unwrap());
    let (requests, failures) = (AtomicU64::new(0), AtomicU64::new(0));
    let shared = Arc::new(Shared { stable, canary, judge, requests, failures });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut addresses = [true, false].map(|is_admin| runtime.block_on(listen(Arc::clone(&shared), is_admin)));
    let [admin, address] = &mut addresses;
    StandIn { address: *address, admin: *admin, _runtime: runtime }
}

async fn listen(shared: Arc<Shared>, is_admin: bool) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            let answer = service_fn(move |_: Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move {
                    if is_admin {
                        return Ok(Response::new(Full::new(Bytes::from(shared.answer()))));
                    }
                    shared.forward().await.ok_or("no backend")
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    address
}

/// The outcome, what was printed, and the config that was left behind.
fn demo(fail_rate: f64, judge: Judge) -> (Outcome, String, String) {
    let args = DemoArgs { duration: Duration::from_millis(1_500), fail_rate, weight: 10, port: 0, admin_port: 0 };
    let mut out = Vec::new();
    let outcome = run(&args, &mut out, false, |config| Ok(start(config, judge))).unwrap();
    let text = String::from_utf8(out).unwrap();
    let file = Path::new(text.lines().find_map(|line| line.strip_prefix("The config that it ran with: ")).unwrap());
    let config = std::fs::read_to_string(file).unwrap();
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    (outcome, text, config)
}

#[test]
fn a_canary_that_was_taken_out_is_reported_out_with_what_its_service_counted() {
    let (outcome, text, _) = demo(1.0, Judge::TakesItOutAfter(5));
    assert!(outcome.is_as_promised(), "{text}");
    let last = text.lines().last().unwrap();
    let failed = last.strip_prefix("canary 2.0.0 was out after ").unwrap().split(' ').next().unwrap();
    // Five of them were evidence; a few more can be on their way then.
    assert!((5..=5 + 16).contains(&failed.parse::<u64>().unwrap()), "{last}");
    assert!(last.contains("stable lost 0 of "), "{last}");
}

#[test]
fn a_failing_canary_that_stays_in_ends_the_demo_badly() {
    let (outcome, text, _) = demo(1.0, Judge::LooksAway);
    assert!(!outcome.is_as_promised());
    assert!(text.lines().last().unwrap().contains("was not taken out"), "{text}");
}

#[test]
fn a_healthy_canary_stays_in() {
    let (outcome, text, _) = demo(0.0, Judge::TakesItOutAfter(1));
    assert!(outcome.is_as_promised(), "{text}");
    assert!(text.lines().last().unwrap().contains("failed nothing and stayed in"), "{text}");
}

#[test]
fn the_config_that_it_ran_with_is_left_to_be_copied() {
    let (_, _, config) = demo(0.0, Judge::LooksAway);
    assert!(config.contains("weight: 90") && config.contains("error-rate"), "{config}");
}

#[test]
fn without_a_terminal_there_is_a_line_a_second() {
    let (_, text, _) = demo(0.0, Judge::LooksAway);
    let told: Vec<_> = text.lines().filter(|line| line.contains(" canary 2.0.0 ")).collect();
    assert_eq!(told.len(), 2, "at 0 s and at 1 s of 1.5 s: {text}");
}
