//! What a rollout remembers, over ticks, reloads and restarts.

use super::record::{Decision, Grounds, Kind};
use super::time::{Now, Timestamp};
use crate::plan::Rollout;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The canary has no ready endpoint; its share goes to stable.
    Waiting,
    /// The canary gets its share and is judged by it.
    Progressing,
    /// The canary is out, until its revision changes or an operator says retry.
    RolledBack,
}

/// What has to survive a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// Where the rollout stands.
    pub phase: Phase,
    /// Since when it stands there.
    pub since: Timestamp,
    /// The revision on trial, or the one that failed.
    pub revision: Arc<str>,
    /// Revisions that are kept out, the latest last; at most [`State::FAILED_REVISIONS`].
    pub failed_revisions: VecDeque<Arc<str>>,
    /// What was decided last, whichever revision it was about.
    pub last_decision: Option<Decision>,
}

impl Phase {
    /// All of them, in the order in which a rollout meets them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Progressing, Self::RolledBack];

    /// The names of all of them, in the same order.
    pub const NAMES: &[&str] = &[Self::Waiting.name(), Self::Progressing.name(), Self::RolledBack.name()];

    /// As it is written everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Progressing => "Progressing",
            Self::RolledBack => "RolledBack",
        }
    }

    /// Whether requests may reach the canary. A canary that waits counts: its endpoints come and go between two ticks.
    pub(super) fn canary_gets_traffic(self) -> bool {
        match self {
            Self::Waiting | Self::Progressing => true,
            Self::RolledBack => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl State {
    /// So many are remembered; the oldest is forgotten for the next one.
    pub const FAILED_REVISIONS: usize = 100;

    /// A rollout that nothing is known about.
    pub fn new(spec: &Rollout, now: Now) -> Self {
        Self {
            phase: Phase::Waiting,
            since: now.wall,
            revision: Arc::clone(&spec.revision),
            failed_revisions: VecDeque::new(),
            last_decision: None,
        }
    }

    /// A rollout whose past cannot be read: its revision may have failed, so it is kept out.
    pub fn unreadable(spec: &Rollout, now: Now) -> Self {
        let mut state = Self::new(spec, now);
        state.phase = Phase::RolledBack;
        state.fail(Decision {
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

    /// The canary's part, 0 to 1, of what it and stable have together; `None` is what the file says.
    pub fn canary_share(&self) -> Option<f64> {
        if self.phase.canary_gets_traffic() { None } else { Some(0.0) }
    }

    /// Stands in `phase` from now on.
    pub(super) fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.since = now.wall;
    }

    /// Remembers that this revision failed, and why.
    pub(super) fn fail(&mut self, decision: Decision) {
        if self.failed_revisions.len() == Self::FAILED_REVISIONS {
            self.failed_revisions.pop_front();
        }
        self.failed_revisions.push_back(Arc::clone(&self.revision));
        self.last_decision = Some(decision);
    }
}
