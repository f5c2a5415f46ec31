//! What operators say to a rollout: `POST /api/v1/rollouts/NAME/VERB`.
//!
//! The guard is asked before anything else, so whoever may change nothing learns nothing, not even which names there are.
//! What is left is handed to the control thread, which does one verb after the other.

use super::no::{No, nearest};
use super::query::Parameters;
use super::routes::{Desk, Peer};
use super::{Command, guard};
use crate::rollout::{Verb, VerbError};
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc::error::TrySendError, oneshot};

/// How long the control thread may take for a verb. It ticks ten times a second, and reloads in between.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn say(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Parts,
) -> Result<Response, No> {
    let peer = peer.address;
    let view = desk.view();
    // The token's file is that of the config in force, so a reload can set it, move it or take it away.
    let config = view.config.as_ref().ok_or_else(No::not_loaded)?;
    guard::check(&request, peer, config.plan.admin.token_file.as_deref()).inspect_err(|denied| {
        tracing::warn!(%peer, path = request.uri.path(), "refused an operator's request: {denied}");
    })?;
    let Path((rollout, verb)) = path?;
    if !view.rollouts.iter().any(|known| *known.name == *rollout) {
        return Err(No::unknown_rollout(&rollout, &view));
    }
    let verb = read(&verb, &request.uri)?;
    match ask(&desk, &rollout, verb).await? {
        Ok(status) => {
            tracing::info!(%peer, rollout, %verb, "an operator has spoken");
            Ok(Json(status).into_response())
        }
        Err(VerbError::Unknown { .. }) => Err(No::unknown_rollout(&rollout, &desk.view())),
        Err(error @ VerbError::NotNow { .. }) => {
            tracing::info!(%peer, rollout, %verb, "an operator was told no: {error}");
            Err(No::new(StatusCode::CONFLICT, error.to_string()))
        }
    }
}

/// Has the control thread do it. The outer error is that it could not be asked.
async fn ask(desk: &Desk, rollout: &str, verb: Verb) -> Result<Result<serde_json::Value, VerbError>, No> {
    let (reply, answer) = oneshot::channel();
    let command = Command { rollout: rollout.to_owned(), verb, reply };
    desk.sources.commands.try_send(command).map_err(|error| match error {
        TrySendError::Full(_) => No::unavailable("other operators' requests are still being worked on; try again"),
        TrySendError::Closed(_) => No::unavailable("the process is about to exit"),
    })?;
    match tokio::time::timeout(REPLY_TIMEOUT, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(No::unavailable("the process is about to exit")),
        Err(_) => Err(No::unavailable("no answer within 10 s; it may still be done: look at the rollout")),
    }
}

/// The verb, with what its query adds.
fn read(name: &str, uri: &Uri) -> Result<Verb, No> {
    let parameters = |known| Parameters::of(uri, name, known);
    let plain = |verb| parameters(&[]).map(|_| verb);
    match name {
        "promote" => Ok(Verb::Promote { full: parameters(&["full"])?.flag("full")? }),
        "abort" => plain(Verb::Abort),
        "pause" => plain(Verb::Pause),
        "resume" => plain(Verb::Resume),
        "retry" => plain(Verb::Retry),
        "set-weight" => {
            let expected = "the canary's weight in percent, from 0 to 100, such as 12.5";
            let weight = parameters(&["weight"])?.read("weight", expected, weight)?;
            let missing = || No::bad(format!("set-weight needs ?weight=…: {expected}"));
            weight.map(Verb::SetWeight).ok_or_else(missing)
        }
        other => {
            let hint = nearest(other, Verb::NAMES.into_iter());
            let hint = hint.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
            let message = format!("there is no verb `{other}`{hint} (there are: {})", Verb::NAMES.join(", "));
            Err(No::new(StatusCode::NOT_FOUND, message))
        }
    }
}

fn weight(text: &str) -> Option<f64> {
    text.parse().ok().filter(|weight| (0.0..=100.0).contains(weight))
}
