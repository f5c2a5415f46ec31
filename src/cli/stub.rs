//! A stand-in for the admin server of a running Serin: gives the answers that it was told, and remembers what was asked.

use super::client::AdminArgs;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// The stand-in; its thread lives as long as the test's process.
pub(super) struct Stub {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Gives one whole answer to each connection, in this order, the last one again and again. An empty answer hangs up.
    pub(super) fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&heads);
        std::thread::spawn(move || {
            for round in 0.. {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    request.push(byte[0]);
                }
                heard.lock().unwrap().push(String::from_utf8(request).unwrap());
                let _ = stream.write_all(answers[answers.len().min(round + 1) - 1].as_bytes());
            }
        });
        Self { address, heads }
    }

    /// Always gives this answer.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::start(vec![answer(status, body)])
    }

    pub(super) fn admin(&self) -> AdminArgs {
        AdminArgs::of(self.address.to_string())
    }

    /// The heads of the requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// Their first lines.
    pub(super) fn asked(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// A whole answer in JSON.
pub(super) fn answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// A rollout of five steps in this phase and step (0 for none), as the API shows it.
pub(super) fn status(phase: &str, step: usize) -> Value {
    let weights = [10.0, 30.0, 50.0, 75.0, 100.0];
    let weight = if step == 0 { 0.0 } else { weights[step - 1] };
    let side = |backend: &str, version: &str, weight: f64, failed: u64| {
        json!({ "backend": backend, "version": version, "weight": weight, "ready": backend == "stable" || step > 0,
            "requests": 4_000, "failed": failed, "aborted": 0, "errorRate": f64::from(u32::try_from(failed).unwrap()) / 4_000.0,
            "latency": { "meanMs": 4.5, "p50Ms": 4.4, "p99Ms": 130.0 } })
    };
    let limit = |metric: &str, unit: &str, max: f64, value: f64, verdict: &str, reason: Value, evidence: Value| {
        json!({ "metric": metric, "unit": unit, "max": max, "min": null, "comparedToStable": null, "window": "5m",
            "minSamples": 50, "verdict": verdict, "reason": reason, "value": value, "stableValue": value / 2.0,
            "samples": 4_000, "evidence": evidence, "since": null })
    };
    let decision = |event: &str, step: Value, at: &str, grounds: Value| {
        json!({ "rollout": "data-tier", "revision": "1.5.0", "at": at, "event": event, "step": step, "weight": 10.0,
            "requests": 900, "failed": 1, "grounds": grounds, "limits": [] })
    };
    json!({ "name": "data-tier", "rule": "data-tier/everyone", "phase": phase, "revision": "1.5.0",
        "since": "2026-03-01T12:30:00.000Z", "window": "5m", "message": "step 2 of 5, held 3m of 15m",
        "stable": side("stable", "1.4.1", 100.0 - weight, 2), "canary": side("canary", "1.5.0", weight, 20),
        "steps": weights.map(|weight| json!({ "weight": weight, "holdSeconds": 900.0 })),
        "step": if step == 0 { Value::Null } else { json!(step) }, "heldSeconds": 183.4,
        "limits": [limit("error-rate", "ratio", 0.05, 0.005, "Healthy", Value::Null, json!(0.41)),
            limit("latency-p99", "ms", 500.0, 612.0, "Inconclusive", json!("stable-also-failing"), json!(0.0))],
        "promotionLimits": [limit("latency-mean", "ms", 500.0, 4.5, "Healthy", Value::Null, Value::Null)],
        "webhooks": [{ "name": "load-test", "type": "confirm-rollout", "asked": true, "answer": "no: 503" }],
        "history": [decision("new-revision", Value::Null, "2026-03-01T12:10:00.000Z", json!("plan")),
            decision("started", json!(1), "2026-03-01T12:15:00.000Z", json!("plan")),
            decision("step", json!(2), "2026-03-01T12:30:00.000Z", json!("plan"))],
        "lastDecision": null })
}
