//! Who is told about a decision, and in which words.
//!
//! Two kinds of receivers: alerts, which are for people, so they choose how severe it has to be and are not told the
//! same thing again and again; and webhooks that are told, which are for machines and miss nothing.

mod delivery;
mod facts;
mod format;
mod recent;

pub use delivery::Patience;

use super::hook;
use super::record::Decision;
use super::state::Phase;
use crate::plan::{Rollout, Severity, Webhook, WebhookKind};
use crate::store::Saved;
use bytes::Bytes;
use delivery::{Delivery, Message};
use recent::Recent;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tells alerts and webhooks. Nothing here waits.
#[derive(Debug)]
pub(super) struct Alerter {
    delivery: Delivery,
    recent: Recent,
}

impl Alerter {
    pub(super) fn new(patience: Patience) -> Self {
        Self { delivery: Delivery::new(patience), recent: Recent::default() }
    }

    /// Tells everyone in `spec` who wants to know about `decision`, with which it came to stand in `phase`; once
    /// `saved` has ended.
    pub(super) fn tell(&mut self, spec: &Rollout, phase: Phase, decision: &Decision, saved: Option<&Saved>) {
        let (to, about, severity): (Arc<str>, Arc<str>, _) =
            ("alert".into(), decision.to_string().into(), decision.event.severity());
        for alert in spec.alerts.iter().filter(|alert| decision.event.is_told() && severity >= alert.severity) {
            if self.recent.is_news(&alert.url, decision, Instant::now()) {
                self.delivery.send(Message {
                    url: Arc::clone(&alert.url),
                    body: format::body(alert.format, decision),
                    to: Arc::clone(&to),
                    about: Arc::clone(&about),
                    urgent: severity == Severity::Error,
                    attempt: None,
                    saved: saved.cloned(),
                });
            }
        }
        for webhook in &spec.webhooks {
            if let Some(body) = hook::told(webhook, phase, decision) {
                self.call(webhook, body, &about, saved);
            }
        }
    }

    /// Tells the promotion's webhooks once more that it has begun: whether they heard it before a restart, nobody knows.
    pub(super) fn tell_promotion_again(&mut self, spec: &Rollout, decision: &Decision) {
        for webhook in spec.webhooks.iter().filter(|webhook| webhook.kind == WebhookKind::Promotion) {
            if let Some(body) = hook::told(webhook, Phase::Promoting, decision) {
                self.call(webhook, body, &decision.to_string().into(), None);
            }
        }
    }

    /// Waits until nothing is under way, for `timeout` at most; says how many messages still are.
    pub(super) fn flush(&self, timeout: Duration) -> usize {
        self.delivery.flush(timeout)
    }

    fn call(&mut self, webhook: &Webhook, body: Bytes, about: &Arc<str>, saved: Option<&Saved>) {
        self.delivery.send(Message {
            url: Arc::clone(&webhook.url),
            body,
            to: Arc::clone(&webhook.name),
            about: Arc::clone(about),
            // Without the two others a rollout does not come to its end.
            urgent: webhook.kind != WebhookKind::Event,
            attempt: Some(webhook.timeout),
            saved: saved.cloned(),
        });
    }
}

#[cfg(test)]
pub(super) mod tests;
