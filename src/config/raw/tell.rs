//! Who is asked before a rollout goes on, and who is told what it did.

use super::{DurationText, LabelText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Someone who is asked, or called, at one point of a rollout. 2xx is yes, everything else no.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Webhook {
    /// Unique among the rollout's webhooks.
    pub(in crate::config) name: At<String>,
    /// At which point, and what the answer does.
    #[serde(rename = "type")]
    pub(in crate::config) kind: At<WebhookType>,
    /// An `http` or `https` address; it gets a JSON `POST`.
    pub(in crate::config) url: At<String>,
    /// For one answer. Default `10s`.
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// From one answer to the next question. Default `10s`.
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// How many times more a question is put when nobody answers, before that counts. Default 2.
    #[schemars(range(max = 10))]
    pub(in crate::config) retries: Option<At<u64>>,
    /// How many refusals in a row take the canary out. Default 1; for `type: rollout` only.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) threshold: Option<At<u64>>,
    /// Texts that go into the body.
    pub(in crate::config) metadata: Option<At<BTreeMap<String, At<LabelText>>>>,
}

/// At which point a webhook is called, and what its answer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum WebhookType {
    /// A gate before a trial begins; needs `steps`.
    ConfirmRollout,
    /// Has to succeed once before the canary gets its first request: a smoke test; needs `steps`.
    PreRollout,
    /// A gate before each step; needs `steps`.
    ConfirmTrafficIncrease,
    /// Asked again and again while the canary gets traffic: refusals take it out.
    Rollout,
    /// A gate before the promotion; needs `steps`.
    ConfirmPromotion,
    /// Called when the promotion begins, to roll stable forward; needs `steps`.
    Promotion,
    /// Called when a trial has ended, well or not.
    PostRollout,
    /// Asked again and again while the canary is on trial: a yes takes it out.
    Rollback,
    /// Called with every event.
    Event,
}

/// Someone to tell, and in which format.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Alert {
    /// The decision record in JSON.
    Webhook(At<Receiver>),
    /// A Slack incoming webhook.
    Slack(At<Receiver>),
    /// A Microsoft Teams workflow.
    Teams(At<Receiver>),
}

/// Where an alert goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Receiver {
    /// An `http` or `https` address; it gets a JSON `POST`.
    pub(in crate::config) url: At<String>,
    /// What is less severe is not told. Default `info`.
    pub(in crate::config) severity: Option<At<Severity>>,
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Severity {
    /// It goes as planned.
    Info,
    /// Somebody should look.
    Warn,
    /// A canary was taken out.
    Error,
}
