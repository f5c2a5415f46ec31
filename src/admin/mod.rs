//! The operators' room: health, metrics, the API.
//!
//! It stands apart from the request's path on purpose. The server has a thread and a runtime of its own, so neither a
//! busy worker slows a scrape nor a stuck scrape holds a worker. It reads what others publish, the counters and one
//! [`View`], and changes nothing itself: a verb that changes something goes to the control thread as a [`Command`], one
//! after the other, and the answer comes back the same way.

mod guard;
mod routes;
mod server;
mod summary;
#[cfg(test)]
mod tests;
mod upstream;
mod view;

pub use server::{BindError, Server};
pub use view::{ConfigView, RolloutView, View};

use crate::stats::Registry;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What the admin server reads, and whom it asks.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The counters.
    pub counters: Arc<Registry>,
    /// What the control thread published last.
    pub view: Arc<ArcSwap<View>>,
    /// To the control thread.
    pub commands: mpsc::Sender<Command>,
}

/// What an operator wants done.
#[derive(Debug)]
pub enum Command {
    /// Give a revision that was taken out another chance.
    Retry {
        /// The rollout's name.
        rollout: String,
        /// Takes the rollout's new status, as `/api/v1/rollouts/NAME` shows it, or why not.
        reply: oneshot::Sender<Result<serde_json::Value, Refusal>>,
    },
}

/// Why the control thread did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no rollout of that name.
    #[error("there is no rollout of that name")]
    Unknown,
    /// Not in the rollout's present phase. The text says why, to a person.
    #[error("{0}")]
    Conflict(String),
    /// It was tried and did not work, such as saving the state. The text says what happened, to a person.
    #[error("{0}")]
    Failed(String),
}
