//! Webhooks and alerts in words.

use crate::config::{format_duration, host_alone};
use crate::plan::{Alert, AlertFormat, Severity, Webhook, WebhookKind};

/// Name, type, where it goes, and what its answer does.
pub(super) fn webhook(hook: &Webhook) -> [String; 4] {
    let every = format!("every {}", format_duration(hook.interval));
    let words = match hook.kind {
        WebhookKind::ConfirmRollout => format!("{every} before the trial begins, until it agrees"),
        WebhookKind::PreRollout => format!("{every} before the canary's first request, until it succeeds"),
        WebhookKind::ConfirmTrafficIncrease => format!("{every} before each step, until it agrees"),
        WebhookKind::Rollout => {
            let refusals = match hook.threshold {
                1 => "a refusal takes it out".into(),
                threshold => format!("{threshold} refusals in a row take it out"),
            };
            format!("{every} while the canary gets traffic: {refusals}")
        }
        WebhookKind::ConfirmPromotion => format!("{every} before the promotion, until it agrees"),
        WebhookKind::Promotion => "when the promotion begins, to roll stable forward".into(),
        WebhookKind::PostRollout => "when the trial has ended, well or not".into(),
        WebhookKind::Rollback => format!("{every} while the canary is on trial: a yes takes it out"),
        WebhookKind::Event => "with every event".into(),
    };
    let patience = format!("{} an answer, {} retries", format_duration(hook.timeout), hook.retries);
    let to = format!("POST {}", host_alone(&hook.url));
    [hook.name.to_string(), hook.kind.name().to_owned(), to, format!("{words} ({patience})")]
}

/// Where it goes, in which format, and what is worth telling.
pub(super) fn alert(alert: &Alert) -> [String; 3] {
    let format = match alert.format {
        AlertFormat::Webhook => "as JSON",
        AlertFormat::Slack => "for Slack",
        AlertFormat::Teams => "for Teams",
    };
    let told = match alert.severity {
        Severity::Info => "about everything",
        Severity::Warn => "about warnings and errors",
        Severity::Error => "about errors",
    };
    [format!("POST {}", host_alone(&alert.url)), format.to_owned(), told.to_owned()]
}
