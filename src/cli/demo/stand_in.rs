//! A stand-in for Serin, to try the demo's own part: it splits and forwards, and judges as it is told to.

use super::{Front, Options, Outcome, run};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
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

    fn status(&self) -> String {
        let (phase, weight) = if self.is_out() { ("RolledBack", 0) } else { ("Progressing", 10) };
        let side = |version: &str, weight: u32| {
            serde_json::json!({ "backend": "any", "version": version, "weight": weight, "ready": true, "requests": 1,
                "failed": 0, "aborted": 0, "errorRate": null, "latency": { "meanMs": 1.0, "p50Ms": 1.0, "p99Ms": 2.0 } })
        };
        serde_json::json!({ "rollouts": [{ "name": "demo", "phase": phase, "stable": side("1.0.0", 100 - weight),
            "canary": side("2.0.0", weight), "limits": [], "lastDecision": null }] })
        .to_string()
    }
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
                        return Ok(Response::new(Full::new(Bytes::from(shared.status()))));
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
    let options = Options { duration: Duration::from_millis(1_500), fail_rate, weight: 10, port: 0, admin_port: 0 };
    let mut out = Vec::new();
    let outcome = run(&options, &mut out, false, |config| Ok(start(config, judge))).unwrap();
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
