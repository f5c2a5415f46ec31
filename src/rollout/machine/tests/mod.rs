//! A rollout that is walked through its life; and what is tried on it, each in a file of its own.

mod by_hand;
mod evidence;
mod random;
mod returns;
mod steps;
mod table;

use super::*;
use crate::plan::{
    BackendId, Inconclusive, Limit, Metric, Progression, Promotion, RateBound, RequestLimit, RuleId, Step, Then,
    Webhook, WebhookKind,
};
use crate::rollout::limits::{Finding, Reason, Verdict};
use crate::rollout::record::LimitRecord;
use crate::rollout::state::{At, PausedFrom, Phase, State};
use crate::rollout::time::Timestamp;
use crate::rollout::trial::{Heard, HookAnswer};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn limit() -> Limit {
    Limit::Requests(RequestLimit {
        metric: Metric::ErrorRate { max: RateBound::Share(0.05) },
        window: Duration::from_secs(300),
        min_requests: 50,
        alpha: 1e-5,
    })
}

/// Guards only: the file holds the weights.
fn guarded(revision: &str) -> Rollout {
    Rollout {
        name: "data-tier".into(),
        rule: RuleId::new(0),
        stable: BackendId::new(0),
        canary: BackendId::new(1),
        revision: revision.into(),
        stickiness: None,
        stable_caught_up: false,
        progression: None,
        rollback: vec![limit()],
        webhooks: Vec::new(),
        alerts: Vec::new(),
    }
}

/// 10, 50, 100 %, a minute each.
fn stepped(revision: &str) -> Rollout {
    let steps = [10.0, 50.0, 100.0].map(|weight| Step { weight, hold: MINUTE });
    let progression = Progression {
        steps: steps.into(),
        progress_deadline: 10 * MINUTE,
        inconclusive: Inconclusive { after: 60 * MINUTE, then: Then::Hold },
        promotion: Promotion { auto: true, limits: Vec::new(), return_over: Duration::from_secs(30) },
    };
    Rollout { progression: Some(progression), ..guarded(revision) }
}

fn hook(kind: WebhookKind) -> Webhook {
    Webhook {
        name: kind.name().into(),
        kind,
        url: "http://gate/".into(),
        timeout: MINUTE,
        interval: MINUTE,
        retries: 0,
        threshold: 2,
        metadata: Vec::new(),
    }
}

fn finding(verdict: Verdict) -> Finding {
    let reason = match verdict {
        Verdict::Breach => Some(Reason::Detector),
        Verdict::Inconclusive => Some(Reason::NotEnoughRequests),
        Verdict::Healthy => None,
    };
    Finding {
        verdict,
        reason,
        value: Some(0.5),
        stable_value: Some(0.0),
        samples: 16,
        evidence: Some(1.1),
        since: None,
    }
}

fn observed(verdict: Verdict, canary_ready: bool) -> Observation {
    Observation {
        findings: vec![finding(verdict)],
        canary_ready,
        stable_ready: true,
        weight: 10.0,
        requests: 16,
        failed: 8,
        step_requests: 1_000,
        ..Observation::default()
    }
}

fn at(seconds: u64) -> Now {
    let monotonic = Duration::from_secs(seconds);
    Now { monotonic, wall: Timestamp::from_duration(monotonic) }
}

/// A rollout that is walked through its life, a second a tick.
struct Walk {
    spec: Rollout,
    trial: Trial,
    seen: Observation,
    second: u64,
    told: Vec<Kind>,
    actions: Vec<Action>,
}

impl Walk {
    fn new(spec: Rollout) -> Self {
        let trial = Trial::new(State::new(&spec, at(0)));
        let seen =
            Observation { heard: vec![Heard::default(); spec.webhooks.len()], ..observed(Verdict::Healthy, true) };
        Self { spec, trial, seen, second: 0, told: Vec::new(), actions: Vec::new() }
    }

    fn take(&mut self, (trial, actions): (Trial, Vec<Action>)) {
        assert!(trial.state == self.trial.state || actions.contains(&Action::Save), "what changed is saved");
        let told = actions.iter().filter_map(|action| match action {
            Action::Tell(decision) => Some(decision.event),
            _ => None,
        });
        self.told.extend(told);
        self.trial = trial;
        self.actions = actions;
    }

    fn event(&mut self, event: Event) {
        let moment = Moment { spec: &self.spec, seen: &self.seen, now: at(self.second) };
        let next = step(&moment, &self.trial, event);
        self.take(next);
    }

    fn ticks(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.second += 1;
            self.event(Event::Observed);
        }
    }

    fn say(&mut self, verb: Verb) -> Result<(), String> {
        let moment = Moment { spec: &self.spec, seen: &self.seen, now: at(self.second) };
        let next = obey(&moment, &self.trial, verb)?;
        self.take(next);
        Ok(())
    }

    fn restart(&mut self) {
        let state: State = serde_json::from_str(&serde_json::to_string(&self.trial.state).unwrap()).unwrap();
        assert_eq!(state, self.trial.state, "a state saved and loaded is the same state");
        self.trial = Trial::new(state);
        self.event(Event::Planned);
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.seen.findings = vec![finding(verdict)];
    }

    fn phase(&self) -> Phase {
        self.trial.state.phase()
    }

    fn share(&self) -> Option<f64> {
        self.trial.share(&self.spec)
    }

    fn message(&self) -> String {
        message(&Moment { spec: &self.spec, seen: &self.seen, now: at(self.second) }, &self.trial)
    }
}
