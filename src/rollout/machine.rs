//! What a rollout does next: `(spec, state, event, now) -> (state, actions)`, and nothing else.
//!
//! Pure, so that every sequence of events can be tried in a test. It reads no counter, no clock and no file; whoever
//! calls it carries the actions out, in the order given: the traffic first, then the state, then everyone who is told.
//!
//! Two things hold whatever happens. The canary's share is a function of the state alone, so a state that was saved and
//! loaded gives the same traffic. And a revision that failed is remembered by name: a reload, a restart or another
//! revision in between does not let it back in, only [`Event::Retried`] does.

use super::limits::{Finding, Verdict};
use super::record::{Decision, Grounds, Kind, LimitRecord};
use super::state::{Phase, State};
use super::time::Now;
use crate::plan::Rollout;
use std::sync::Arc;

/// What a tick found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// For each of the spec's limits, in its order.
    pub findings: Vec<Finding>,
    /// Whether the canary has an endpoint that takes connections.
    pub canary_ready: bool,
    /// The canary's weight in force, in percent of the rule's traffic.
    pub weight: f64,
    /// Requests that the canary was judged by since its trial began.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
}

/// What can happen to a rollout.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A tick.
    Observed(&'a Observation),
    /// A plan was loaded: at start, or because the file changed.
    Planned,
    /// The operator said retry.
    Retried,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Give the canary this part, 0 to 1, of what it and stable have together; `None` is what the file says.
    SetCanaryShare(Option<f64>),
    /// Another trial begins: what is known about the canary was about the one before.
    ForgetEvidence,
    /// Keep the state.
    Save,
    /// Tell everyone in the spec's `alerts`.
    Alert(Box<Decision>),
    /// Count a rollback, under this reason.
    Count(String),
    /// Write it to the log.
    Log(Notice),
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// Another revision is on trial.
    TrialBegan,
    /// This revision failed before, and stays out.
    KeptOut,
    /// The canary has a ready endpoint again, or for the first time.
    CanaryReady,
    /// The canary has no ready endpoint any more.
    CanaryNotReady,
    /// The canary was taken out.
    RolledBack(Box<Decision>),
    /// The operator gave a failed revision another trial.
    Retried,
}

/// One event. The order in which an observation is judged is fixed, and a breach comes before everything else.
pub fn step(spec: &Rollout, state: &State, event: Event<'_>, now: Now) -> (State, Vec<Action>) {
    if state.revision != spec.revision {
        // Whatever was observed was the revision before.
        return begin(spec, state, now);
    }
    match event {
        Event::Planned => (state.clone(), Vec::new()),
        Event::Retried => retry(state, now),
        Event::Observed(observation) => judge_breach(spec, state, observation, now)
            .or_else(|| judge_readiness(state, observation, now))
            .unwrap_or_else(|| (state.clone(), Vec::new())),
    }
}

/// Another revision: out if it failed before, otherwise on trial from nothing.
fn begin(spec: &Rollout, state: &State, now: Now) -> (State, Vec<Action>) {
    let mut next = state.clone();
    next.revision = Arc::clone(&spec.revision);
    let (phase, notice) = if next.failed_revisions.contains(&next.revision) {
        (Phase::RolledBack, Notice::KeptOut)
    } else {
        (Phase::Waiting, Notice::TrialBegan)
    };
    next.enter(phase, now);
    let share = Action::SetCanaryShare(next.canary_share());
    (next, vec![share, Action::ForgetEvidence, Action::Save, Action::Log(notice)])
}

/// Another trial for a revision that failed; nothing for one that did not.
fn retry(state: &State, now: Now) -> (State, Vec<Action>) {
    if state.phase != Phase::RolledBack {
        return (state.clone(), Vec::new());
    }
    let mut next = state.clone();
    next.failed_revisions.retain(|failed| *failed != next.revision);
    next.enter(Phase::Waiting, now);
    let share = Action::SetCanaryShare(next.canary_share());
    (next, vec![share, Action::ForgetEvidence, Action::Save, Action::Log(Notice::Retried)])
}

/// The first limit that is breached takes the canary out, in every phase in which it gets traffic.
fn judge_breach(spec: &Rollout, state: &State, observation: &Observation, now: Now) -> Option<(State, Vec<Action>)> {
    if !state.phase.canary_gets_traffic() {
        return None;
    }
    let mut judged = spec.rollback.iter().zip(&observation.findings);
    let (limit, finding) = judged.find(|(_, finding)| finding.verdict == Verdict::Breach)?;
    let decision = Decision {
        rollout: Arc::clone(&spec.name),
        revision: Arc::clone(&spec.revision),
        at: now.wall,
        event: Kind::RolledBack,
        step: None,
        weight: observation.weight,
        requests: observation.requests,
        failed: observation.failed,
        grounds: Grounds::Limit(LimitRecord::new(limit, finding)),
        limits: Vec::new(),
    };
    let mut next = state.clone();
    next.enter(Phase::RolledBack, now);
    next.fail(decision.clone());
    let actions = vec![
        Action::SetCanaryShare(next.canary_share()),
        Action::Save,
        Action::Alert(Box::new(decision.clone())),
        Action::Count(decision.grounds.label().to_owned()),
        Action::Log(Notice::RolledBack(Box::new(decision))),
    ];
    Some((next, actions))
}

/// A canary on trial waits while it has no ready endpoint.
fn judge_readiness(state: &State, observation: &Observation, now: Now) -> Option<(State, Vec<Action>)> {
    let (phase, notice) = match (state.phase, observation.canary_ready) {
        (Phase::Waiting, true) => (Phase::Progressing, Notice::CanaryReady),
        (Phase::Progressing, false) => (Phase::Waiting, Notice::CanaryNotReady),
        _ => return None,
    };
    let mut next = state.clone();
    next.enter(phase, now);
    Some((next, vec![Action::Save, Action::Log(notice)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{BackendId, Limit, Metric, RateBound, RequestLimit, RuleId};
    use crate::rollout::{Reason, Timestamp};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    fn spec(revision: &str) -> Rollout {
        let metric = Metric::ErrorRate { max: RateBound::Share(0.05) };
        Rollout {
            name: "data-tier".into(),
            rule: RuleId::new(0),
            stable: BackendId::new(0),
            canary: BackendId::new(1),
            revision: revision.into(),
            stickiness: None,
            stable_caught_up: false,
            progression: None,
            rollback: vec![Limit::Requests(RequestLimit {
                metric,
                window: Duration::from_secs(300),
                min_requests: 50,
                alpha: 1e-5,
            })],
            webhooks: Vec::new(),
            alerts: Vec::new(),
        }
    }

    fn observed(verdict: Verdict, canary_ready: bool) -> Observation {
        let finding = Finding {
            verdict,
            reason: (verdict == Verdict::Breach).then_some(Reason::Detector),
            value: Some(0.5),
            stable_value: Some(0.0),
            samples: 16,
            evidence: Some(1.1),
            since: None,
        };
        Observation { findings: vec![finding], canary_ready, weight: 10.0, requests: 16, failed: 8 }
    }

    fn at(seconds: u64) -> Now {
        let monotonic = Duration::from_secs(seconds);
        Now { monotonic, wall: Timestamp::from_duration(monotonic) }
    }

    fn run(state: &State, event: Event<'_>) -> (State, Vec<Action>) {
        step(&spec(&state.revision), state, event, at(9))
    }

    /// Every pair of phase and event: the phase that follows, and how many actions it takes.
    #[test]
    fn every_phase_answers_every_event() {
        use Phase::{Progressing, RolledBack, Waiting};
        let (well, gone) = (observed(Verdict::Healthy, true), observed(Verdict::Healthy, false));
        let (bad, bad_and_gone) = (observed(Verdict::Breach, true), observed(Verdict::Breach, false));
        let unsure = observed(Verdict::Inconclusive, true);
        let events = [
            Event::Planned,
            Event::Retried,
            Event::Observed(&well),
            Event::Observed(&unsure),
            Event::Observed(&gone),
            Event::Observed(&bad),
            Event::Observed(&bad_and_gone),
        ];
        let expected = [
            (Waiting, [Waiting, Waiting, Progressing, Progressing, Waiting, RolledBack, RolledBack]),
            (Progressing, [Progressing, Progressing, Progressing, Progressing, Waiting, RolledBack, RolledBack]),
            (RolledBack, [RolledBack, Waiting, RolledBack, RolledBack, RolledBack, RolledBack, RolledBack]),
        ];
        for (phase, follow) in expected {
            for (event, follows) in events.iter().zip(follow) {
                let mut state = State::new(&spec("1.5.0"), at(0));
                state.phase = phase;
                let (next, actions) = run(&state, *event);
                assert_eq!(next.phase, follows, "{phase} {event:?}");
                assert_eq!(actions.is_empty(), next == state, "{phase} {event:?}: {actions:?}");
            }
        }
    }

    #[test]
    fn the_traffic_comes_first_then_the_state_then_the_alert() {
        let bad = observed(Verdict::Breach, true);
        let (next, actions) = run(&State::new(&spec("1.5.0"), at(0)), Event::Observed(&bad));
        let decision = next.last_decision.clone().unwrap();
        assert_eq!(actions[0], Action::SetCanaryShare(Some(0.0)));
        assert_eq!(actions[1], Action::Save);
        assert_eq!(actions[2], Action::Alert(Box::new(decision.clone())));
        assert_eq!((next.since, decision.at, decision.weight), (at(9).wall, at(9).wall, 10.0));
        assert_eq!((decision.requests, decision.failed, decision.grounds.label()), (16, 8, "error-rate"));
    }

    #[test]
    fn a_state_that_cannot_be_read_keeps_the_canary_out_until_retry_or_another_revision() {
        let state = State::unreadable(&spec("1.5.0"), at(0));
        assert_eq!(state.canary_share(), Some(0.0));
        assert_eq!(run(&state, Event::Retried).0.canary_share(), None);
        assert_eq!(step(&spec("1.5.1"), &state, Event::Planned, at(1)).0.canary_share(), None);
    }

    #[test]
    fn memory_of_failed_revisions_is_bounded_and_keeps_the_latest() {
        let mut state = State::new(&spec("0"), at(0));
        let bad = observed(Verdict::Breach, true);
        for revision in 0..=State::FAILED_REVISIONS {
            let spec = spec(&revision.to_string());
            state = step(&spec, &state, Event::Planned, at(1)).0;
            state = step(&spec, &state, Event::Observed(&bad), at(1)).0;
        }
        assert_eq!(state.failed_revisions.len(), State::FAILED_REVISIONS);
        assert_eq!(&**state.failed_revisions.back().unwrap(), "100");
    }

    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Tick { breach: bool, ready: bool },
        Plan(u8),
        Retry,
        Restart,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![
            4 => (proptest::bool::weighted(0.2), any::<bool>())
                .prop_map(|(breach, ready)| Happening::Tick { breach, ready }),
            3 => (0..4_u8).prop_map(Happening::Plan),
            1 => Just(Happening::Retry),
            2 => Just(Happening::Restart),
        ]
    }

    proptest! {
        /// Against a model that knows only which revisions failed: whatever happens, one that did has no traffic, and
        /// one that did not has what the file says; and the actions tell the same as the state.
        #[test]
        fn a_failed_revision_never_gets_traffic(
            happenings in proptest::collection::vec(happening(), 1..60), weight in 0.0..=100.0,
        ) {
            let (mut current, mut failed) = (spec("0"), BTreeSet::new());
            let mut state = State::new(&current, at(0));
            let mut share = state.canary_share();
            for (second, happening) in happenings.into_iter().enumerate() {
                let now = at(second as u64);
                let verdict = |breach| if breach { Verdict::Breach } else { Verdict::Healthy };
                let (next, actions) = match happening {
                    Happening::Tick { breach, ready } => {
                        if breach {
                            failed.insert(current.revision.clone());
                        }
                        let observation = Observation { weight, ..observed(verdict(breach), ready) };
                        step(&current, &state, Event::Observed(&observation), now)
                    }
                    Happening::Plan(revision) => {
                        current = spec(&revision.to_string());
                        step(&current, &state, Event::Planned, now)
                    }
                    Happening::Retry => {
                        failed.remove(&current.revision);
                        step(&current, &state, Event::Retried, now)
                    }
                    Happening::Restart => {
                        let loaded: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                        prop_assert_eq!(&loaded, &state, "a state saved and loaded is the same state");
                        share = loaded.canary_share();
                        step(&current, &loaded, Event::Planned, now)
                    }
                };
                prop_assert!(next == state || actions.contains(&Action::Save), "what changed is saved");
                for action in &actions {
                    if let Action::SetCanaryShare(set) = action {
                        share = *set;
                    }
                }
                state = next;
                let expected = failed.contains(&current.revision).then_some(0.0);
                prop_assert_eq!((state.canary_share(), share), (expected, expected));
            }
        }

        #[test]
        fn another_trial_starts_from_nothing(verdicts in proptest::collection::vec(any::<bool>(), 0..5)) {
            let mut state = State::new(&spec("a"), at(0));
            for ready in verdicts {
                state = run(&state, Event::Observed(&observed(Verdict::Healthy, ready))).0;
            }
            let (_, actions) = step(&spec("b"), &state, Event::Planned, at(1));
            prop_assert!(actions.contains(&Action::ForgetEvidence));
            let (out, _) = run(&state, Event::Observed(&observed(Verdict::Breach, true)));
            let (retried, actions) = run(&out, Event::Retried);
            prop_assert!(actions.contains(&Action::ForgetEvidence));
            prop_assert_eq!(retried.phase, Phase::Waiting);
        }
    }
}
