//! What an operator sees: `GET /api/v1/rollouts` of the admin address, read over a socket as anyone would.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The one who looks.
#[derive(Debug)]
pub(super) struct Operator {
    admin: SocketAddr,
}

/// The answer's envelope.
#[derive(Debug, Deserialize)]
struct Answer {
    rollouts: Vec<Rollout>,
}

/// The parts of a rollout's status that the table shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rollout {
    pub(super) phase: String,
    pub(super) stable: Side,
    pub(super) canary: Side,
    pub(super) limits: Vec<Limit>,
}

/// One side of the split.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Side {
    pub(super) version: String,
    pub(super) weight: f64,
    pub(super) error_rate: Option<f64>,
    pub(super) latency: Latency,
}

/// Response times in milliseconds; nothing before the first request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Latency {
    #[serde(rename = "p50Ms")]
    pub(super) p50_ms: Option<f64>,
    #[serde(rename = "p99Ms")]
    pub(super) p99_ms: Option<f64>,
}

/// A limit, and where its evidence stands.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Limit {
    pub(super) metric: String,
    pub(super) verdict: String,
    pub(super) samples: u64,
    /// Over the alarm level: at 1 the canary is out.
    pub(super) evidence: Option<f64>,
}

impl Rollout {
    /// Whether the canary was taken out, and has nothing of the split left.
    pub(super) fn is_out(&self) -> bool {
        self.phase == "RolledBack" && self.canary.weight == 0.0
    }

    /// The part of the traffic that `version` gets, from 0 to 1.
    pub(super) fn share(&self, version: &Side) -> f64 {
        let total = self.stable.weight + self.canary.weight;
        if total > 0.0 { version.weight / total } else { 0.0 }
    }
}

impl Operator {
    pub(super) fn new(admin: SocketAddr) -> Self {
        Self { admin }
    }

    /// The demo's rollout as it stands; `None` when the admin server does not answer in time or in form.
    pub(super) async fn rollout(&self) -> Option<Rollout> {
        let body = tokio::time::timeout(Duration::from_secs(1), self.get("/api/v1/rollouts")).await.ok()??;
        let answer: Answer = serde_json::from_slice(&body).ok()?;
        answer.rollouts.into_iter().next()
    }

    async fn get(&self, path: &str) -> Option<Bytes> {
        let stream = TcpStream::connect(self.admin).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let connection = tokio::spawn(connection);
        let request = Request::get(path).header("host", "admin").body(Empty::<Bytes>::new()).ok()?;
        let response = sender.send_request(request).await.ok()?;
        let body = response.into_body().collect().await.ok()?.to_bytes();
        connection.abort();
        Some(body)
    }
}
