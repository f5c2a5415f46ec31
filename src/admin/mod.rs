//! The operators' room: health, metrics, the API.
//!
//! It stands apart from the request's path on purpose. The server has a thread and a runtime of its own, so neither a
//! busy worker slows a scrape nor a stuck scrape holds a worker. It reads what others publish, the counters, one
//! [`View`] and the [`Events`], and changes nothing itself: a verb that changes something goes to the control thread as
//! a [`Command`], one after the other, and the answer comes back the same way.

mod events;
mod guard;
mod no;
mod query;
mod routes;
mod server;
mod stream;
mod summary;
#[cfg(test)]
mod tests;
mod verbs;
mod view;

pub use events::{Event, EventLog, Events};
pub use server::{BindError, Server};
pub use view::{ConfigView, RolloutView, View};

use crate::rollout::{Verb, VerbError};
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
    /// What happened lately.
    pub events: Events,
    /// To the control thread.
    pub commands: mpsc::Sender<Command>,
}

/// What an operator says to a rollout.
#[derive(Debug)]
pub struct Command {
    /// The rollout's name.
    pub rollout: String,
    /// What is to be done.
    pub verb: Verb,
    /// Takes the rollout's new status, as `/api/v1/rollouts/NAME` shows it, or why not.
    pub reply: oneshot::Sender<Result<serde_json::Value, VerbError>>,
}
