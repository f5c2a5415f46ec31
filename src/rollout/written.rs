//! How a [`State`] is written: flat, as people would read it, and checked when it is read.

use super::record::Decision;
use super::state::{At, PausedFrom, Phase, Standing, State};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// A state in the store. What a later version added may be missing.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    phase: Phase,
    since: Timestamp,
    revision: Arc<str>,
    /// The step, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    /// The weight of that step or of the promotion, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_from: Option<Phase>,
    /// What was set by hand, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set_weight: Option<f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    returning: bool,
    failed_revisions: VecDeque<Arc<str>>,
    last_decision: Option<Arc<Decision>>,
    #[serde(default)]
    history: VecDeque<Arc<Decision>>,
}

impl From<State> for Written {
    fn from(state: State) -> Self {
        let at = state.standing.at();
        let (paused_from, set_weight) = match state.standing {
            Standing::Paused { from, weight } => (Some(from.phase()), weight),
            _ => (None, None),
        };
        let promoting = match state.standing {
            Standing::Promoting { weight, .. } | Standing::Paused { from: PausedFrom::Promoting(weight), .. } => {
                Some(weight)
            }
            _ => None,
        };
        Self {
            phase: state.phase(),
            since: state.since,
            revision: state.revision,
            step: at.map(|at| at.step + 1),
            weight: at.map(|at| at.weight).or(promoting),
            paused_from,
            set_weight,
            returning: matches!(state.standing, Standing::Promoting { returning: true, .. }),
            failed_revisions: state.failed_revisions,
            last_decision: state.last_decision,
            history: state.history,
        }
    }
}

impl TryFrom<Written> for State {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let is_weight = |weight: &f64| (0.0..=100.0).contains(weight);
        if ![written.weight, written.set_weight].iter().flatten().all(is_weight) {
            return Err("a weight is not between 0 and 100");
        }
        let at = match (written.step, written.weight) {
            (Some(step), Some(weight)) => Some(At { step: step.checked_sub(1).ok_or("steps begin at 1")?, weight }),
            (Some(_), None) => return Err("the step has no weight"),
            (None, _) => None,
        };
        let promoting = written.weight.ok_or("the promotion has no weight");
        let standing = match written.phase {
            Phase::Waiting => Standing::Waiting { at },
            Phase::Progressing => Standing::Progressing { at },
            Phase::Paused => {
                let from = match written.paused_from {
                    Some(Phase::Waiting) => PausedFrom::Waiting,
                    Some(Phase::Progressing) => PausedFrom::Progressing(at.ok_or("it was paused in no step")?),
                    Some(Phase::Promoting) => PausedFrom::Promoting(promoting?),
                    _ => return Err("it does not say where it was paused"),
                };
                Standing::Paused { from, weight: written.set_weight }
            }
            Phase::Promoting => Standing::Promoting { weight: promoting?, returning: written.returning },
            Phase::Succeeded => Standing::Succeeded,
            Phase::RolledBack => Standing::RolledBack,
        };
        Ok(Self {
            standing,
            since: written.since,
            revision: written.revision,
            failed_revisions: written.failed_revisions,
            last_decision: written.last_decision,
            history: written.history,
        })
    }
}

impl PausedFrom {
    fn phase(self) -> Phase {
        match self {
            Self::Waiting => Phase::Waiting,
            Self::Progressing(_) => Phase::Progressing,
            Self::Promoting(_) => Phase::Promoting,
        }
    }
}
