//! What the control thread lets operators see: one immutable value, swapped whole.

use crate::plan::Plan;
use crate::rollout::RolloutStatus;
use crate::stats::export::Facts;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that the admin server shows and no counter holds.
#[derive(Debug, Clone)]
pub struct View {
    /// Why the process is not ready, one sentence each; ready when empty.
    pub not_ready: Vec<String>,
    /// The config in force, once there is one.
    pub config: Option<Arc<ConfigView>>,
    /// Every rollout, in the file's order.
    pub rollouts: Vec<RolloutView>,
    /// What `/metrics` shows beside the counters.
    pub facts: Arc<Facts>,
}

impl Default for View {
    /// Before the first plan is loaded.
    fn default() -> Self {
        Self {
            not_ready: vec!["no config is loaded yet".into()],
            config: None,
            rollouts: Vec::new(),
            facts: Arc::default(),
        }
    }
}

/// The config in force.
#[derive(Debug, Clone)]
pub struct ConfigView {
    /// What it means.
    pub plan: Arc<Plan>,
    /// Where it was read.
    pub file: PathBuf,
    /// When, in RFC 3339.
    pub loaded_at: String,
    /// The listeners that are open, by name, with the address that each is bound to.
    pub listeners: Vec<(Arc<str>, SocketAddr)>,
    /// Why the file as it is now was refused, if it was.
    pub last_reload_error: Option<String>,
}

/// A rollout.
#[derive(Debug, Clone)]
pub struct RolloutView {
    /// Its name.
    pub name: Arc<str>,
    /// Its status. Made into JSON by whoever is asked for it, and not at each tick: with its history it is a long one.
    pub status: RolloutStatus,
}
