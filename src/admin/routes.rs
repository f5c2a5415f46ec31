//! The endpoints: what each path answers.

use super::guard::{self, Denied};
use super::{Command, Refusal, Sources, View, summary};
use crate::stats::export::{CONTENT_TYPE, Exporter};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// How long the control thread may take for a verb. It ticks every quarter of a second and saves with an fsync.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

const INDEX: &str = "\
Serin

GET  /healthz                       alive
GET  /readyz                        ready to take requests, or the reasons why not
GET  /metrics                       for Prometheus
GET  /api/v1/config                 the config in force
GET  /api/v1/rollouts               every rollout: phase, weights, evidence, last decision
GET  /api/v1/rollouts/NAME          one of them
POST /api/v1/rollouts/NAME/retry    give a revision that was taken out another chance
";

struct Desk {
    exporter: Exporter,
    sources: Sources,
}

impl Desk {
    fn view(&self) -> Arc<View> {
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
        .route("/api/v1/rollouts/{name}/retry", post(retry))
        .fallback(async |uri: Uri| {
            Error::new(StatusCode::NOT_FOUND, format!("there is nothing at {}; GET / lists what there is", uri.path()))
        })
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let message = format!("{} takes no {method}; GET / lists what there is", uri.path());
            Error::new(StatusCode::METHOD_NOT_ALLOWED, message)
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

async fn config(State(desk): State<Arc<Desk>>) -> Result<impl IntoResponse, Error> {
    match &desk.view().config {
        Some(config) => Ok(Json(summary::of(config))),
        None => Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "no config is loaded yet")),
    }
}

async fn rollouts(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let view = desk.view();
    Json(json!({ "rollouts": view.rollouts.iter().map(|rollout| &rollout.status).collect::<Vec<_>>() }))
}

async fn rollout(State(desk): State<Arc<Desk>>, name: Result<Path<String>, PathRejection>) -> Result<Response, Error> {
    let Path(name) = name?;
    let view = desk.view();
    let found = view.rollouts.iter().find(|rollout| *rollout.name == *name).ok_or_else(|| unknown(&name, &view))?;
    Ok(Json(&found.status).into_response())
}

async fn retry(
    State(desk): State<Arc<Desk>>,
    Extension(Peer(peer)): Extension<Peer>,
    name: Result<Path<String>, PathRejection>,
    request: Parts,
) -> Result<Response, Error> {
    let view = desk.view();
    // The token's file is that of the config in force, so a reload can set it, move it or take it away.
    let Some(config) = &view.config else {
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "no config is loaded yet"));
    };
    guard::check(&request, peer, config.plan.admin.token_file.as_deref()).inspect_err(|denied| {
        tracing::warn!(%peer, path = request.uri.path(), "refused an operator's request: {denied}");
    })?;
    let Path(name) = name?;
    if !view.rollouts.iter().any(|rollout| *rollout.name == *name) {
        return Err(unknown(&name, &view));
    }
    let (reply, answer) = oneshot::channel();
    desk.sources.commands.try_send(Command::Retry { rollout: name.clone(), reply }).map_err(|error| match error {
        TrySendError::Full(_) => unavailable("other operators' requests are still being worked on; try again"),
        TrySendError::Closed(_) => unavailable("the process is about to exit"),
    })?;
    match tokio::time::timeout(REPLY_TIMEOUT, answer).await {
        Ok(Ok(Ok(status))) => {
            tracing::info!(%peer, rollout = name, "an operator has a rollout tried again");
            Ok(Json(status).into_response())
        }
        Ok(Ok(Err(Refusal::Unknown))) => Err(unknown(&name, &desk.view())),
        Ok(Ok(Err(Refusal::Conflict(why)))) => Err(Error::new(StatusCode::CONFLICT, why)),
        Ok(Ok(Err(Refusal::Failed(why)))) => Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, why)),
        Ok(Err(_)) => Err(unavailable("the process is about to exit")),
        Err(_) => Err(unavailable("no answer within 10 s; it may still be done: look at the rollout")),
    }
}

/// 404, with the name that was probably meant.
fn unknown(name: &str, view: &View) -> Error {
    let likeness = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
    let nearest = view.rollouts.iter().map(|rollout| &*rollout.name).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest {
        Some(nearest) if likeness(nearest) > 0.8 => format!("; did you mean `{nearest}`?"),
        Some(_) => "; GET /api/v1/rollouts lists them".into(),
        None => ": the config has none".into(),
    };
    Error::new(StatusCode::NOT_FOUND, format!("there is no rollout `{name}`{hint}"))
}

fn unavailable(message: &str) -> Error {
    Error::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

/// Answered as `{"error": "..."}`.
#[derive(Debug)]
struct Error {
    status: StatusCode,
    message: String,
}

impl Error {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let status = match denied {
            Denied::NoToken | Denied::WrongToken => StatusCode::UNAUTHORIZED,
            Denied::UnreadableToken { .. } | Denied::EmptyToken { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Denied::NotLoopback(_) | Denied::ForeignHost | Denied::FromPage => StatusCode::FORBIDDEN,
        };
        Self::new(status, denied.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
