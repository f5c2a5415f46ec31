//! What a rollout is told: which rule it guards, between which backends, in which steps.

use super::{Alert, BackendId, Limit, RuleId, Webhook};
use std::sync::Arc;
use std::time::Duration;

/// Guards one rule: takes `canary` out of it when a limit is breached. With a [`Progression`] it moves the weight too.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Unique among the rollouts.
    pub name: Arc<str>,
    /// The rule whose weights it guards.
    pub rule: RuleId,
    /// The backend that takes over.
    pub stable: BackendId,
    /// The backend on trial; never the same as `stable`.
    pub canary: BackendId,
    /// What identifies the canary being tried; the canary's version unless the file says otherwise.
    pub revision: Arc<str>,
    /// What keeps a user on one side.
    pub stickiness: Option<Stickiness>,
    /// Whether stable's version is the canary's: there is nothing to try, or stable has been rolled forward.
    pub stable_caught_up: bool,
    /// The steps up to 100 %; `None` leaves the weights to the file.
    pub progression: Option<Progression>,
    /// Any one of them breached takes the canary out.
    pub rollback: Vec<Limit>,
    /// Who is asked, at which point; in the file's order.
    pub webhooks: Vec<Webhook>,
    /// Who is told.
    pub alerts: Vec<Alert>,
}

/// How a canary gets from nothing to everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Progression {
    /// In the order in which they are taken; at least one, weights rising.
    pub steps: Vec<Step>,
    /// How long a trial may wait for a ready canary before it is rolled back. Default 10 min.
    pub progress_deadline: Duration,
    /// What becomes of a step that can neither advance nor fail.
    pub inconclusive: Inconclusive,
    /// What comes after the last step.
    pub promotion: Promotion,
}

/// One weight to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The canary's, in percent: above 0, at most 100.
    pub weight: f64,
    /// For so long; only time in which every limit was healthy counts.
    pub hold: Duration,
}

/// What becomes of a step that can neither advance nor fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inconclusive {
    /// After so long without any progress. Default 1 h.
    pub after: Duration,
    /// This. Default [`Then::Hold`].
    pub then: Then,
}

/// What to do about it; whichever it is, people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Go on holding.
    Hold,
    /// Take the canary out.
    Rollback,
}

/// What comes after the last step.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// Whether it goes on by itself; otherwise it waits for `serin promote`. Default true.
    pub auto: bool,
    /// All of them have to be healthy for a step to advance. A value over one of them holds the step; it takes nothing out.
    pub limits: Vec<Limit>,
    /// How long the traffic takes back to stable, once stable has been rolled forward; linear. Default 30 s.
    pub return_over: Duration,
}

/// What identifies a user, so that `hash(key, rollout's name) < weight` always gives the same answer.
///
/// A request without the key is split at random.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stickiness {
    /// The value of this request header (lower case).
    Header(Arc<str>),
    /// The value of this cookie.
    Cookie(Arc<str>),
    /// The address that the connection came from.
    ClientIp,
}
