//! What a rollout remembers, over ticks, reloads and restarts.

use super::record::{Decision, Grounds, Kind};
use super::time::{Now, Timestamp};
use super::written::Written;
use crate::plan::{Rollout, Step};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Where a rollout stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// The canary has no ready endpoint, or has not been let in yet.
    Waiting,
    /// The canary gets its share and is judged by it.
    Progressing,
    /// The clock stands still; the canary keeps its share and is judged by it.
    Paused,
    /// All steps are done: stable is rolled forward, and the traffic goes back to it.
    Promoting,
    /// Stable runs what the canary was.
    Succeeded,
    /// The canary is out, until its revision changes or an operator says retry.
    RolledBack,
}

/// Where a rollout stands, in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// No ready canary, or a gate before its first request.
    Waiting {
        /// The step in which the canary's endpoints went away; `None` before the first one.
        at: Option<At>,
    },
    /// On trial.
    Progressing {
        /// In this step; `None` when the file holds the weights.
        at: Option<At>,
    },
    /// The clock stands still.
    Paused {
        /// Where it goes on.
        from: PausedFrom,
        /// The canary's weight meanwhile, in percent, where it is not the one of `from`.
        weight: Option<f64>,
    },
    /// All steps are done.
    Promoting {
        /// What the canary keeps until stable has been rolled forward, in percent.
        weight: f64,
        /// Whether it has been, and the traffic goes back.
        returning: bool,
    },
    /// Stable runs what the canary was.
    Succeeded,
    /// The canary is out.
    RolledBack,
}

/// Where a paused rollout goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PausedFrom {
    /// Before the first step.
    Waiting,
    /// In this step.
    Progressing(At),
    /// With stable's rolling forward, the canary at this weight.
    Promoting(f64),
}

/// A step that a rollout is in. It knows its weight, so that an edit of the steps never moves users by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct At {
    /// From 0.
    pub step: usize,
    /// The canary's, in percent.
    pub weight: f64,
}

/// What has to survive a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct State {
    /// Where the rollout stands.
    pub standing: Standing,
    /// Since when it stands there.
    pub since: Timestamp,
    /// The revision on trial, or the one that failed.
    pub revision: Arc<str>,
    /// Revisions that are kept out, the latest last; at most [`State::FAILED_REVISIONS`].
    pub failed_revisions: VecDeque<Arc<str>>,
    /// The last rollback, whichever revision it was about.
    pub last_decision: Option<Arc<Decision>>,
    /// What changed, the latest last; at most [`State::HISTORY`]. Shared: a tick copies the state, and the past stays put.
    pub history: VecDeque<Arc<Decision>>,
}

impl Phase {
    /// All of them, in the order in which a rollout meets them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Progressing, Self::Paused, Self::Promoting, Self::Succeeded, Self::RolledBack];

    /// The names of all of them, in the same order.
    pub const NAMES: &[&str] = &[
        Self::Waiting.name(),
        Self::Progressing.name(),
        Self::Paused.name(),
        Self::Promoting.name(),
        Self::Succeeded.name(),
        Self::RolledBack.name(),
    ];

    /// As it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Promoting => "Promoting",
            Self::Succeeded => "Succeeded",
            Self::RolledBack => "RolledBack",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Standing {
    /// Before anything was tried.
    pub const NEW: Self = Self::Waiting { at: None };

    /// In one word.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Waiting { .. } => Phase::Waiting,
            Self::Progressing { .. } => Phase::Progressing,
            Self::Paused { .. } => Phase::Paused,
            Self::Promoting { .. } => Phase::Promoting,
            Self::Succeeded => Phase::Succeeded,
            Self::RolledBack => Phase::RolledBack,
        }
    }

    /// The step that it is in.
    pub fn at(&self) -> Option<At> {
        match self {
            Self::Waiting { at } | Self::Progressing { at } => *at,
            Self::Paused { from: PausedFrom::Progressing(at), .. } => Some(*at),
            Self::Paused { .. } | Self::Promoting { .. } | Self::Succeeded | Self::RolledBack => None,
        }
    }

    /// Whether requests may reach the canary. One that waits counts: its endpoints come and go between two ticks.
    pub(super) fn canary_gets_traffic(&self) -> bool {
        !matches!(self, Self::Succeeded | Self::RolledBack)
    }

    /// Whether the traffic goes back to a stable that has been rolled forward.
    pub(super) fn is_returning(&self) -> bool {
        matches!(self, Self::Promoting { returning: true, .. })
    }

    /// The canary's part, 0 to 1, of what it and stable have together, when the rollout owns the weights; the part
    /// that is `left` (1 to 0) while the traffic returns to stable.
    pub(super) fn share(&self, left: f64) -> f64 {
        let percent = match self {
            // A canary that has no ready endpoint is asked nothing: its share is stable's until it is back.
            Self::Waiting { .. }
            | Self::Paused { from: PausedFrom::Waiting, weight: None }
            | Self::Succeeded
            | Self::RolledBack => 0.0,
            Self::Progressing { at } => at.map_or(0.0, |at| at.weight),
            Self::Paused { from: PausedFrom::Progressing(at), weight: None } => at.weight,
            Self::Paused { weight: Some(weight), .. }
            | Self::Paused { from: PausedFrom::Promoting(weight), weight: None }
            | Self::Promoting { weight, returning: false } => *weight,
            Self::Promoting { weight, returning: true } => weight * left,
        };
        percent / 100.0
    }
}

impl At {
    /// Step `step`, from 0.
    pub(super) fn new(step: usize, steps: &[Step]) -> Self {
        Self { step, weight: steps[step].weight }
    }

    /// The last step that has no more than `weight`; the first if all have more.
    pub(super) fn below(weight: f64, steps: &[Step]) -> Self {
        let step = steps.iter().rposition(|step| step.weight <= weight).unwrap_or(0);
        Self::new(step, steps)
    }
}

impl State {
    /// So many are remembered; the oldest is forgotten for the next one.
    pub const FAILED_REVISIONS: usize = 100;
    /// So many are remembered; the oldest is forgotten for the next one.
    pub const HISTORY: usize = 100;

    /// A rollout that nothing is known about.
    pub fn new(spec: &Rollout, now: Now) -> Self {
        Self {
            // With nothing to try there is nothing to wait for.
            standing: if spec.stable_caught_up { Standing::Succeeded } else { Standing::NEW },
            since: now.wall,
            revision: Arc::clone(&spec.revision),
            failed_revisions: VecDeque::new(),
            last_decision: None,
            history: VecDeque::new(),
        }
    }

    /// A rollout whose past cannot be read: its revision may have failed, so it is kept out.
    pub fn unreadable(spec: &Rollout, now: Now) -> Self {
        let mut state = Self::new(spec, now);
        state.standing = Standing::RolledBack;
        state.keep_out();
        state.remember(Decision {
            rollout: Arc::clone(&spec.name),
            revision: Arc::clone(&spec.revision),
            at: now.wall,
            event: Kind::RolledBack,
            step: None,
            weight: 0.0,
            requests: 0,
            failed: 0,
            grounds: Grounds::StateUnreadable,
            limits: Vec::new(),
        });
        state
    }

    /// Where it stands, in one word.
    pub fn phase(&self) -> Phase {
        self.standing.phase()
    }

    /// Remembers that this revision failed.
    pub(super) fn keep_out(&mut self) {
        push(&mut self.failed_revisions, Arc::clone(&self.revision), Self::FAILED_REVISIONS);
    }

    /// Keeps what was decided.
    pub(super) fn remember(&mut self, decision: Decision) {
        let decision = Arc::new(decision);
        if decision.event == Kind::RolledBack {
            self.last_decision = Some(Arc::clone(&decision));
        }
        if decision.event.is_kept() {
            push(&mut self.history, decision, Self::HISTORY);
        }
    }
}

/// Appends; forgets the oldest where there are `most` already.
fn push<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(item);
}
