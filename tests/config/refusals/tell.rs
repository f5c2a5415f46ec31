//! Webhooks and alerts.

use super::refused;
use crate::{edited, stepped};

#[test]
fn webhooks() {
    let hook = |from: &str, to: &str| stepped(from, to);
    refused(&hook("name: load, ", ""), "`name` is missing");
    refused(&hook("name: load, ", "name: a/b, "), "`a/b` is no name");
    refused(&hook("type: rollout, ", ""), "`type` is missing");
    refused(&hook("type: rollout, ", "type: rolout, "), "unknown value `rolout` (did you mean `rollout`?)");
    refused(&hook("type: rollout, ", "type: confirm-promotoin, "), "did you mean `confirm-promotion`?");
    refused(&hook("url: \"http://gate/x\", ", ""), "`url` is missing");
    refused(&hook("http://gate/x", "gate/x"), "`gate/x` is no address for a webhook");
    refused(&hook("http://gate/x", "ftp://gate/x"), "`ftp://gate/x` is no address for a webhook");
    refused(&hook("timeout: 5s", "timeout: 0s"), "`timeout` cannot be 0s");
    refused(&hook("interval: 1s", "interval: 0s"), "`interval` cannot be 0s");
    refused(&hook("retries: 0", "retries: 11"), "`retries` cannot be 11");
    refused(&hook("threshold: 3", "threshold: 0"), "`threshold` cannot be 0");
    refused(&hook("type: rollout, ", "type: event, "), "`threshold` has no effect on `type: event`");
    refused(&hook("threshold: 3", "namespace: x"), "unknown key `namespace`");
    refused(&hook("{ team: data, tier: 1 }", "data"), "expected a mapping, found `data`");
    refused(&hook("{ team: data, tier: 1 }", "{ team: [data] }"), "expected a text, found a list");
    refused(&hook("{ team: data, tier: 1 }", "{ team: }"), "`team` is empty");
    refused(&hook("{ team: data, tier: 1 }", "{ team: a, team: b }"), "`team` is there twice");
    let again = "    webhooks:\n      - { name: load, type: event, url: \"http://a\" }\n";
    refused(&hook("    webhooks:\n", again), "two webhooks are called `load`");
}

#[test]
fn alerts() {
    refused(&edited("https://hooks.example.com/x", "ftp://a"), "`ftp://a` is no address for a webhook");
    refused(&edited("https://hooks.example.com/x", "hooks.example.com"), "is no address for a webhook");
    refused(&edited("{ webhook: { url: \"https://hooks.example.com/x\" } }", "{ email: a }"), "unknown key `email`");
    refused(&stepped("https://hooks.example.com/x", "hooks.example.com"), "is no address for Slack");
    refused(
        &stepped(
            "      - slack: { url: \"https://hooks.example.com/x\", severity: error }",
            "      - teams: { url: x }",
        ),
        "is no address for Teams",
    );
    refused(&stepped("severity: error", "severity: eror"), "unknown value `eror` (did you mean `error`?)");
    refused(&stepped("      - slack: {", "      - slack: { channel: x,"), "unknown key `channel`");
    refused(&stepped("      - slack:", "      - slak:"), "unknown key `slak` (did you mean `slack`?)");
}

#[test]
fn nobody_hears_of_a_rollout_that_only_keeps_users_where_they_are() {
    let idle = edited("    rollback:\n      - { metric: error-rate, max: 5%, window: 5m }\n", "");
    refused(&idle, "nothing can raise these alerts");
    let hooked = idle.replace(
        "    alerts: [{ webhook: { url: \"https://hooks.example.com/x\" } }]\n",
        "    webhooks: [{ name: a, type: event, url: \"http://a\" }]\n",
    );
    refused(&hooked, "nothing can raise these webhooks");
    crate::check_text(
        &idle.replace("    alerts:", "    webhooks: [{ name: a, type: rollback, url: \"http://a\" }]\n    alerts:"),
    )
    .unwrap();
}
