//! What a rollout does next: `(spec, trial, event, now) -> (trial, actions)`, and nothing else.
//!
//! Pure, so that every sequence of events can be tried in a test. It reads no counter, no clock and no file; whoever
//! calls it carries the actions out, in the order given: the traffic first, then the state, then everyone who is told.
//!
//! Three things hold whatever happens. The canary's share is a function of the trial alone, so a state that was saved
//! and loaded gives the same traffic or less. A revision that failed is remembered by name: a reload, a restart or
//! another revision in between does not let it back in, only [`Verb::Retry`] does. And one event moves a rollout by one
//! step at most.

mod advance;
mod message;
mod obey;
mod observe;
mod planned;
#[cfg(test)]
mod tests;

pub(super) use message::message;

use super::record::{Decision, Grounds, Kind};
use super::state::Standing;
use super::time::Now;
use super::trial::{Observation, Trial};
use super::verb::Verb;
use crate::plan::Rollout;
use std::sync::Arc;

/// What can happen to a rollout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A tick.
    Observed,
    /// A plan was loaded: at start, or because the file changed.
    Planned,
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
    /// Tell it: alerts, webhooks, the event stream, the log.
    Tell(Box<Decision>),
    /// Count a rollback, under this reason.
    Count(String),
}

/// What the machine is told beside the trial.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The rollout.
    pub spec: &'a Rollout,
    /// What the last tick found out.
    pub seen: &'a Observation,
    /// When.
    pub now: Now,
}

/// One event.
pub fn step(moment: &Moment<'_>, trial: &Trial, event: Event) -> (Trial, Vec<Action>) {
    let change = Change { moment: *moment, trial: trial.clone(), actions: Vec::new() };
    let change = match event {
        _ if trial.state.revision != moment.spec.revision => planned::begin(change),
        Event::Planned => planned::adopt(change),
        Event::Observed => observe::judge(change),
    };
    (change.trial, change.actions)
}

/// What an operator said.
///
/// # Errors
/// When it makes no sense where the rollout stands: why, and what could be done instead.
pub fn obey(moment: &Moment<'_>, trial: &Trial, verb: Verb) -> Result<(Trial, Vec<Action>), String> {
    let change = Change { moment: *moment, trial: trial.clone(), actions: Vec::new() };
    let change = obey::obey(change, verb)?;
    Ok((change.trial, change.actions))
}

/// A trial on its way from one standing to the next, with what is to be done about it.
struct Change<'a> {
    moment: Moment<'a>,
    trial: Trial,
    actions: Vec<Action>,
}

impl Change<'_> {
    /// Another standing: the traffic, then the state, then who is told.
    fn enter(mut self, standing: Standing, event: Kind, grounds: Grounds) -> Self {
        let Moment { spec, seen, now } = self.moment;
        let before = (self.trial.share(spec), self.trial.state.standing.at());
        self.trial.enter(standing, now);
        let share = self.trial.share(spec);
        if share != before.0 {
            self.actions.push(Action::SetCanaryShare(share));
        }
        let at = standing.at().or(before.1);
        let decision = Decision {
            rollout: Arc::clone(&spec.name),
            revision: Arc::clone(&self.trial.state.revision),
            at: now.wall,
            event,
            step: at.map(|at| at.step + 1),
            weight: seen.weight,
            requests: seen.requests,
            failed: seen.failed,
            grounds,
            limits: seen.records(spec),
        };
        if event == Kind::RolledBack {
            self.trial.state.keep_out();
        }
        self.trial.state.remember(decision.clone());
        self.actions.push(Action::Save);
        if event == Kind::RolledBack {
            self.actions.push(Action::Count(decision.grounds.label().to_owned()));
        }
        self.actions.push(Action::Tell(Box::new(decision)));
        self
    }

    /// The canary is out.
    fn roll_back(self, grounds: Grounds) -> Self {
        self.enter(Standing::RolledBack, Kind::RolledBack, grounds)
    }
}
