//! The endpoints: what each path answers.

use super::no::No;
use super::{Sources, View, stream, summary, verbs};
use crate::stats::export::{CONTENT_TYPE, Exporter};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// The connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// The address at its other end.
    pub(super) address: SocketAddr,
    /// When it is taken down, whatever it is doing.
    pub(super) until: Instant,
}

const INDEX: &str = "\
Serin

GET  /healthz                       alive
GET  /readyz                        ready to take requests, or the reasons why not
GET  /metrics                       for Prometheus
GET  /api/v1/config                 the config in force
GET  /api/v1/rollouts               every rollout: phase, step, weights, evidence, history
GET  /api/v1/rollouts/NAME          one of them
GET  /api/v1/events                 what happened: ?rollout=NAME, ?limit=N (the last N; 100), ?since=ID (those after it)
     with ?follow=true or Accept: text/event-stream, as a stream; Last-Event-ID goes on where it was

What changes something needs the bearer token of admin.tokenFile, or comes from this machine when there is none:

POST /api/v1/rollouts/NAME/promote      go on to the next step, or from a pause; ?full=true skips all steps
POST /api/v1/rollouts/NAME/abort        take the canary out
POST /api/v1/rollouts/NAME/pause        stop the clock; the weight stays, the judge goes on
POST /api/v1/rollouts/NAME/resume       go on from a pause
POST /api/v1/rollouts/NAME/retry        give a revision that was taken out another trial
POST /api/v1/rollouts/NAME/set-weight   ?weight=12.5: give the canary this weight, in percent, and pause there
";

/// What the endpoints work with.
pub(super) struct Desk {
    exporter: Exporter,
    pub(super) sources: Sources,
}

impl Desk {
    pub(super) fn view(&self) -> Arc<View> {
        self.sources.view.load_full()
    }
}

/// Every endpoint. Each request needs a [`Peer`] among its extensions.
pub(super) fn router(sources: Sources) -> Router {
    let view = Arc::clone(&sources.view);
    let exporter = Exporter::new(Arc::clone(&sources.counters), move || Arc::clone(&view.load().facts));
    Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/config", get(config))
        .route("/api/v1/rollouts", get(rollouts))
        .route("/api/v1/rollouts/{name}", get(rollout))
        .route("/api/v1/rollouts/{name}/{verb}", post(verbs::say))
        .route("/api/v1/events", get(stream::events))
        .fallback(async |uri: Uri| {
            No::new(StatusCode::NOT_FOUND, format!("there is nothing at {}; GET / lists what there is", uri.path()))
        })
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let message = format!("{} takes no {method}; GET / lists what there is", uri.path());
            No::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })
        .with_state(Arc::new(Desk { exporter, sources }))
}

async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    let view = desk.view();
    if view.not_ready.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, view.not_ready.join("\n") + "\n").into_response()
}

async fn metrics(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], desk.exporter.text())
}

async fn config(State(desk): State<Arc<Desk>>) -> Result<impl IntoResponse, No> {
    match &desk.view().config {
        Some(config) => Ok(Json(summary::of(config))),
        None => Err(No::not_loaded()),
    }
}

async fn rollouts(State(desk): State<Arc<Desk>>) -> Result<impl IntoResponse, No> {
    let view = loaded(&desk)?;
    Ok(Json(json!({ "rollouts": view.rollouts.iter().map(|rollout| &rollout.status).collect::<Vec<_>>() })))
}

async fn rollout(State(desk): State<Arc<Desk>>, name: Result<Path<String>, PathRejection>) -> Result<Response, No> {
    let Path(name) = name?;
    let view = loaded(&desk)?;
    let found = view.rollouts.iter().find(|rollout| *rollout.name == *name);
    let found = found.ok_or_else(|| No::unknown_rollout(&name, &view))?;
    Ok(Json(&found.status).into_response())
}

/// The view, once there is one: before that no rollout is there, and none is missing either.
fn loaded(desk: &Desk) -> Result<Arc<View>, No> {
    let view = desk.view();
    if view.config.is_some() { Ok(view) } else { Err(No::not_loaded()) }
}
