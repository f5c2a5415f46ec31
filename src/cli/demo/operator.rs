//! What an operator sees: `GET /api/v1/rollouts` of the admin address, asked for as any verb asks.

use crate::cli::client::{AdminArgs, Client};
use crate::rollout::RolloutStatus;
use std::net::SocketAddr;
use std::sync::Arc;

/// The one who looks.
#[derive(Debug)]
pub(super) struct Operator {
    client: Arc<Client>,
}

impl Operator {
    pub(super) fn new(admin: SocketAddr) -> Self {
        let args = AdminArgs::of(format!("http://{admin}"));
        Self { client: Arc::new(Client::new(&args).expect("a socket address makes a URL")) }
    }

    /// The demo's rollout as it stands; `None` when the admin server does not answer, or not in form.
    pub(super) async fn rollout(&self) -> Option<RolloutStatus> {
        let client = Arc::clone(&self.client);
        let answer = tokio::task::spawn_blocking(move || client.get::<serde_json::Value>("/api/v1/rollouts"))
            .await
            .ok()?
            .ok()?;
        serde_json::from_value(answer.pointer("/rollouts/0").cloned()?).ok()
    }
}
