//! Who is asked before a rollout goes on, and who is told what it did.

use std::sync::Arc;
use std::time::Duration;

/// Someone who is asked, or called, at one point of a rollout; as Flagger's webhooks.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Unique among the rollout's webhooks.
    pub name: Arc<str>,
    /// At which point.
    pub kind: WebhookKind,
    /// `http` or `https`; it gets a JSON `POST`.
    pub url: Arc<str>,
    /// For one answer. Default 10 s.
    pub timeout: Duration,
    /// From one answer to the next question. Default 10 s.
    pub interval: Duration,
    /// How many times more a question is put when nobody answers, before that counts. Default 2.
    pub retries: u32,
    /// How many refusals in a row a `rollout` webhook takes to take the canary out. Default 1.
    pub threshold: u32,
    /// Goes into the body.
    pub metadata: Vec<(Arc<str>, Arc<str>)>,
}

/// At which point a [`Webhook`] is called, and what its answer does. 2xx is yes, everything else no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookKind {
    /// A gate before a trial begins.
    ConfirmRollout,
    /// Has to succeed once before the canary gets its first request: a smoke test.
    PreRollout,
    /// A gate before each step.
    ConfirmTrafficIncrease,
    /// Asked again and again while the canary gets traffic: refusals take it out.
    Rollout,
    /// A gate before the promotion.
    ConfirmPromotion,
    /// Called when the promotion begins, to roll stable forward.
    Promotion,
    /// Called when a trial has ended, well or not.
    PostRollout,
    /// Asked again and again while the canary is on trial: a yes takes it out.
    Rollback,
    /// Called with every event.
    Event,
}

impl WebhookKind {
    /// All of them, in the order in which a rollout meets them.
    pub const ALL: [Self; 9] = [
        Self::ConfirmRollout,
        Self::PreRollout,
        Self::ConfirmTrafficIncrease,
        Self::Rollout,
        Self::ConfirmPromotion,
        Self::Promotion,
        Self::PostRollout,
        Self::Rollback,
        Self::Event,
    ];

    /// As the config writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfirmRollout => "confirm-rollout",
            Self::PreRollout => "pre-rollout",
            Self::ConfirmTrafficIncrease => "confirm-traffic-increase",
            Self::Rollout => "rollout",
            Self::ConfirmPromotion => "confirm-promotion",
            Self::Promotion => "promotion",
            Self::PostRollout => "post-rollout",
            Self::Rollback => "rollback",
            Self::Event => "event",
        }
    }
}

/// Someone to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// How the message is written.
    pub format: AlertFormat,
    /// `http` or `https`; it gets a JSON `POST`.
    pub url: Arc<str>,
    /// What is less severe is not told. Default [`Severity::Info`].
    pub severity: Severity,
}

/// How an alert is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertFormat {
    /// The decision record in JSON.
    Webhook,
    /// A Slack incoming webhook's message.
    Slack,
    /// An adaptive card for a Microsoft Teams workflow.
    Teams,
}

/// How much an event matters; Flagger's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It goes as planned.
    Info,
    /// Somebody should look.
    Warn,
    /// A canary was taken out.
    Error,
}

impl Severity {
    /// As the config writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
