//! How an alert is written: Serin's own JSON, a message for Slack, a card for Teams.

use super::facts::facts;
use crate::plan::{AlertFormat, Severity};
use crate::rollout::record::Decision;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// The body of an alert about `decision`.
pub(super) fn body(format: AlertFormat, decision: &Decision) -> Bytes {
    let body = match format {
        AlertFormat::Webhook => serde_json::to_vec(&Own::new(decision)),
        AlertFormat::Slack => serde_json::to_vec(&slack(decision)),
        AlertFormat::Teams => serde_json::to_vec(&teams(decision)),
    };
    body.expect("a decision is strings and numbers").into()
}

/// What a receiver of Serin's own JSON gets.
#[derive(Debug, Serialize)]
struct Own<'a> {
    /// The same for every try, and for nothing else: `rollout/revision/event/time`.
    id: String,
    event: &'static str,
    severity: &'static str,
    /// One sentence for people.
    message: String,
    decision: &'a Decision,
}

impl<'a> Own<'a> {
    fn new(decision: &'a Decision) -> Self {
        let Decision { rollout, revision, event, at, .. } = decision;
        Self {
            id: format!("{rollout}/{revision}/{}/{at}", event.name()),
            event: event.name(),
            severity: event.severity().name(),
            message: decision.to_string(),
            decision,
        }
    }
}

/// A message for an incoming webhook of Slack: the sentence, and beside a bar in the severity's colour the numbers.
fn slack(decision: &Decision) -> Value {
    let color = match decision.event.severity() {
        Severity::Info => "good",
        Severity::Warn => "warning",
        Severity::Error => "danger",
    };
    let field = |(name, value): (_, String)| json!({ "title": name, "value": slack_text(&value), "short": true });
    let fields: Vec<Value> = facts(decision).into_iter().map(field).collect();
    let text = slack_text(&decision.to_string());
    let seconds = decision.at.unix_ms() / 1_000;
    json!({ "text": text, "attachments": [{ "color": color, "fields": fields, "footer": "Serin", "ts": seconds }] })
}

/// `text` with nothing in it that Slack takes for a link or a mention.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An adaptive card for a workflow of Teams that posts what its webhook receives.
fn teams(decision: &Decision) -> Value {
    let color = match decision.event.severity() {
        Severity::Info => "good",
        Severity::Warn => "warning",
        Severity::Error => "attention",
    };
    let fact = |(name, value): (_, String)| json!({ "title": name, "value": value });
    let facts: Vec<Value> = facts(decision).into_iter().map(fact).collect();
    let title = format!("{}: {}", decision.rollout, decision.event.name());
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": [
            { "type": "TextBlock", "text": title, "weight": "bolder", "size": "medium", "color": color, "wrap": true },
            { "type": "TextBlock", "text": decision.to_string(), "wrap": true },
            { "type": "FactSet", "facts": facts },
        ],
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{breach, decision};
    use super::*;
    use crate::rollout::record::{Grounds, Kind};

    fn written(format: AlertFormat, decision: &Decision) -> Value {
        serde_json::from_slice(&body(format, decision)).unwrap()
    }

    const MESSAGE: &str = "rollout data-tier: canary 1.5.0 taken out: error-rate breaks its limit (at most 5 %) on the \
                           evidence of the latest requests; over 5m it is 50 %, stable 0.1 %, 8 of 16 requests failed \
                           at weight 10 %";

    #[test]
    fn our_own_json_has_the_whole_record_and_an_id() {
        let decision = decision(breach());
        assert_eq!(
            written(AlertFormat::Webhook, &decision),
            json!({
                "id": "data-tier/1.5.0/rolled-back/1970-01-01T00:00:00.000Z",
                "event": "rolled-back", "severity": "error", "message": MESSAGE,
                "decision": serde_json::to_value(&decision).unwrap(),
            })
        );
    }

    #[test]
    fn slack_gets_a_sentence_a_colour_and_the_numbers() {
        let field = |name, value| json!({ "title": name, "value": value, "short": true });
        assert_eq!(
            written(AlertFormat::Slack, &decision(breach())),
            json!({
                "text": MESSAGE,
                "attachments": [{
                    "color": "danger", "footer": "Serin", "ts": 0,
                    "fields": [
                        field("Rollout", "data-tier"), field("Revision", "1.5.0"), field("Step", "1"),
                        field("Weight", "10 %"), field("Limit", "error-rate at most 5 % over 5m"),
                        field("Value", "50 %"), field("Stable", "0.1 %"), field("Samples", "16"),
                        field("Since", "1970-01-01T00:00:00.000Z"), field("Failed requests", "8 of 16"),
                    ],
                }],
            })
        );
    }

    #[test]
    fn nothing_in_a_text_calls_people_in_slack() {
        let grounds = Grounds::Webhook { name: "check".into(), answer: "403 <!channel> & more".into() };
        let text = written(AlertFormat::Slack, &decision(grounds))["text"].as_str().unwrap().to_owned();
        assert!(text.contains("403 &lt;!channel&gt; &amp; more"), "{text}");
    }

    #[test]
    fn teams_gets_an_adaptive_card() {
        let started = Decision { event: Kind::Started, requests: 0, ..decision(Grounds::Plan) };
        let fact = |name, value| json!({ "title": name, "value": value });
        let text = "rollout data-tier: canary 1.5.0 gets its first traffic (step 1)";
        let title = "data-tier: started";
        assert_eq!(
            written(AlertFormat::Teams, &started),
            json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard", "version": "1.4", "msteams": { "width": "Full" },
                        "body": [
                            { "type": "TextBlock", "text": title, "weight": "bolder", "size": "medium",
                              "color": "good", "wrap": true },
                            { "type": "TextBlock", "text": text, "wrap": true },
                            { "type": "FactSet", "facts": [
                                fact("Rollout", "data-tier"), fact("Revision", "1.5.0"), fact("Step", "1"),
                                fact("Weight", "10 %"),
                            ] },
                        ],
                    },
                }],
            })
        );
        let colour = &written(AlertFormat::Teams, &decision(breach()))["attachments"][0]["content"]["body"][0]["color"];
        assert_eq!(colour, "attention");
    }
}
