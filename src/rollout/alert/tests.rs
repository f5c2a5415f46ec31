//! Who is told what, at real sockets; and the decision that is told about.

use super::*;
use crate::plan::{Alert, AlertFormat, BackendId, RuleId};
use crate::rollout::record::{Grounds, Kind, LimitRecord, Unit};
use crate::rollout::stub::Stub;
use crate::rollout::time::Timestamp;
use crate::rollout::{Reason, Verdict};

const EPOCH: Duration = Duration::ZERO;

/// A rollback in step 1.
pub(in crate::rollout) fn decision(grounds: Grounds) -> Decision {
    Decision {
        rollout: "data-tier".into(),
        revision: "1.5.0".into(),
        at: Timestamp::from_duration(EPOCH),
        event: Kind::RolledBack,
        step: Some(1),
        weight: 10.0,
        requests: 16,
        failed: 8,
        grounds,
        limits: Vec::new(),
    }
}

pub(in crate::rollout) fn breach() -> Grounds {
    Grounds::Limit(LimitRecord {
        metric: "error-rate".into(),
        unit: Unit::Ratio,
        max: Some(0.05),
        min: None,
        compared_to_stable: None,
        window: "5m".into(),
        min_samples: 50,
        verdict: Verdict::Breach,
        reason: Some(Reason::Detector),
        value: Some(0.5),
        stable_value: Some(0.001),
        samples: 16,
        evidence: Some(1.1),
        since: Some(Timestamp::from_duration(EPOCH)),
    })
}

fn webhook(kind: WebhookKind, url: String) -> Webhook {
    Webhook {
        name: kind.name().into(),
        kind,
        url: url.into(),
        timeout: Duration::from_secs(10),
        interval: Duration::from_secs(10),
        retries: 0,
        threshold: 1,
        metadata: Vec::new(),
    }
}

fn rollout(alerts: Vec<Alert>, webhooks: Vec<Webhook>) -> Rollout {
    Rollout {
        name: "data-tier".into(),
        rule: RuleId::new(0),
        stable: BackendId::new(0),
        canary: BackendId::new(1),
        revision: "1.5.0".into(),
        stickiness: None,
        stable_caught_up: false,
        progression: None,
        rollback: Vec::new(),
        webhooks,
        alerts,
    }
}

/// One of each, at its own path.
fn rollout_at(stub: &Stub) -> Rollout {
    let url = |path: &str| format!("{}/{path}", stub.url());
    let severities = [Severity::Info, Severity::Warn, Severity::Error];
    let format = AlertFormat::Webhook;
    let alerts = severities.map(|severity| Alert { format, url: url(severity.name()).into(), severity });
    let webhooks = WebhookKind::ALL.map(|kind| webhook(kind, url(kind.name())));
    rollout(alerts.into(), webhooks.into())
}

/// The paths that were told, in alphabetical order.
fn told(stub: &Stub, alerter: &Alerter) -> Vec<String> {
    assert_eq!(alerter.flush(Duration::from_secs(30)), 0);
    let mut told: Vec<_> = stub.rest().iter().map(|got| got.line.trim_start_matches("POST /").to_owned()).collect();
    told.sort();
    told
}

#[test]
fn each_is_told_what_it_wants_to_know() {
    let stub = Stub::always("200 OK", "");
    let spec = rollout_at(&stub);
    let mut alerter = Alerter::new(Patience::default());
    for (event, grounds, phase, expected) in [
        (Kind::RolledBack, breach(), Phase::RolledBack, &["error", "event", "info", "post-rollout", "warn"][..]),
        (Kind::Started, Grounds::Plan, Phase::Progressing, &["event", "info"]),
        (Kind::Inconclusive, Grounds::Plan, Phase::Progressing, &["event", "info", "warn"]),
        (Kind::CanaryNotReady, Grounds::Plan, Phase::Waiting, &["event"]),
        (Kind::Promoting, Grounds::Plan, Phase::Promoting, &["event", "info", "promotion"]),
        (
            Kind::Promoting,
            Grounds::Operator { verb: "promote --full".into() },
            Phase::Promoting,
            &["event", "info", "promotion"],
        ),
        (Kind::Promoting, Grounds::StableNotReady, Phase::Promoting, &["event", "info"]),
        (Kind::Promoted, Grounds::Plan, Phase::Succeeded, &["event", "info", "post-rollout"]),
    ] {
        alerter.tell(&spec, phase, &Decision { event, ..decision(grounds) }, None);
        assert_eq!(told(&stub, &alerter), expected, "{event:?}");
    }
}

#[test]
fn people_are_not_told_the_same_thing_again_and_machines_are() {
    let stub = Stub::always("200 OK", "");
    let spec = rollout_at(&stub);
    let mut alerter = Alerter::new(Patience::default());
    let resumed = Decision { event: Kind::Resumed, ..decision(Grounds::Operator { verb: "resume".into() }) };
    alerter.tell(&spec, Phase::Progressing, &resumed, None);
    assert_eq!(told(&stub, &alerter), ["event", "info"]);
    alerter.tell(&spec, Phase::Progressing, &resumed, None);
    assert_eq!(told(&stub, &alerter), ["event"]);
}
