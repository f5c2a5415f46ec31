//! Webhooks: what they are sent, and what their answers mean.
//!
//! The body is the one that receivers written for Flagger know: `name`, `namespace`, `phase`, `checksum`, and the
//! hook's own `metadata`. What only Serin has, the decision record, stands beside `metadata` and not in it, since such
//! receivers take everything in there for text.
//!
//! Those that are asked answer with their status: 2xx is yes, any other is no. Silence is neither. Those that are told
//! something (`promotion`, `post-rollout`, `event`) are told until they say 2xx, as an alert is, whatever `retries` says.
//! Each is told at least once: an answer that got lost, or a restart during the promotion, has it told the same thing
//! again, and it has to bear that.

use super::call::Client;
use super::call::{self, first_line};
use super::record::{Decision, Grounds, Kind};
use super::state::Phase;
use super::time::duration_text;
use super::trial::HookAnswer;
use crate::plan::{Rollout, Severity, Webhook, WebhookKind};
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// More than this of an answer is not read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// From a silence to the next try of the same question.
const RETRY: Duration = Duration::from_millis(200);

/// A webhook of one rollout, ready to be asked.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    rollout: Arc<str>,
    revision: Arc<str>,
    pub(super) webhook: Webhook,
}

/// What a webhook receives.
#[derive(Debug, Serialize)]
struct Body<'a> {
    /// The rollout's name.
    name: &'a str,
    /// The pod's, from the environment variable `POD_NAMESPACE`; empty outside Kubernetes.
    namespace: String,
    phase: &'static str,
    /// What identifies the version on trial: its revision.
    checksum: &'a str,
    metadata: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a Decision>,
}

impl Call {
    pub(super) fn new(spec: &Rollout, webhook: &Webhook) -> Self {
        let (rollout, revision) = (Arc::clone(&spec.name), Arc::clone(&spec.revision));
        Self { rollout, revision, webhook: webhook.clone() }
    }

    /// Asks once; where nobody answers, a few times more before that is the answer.
    pub(super) async fn ask(&self, client: &Client, phase: Phase) -> HookAnswer {
        let body = Body::new(&self.rollout, phase, &self.revision, &self.webhook).bytes();
        for _ in 0..self.webhook.retries {
            match self.attempt(client, body.clone()).await {
                HookAnswer::Silent(_) => sleep(RETRY).await,
                answer => return answer,
            }
        }
        self.attempt(client, body).await
    }

    async fn attempt(&self, client: &Client, body: Bytes) -> HookAnswer {
        let Webhook { url, timeout, .. } = &self.webhook;
        let until = Instant::now() + *timeout;
        let response = match timeout_at(until, call::post(client, url, body)).await {
            Ok(Ok(response)) => response,
            Ok(Err(why)) => return HookAnswer::Silent(why),
            Err(_) => {
                return HookAnswer::Silent(format!(
                    "{}: no answer within {}",
                    call::host(url),
                    duration_text(*timeout)
                ));
            }
        };
        let status = response.status();
        if status.is_success() {
            return HookAnswer::Yes;
        }
        // The status has been said; why is good to know, but a body that is long, late or broken changes nothing.
        let mut text = Vec::new();
        let _ = timeout_at(until, call::read(response.into_body(), LONGEST_ANSWER, &mut text)).await;
        let line = first_line(&text);
        HookAnswer::No(if line.is_empty() { status.to_string() } else { format!("{status}: {line}") })
    }
}

/// What `webhook` is told about `decision`; `None` if that is none of its business.
pub(super) fn told(webhook: &Webhook, phase: Phase, decision: &Decision) -> Option<Bytes> {
    let concerned = match webhook.kind {
        WebhookKind::Promotion => begins_promotion(decision),
        WebhookKind::PostRollout => matches!(decision.event, Kind::Promoted | Kind::RolledBack),
        WebhookKind::Event => true,
        _ => false,
    };
    concerned.then(|| {
        let mut body = Body::new(&decision.rollout, phase, &decision.revision, webhook);
        body.decision = Some(decision);
        if webhook.kind == WebhookKind::Event {
            let kind = if decision.event.severity() == Severity::Info { "Normal" } else { "Warning" };
            body.metadata.insert("eventMessage", decision.to_string().into());
            body.metadata.insert("eventType", kind.into());
            body.metadata.insert("timestamp", decision.at.unix_ms().to_string().into());
        }
        body.bytes()
    })
}

/// Whether stable is to be rolled forward because of it. Where the traffic only goes back to the canary because stable
/// has gone away, it has been.
pub(super) fn begins_promotion(decision: &Decision) -> bool {
    decision.event == Kind::Promoting && decision.grounds != Grounds::StableNotReady
}

impl<'a> Body<'a> {
    fn new(rollout: &'a str, phase: Phase, revision: &'a str, webhook: &'a Webhook) -> Self {
        let metadata = webhook.metadata.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        Self {
            name: rollout,
            namespace: std::env::var("POD_NAMESPACE").unwrap_or_default(),
            phase: phase.name(),
            checksum: revision,
            metadata: metadata.collect(),
            decision: None,
        }
    }

    fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("texts and numbers").into()
    }
}

#[cfg(test)]
mod tests;
