//! A plan was loaded: another revision, or the same one under other rules.

use super::{Action, Change};
use crate::rollout::record::{Grounds, Kind};
use crate::rollout::state::{At, PausedFrom, Standing};
use std::sync::Arc;

/// Another revision: out if it failed before, otherwise on trial from nothing.
pub(super) fn begin(mut change: Change<'_>) -> Change<'_> {
    let spec = change.moment.spec;
    change.anew = true;
    let state = &mut change.trial.state;
    state.revision = Arc::clone(&spec.revision);
    let failed_before = state.failed_revisions.contains(&state.revision);
    let (standing, told) = match (spec.stable_caught_up, failed_before) {
        (true, _) => (Standing::Succeeded, None),
        (false, true) => (Standing::RolledBack, Some(Kind::KeptOut)),
        (false, false) => (Standing::NEW, Some(Kind::NewRevision)),
    };
    let Some(event) = told else {
        return quietly(change, standing, true);
    };
    change = change.enter(standing, event, Grounds::Plan);
    // Whatever the share was, it was another revision's: it is said again even if it is the same.
    change.actions.retain(|action| !matches!(action, Action::SetCanaryShare(_)));
    let share = change.trial.share(spec);
    change.actions.splice(0..0, [Action::SetCanaryShare(share), Action::ForgetEvidence]);
    change
}

/// The same revision: a step that is no longer in the plan becomes the last one that gives no more.
pub(super) fn adopt(change: Change<'_>) -> Change<'_> {
    let standing = change.trial.state.standing;
    let Some(progression) = &change.moment.spec.progression else {
        return match standing {
            // The file holds the weights now: what the steps had come to is over.
            Standing::Waiting { at: Some(_) }
            | Standing::Progressing { at: Some(_) }
            | Standing::Paused { .. }
            | Standing::Promoting { .. }
            | Standing::Succeeded => {
                let failed_before = change.trial.state.failed_revisions.contains(&change.trial.state.revision);
                quietly(change, if failed_before { Standing::RolledBack } else { Standing::NEW }, false)
            }
            _ => change,
        };
    };
    let steps = &progression.steps;
    let moved = |at: At| {
        let same = steps.get(at.step).is_some_and(|step| step.weight.to_bits() == at.weight.to_bits());
        if same { at } else { At::below(at.weight, steps) }
    };
    let next = match standing {
        Standing::Waiting { at: None } | Standing::Progressing { at: None } if change.moment.spec.stable_caught_up => {
            Standing::Succeeded
        }
        Standing::Waiting { at: Some(at) } => Standing::Waiting { at: Some(moved(at)) },
        Standing::Progressing { at: Some(at) } => Standing::Progressing { at: Some(moved(at)) },
        Standing::Progressing { at: None } => Standing::NEW,
        Standing::Paused { from: PausedFrom::Progressing(at), weight } => {
            Standing::Paused { from: PausedFrom::Progressing(moved(at)), weight }
        }
        other => other,
    };
    if next == standing { change } else { quietly(change, next, false) }
}

/// Another standing that nobody has to be told about.
fn quietly(mut change: Change<'_>, standing: Standing, forget: bool) -> Change<'_> {
    change.trial.enter(standing, change.moment.now);
    change.actions.push(Action::SetCanaryShare(change.trial.share(change.moment.spec)));
    if forget {
        change.actions.push(Action::ForgetEvidence);
    }
    change.actions.push(Action::Save);
    change
}
