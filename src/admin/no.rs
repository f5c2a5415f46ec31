//! How the API says no: a status, and a sentence on what happened and what would be right.

use super::View;
use super::guard::Denied;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Answered as `{"error": "..."}`.
#[derive(Debug)]
pub(super) struct No {
    status: StatusCode,
    message: String,
}

impl No {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 400.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 503.
    pub(super) fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 503, before the first config.
    pub(super) fn not_loaded() -> Self {
        Self::unavailable("no config is loaded yet")
    }

    /// 404, with the rollout that was probably meant.
    pub(super) fn unknown_rollout(name: &str, view: &View) -> Self {
        let hint = match nearest(name, view.rollouts.iter().map(|rollout| &*rollout.name)) {
            Some(nearest) => format!("; did you mean `{nearest}`?"),
            None if view.rollouts.is_empty() => ": the config has none".into(),
            None => "; GET /api/v1/rollouts lists them".into(),
        };
        Self::new(StatusCode::NOT_FOUND, format!("there is no rollout `{name}`{hint}"))
    }
}

/// The one of `known` that was probably meant by `written`.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(&written.to_lowercase(), &known.to_lowercase());
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b))).filter(|nearest| likeness(nearest) > 0.8)
}

impl From<PathRejection> for No {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<Denied> for No {
    fn from(denied: Denied) -> Self {
        let status = match denied {
            Denied::NoToken | Denied::WrongToken => StatusCode::UNAUTHORIZED,
            Denied::UnreadableToken { .. } | Denied::EmptyToken { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Denied::NotLoopback(_) | Denied::ForeignHost | Denied::FromPage => StatusCode::FORBIDDEN,
        };
        Self::new(status, denied.to_string())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.message }))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
