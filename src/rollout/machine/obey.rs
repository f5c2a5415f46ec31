//! What an operator says, and where it makes sense.

use super::{Action, Change, advance};
use crate::rollout::record::{Grounds, Kind};
use crate::rollout::state::{At, PausedFrom, Standing};
use crate::rollout::time::duration_text;
use crate::rollout::verb::Verb;
use std::time::Duration;

/// Within this time a `promote` is taken for the one before: as long as the API may take to answer that.
const TWICE: Duration = Duration::from_secs(10);

type Outcome<'a> = Result<Change<'a>, String>;

/// Does it, or says why not and what could be done instead.
pub(super) fn obey(change: Change<'_>, verb: Verb) -> Outcome<'_> {
    let standing = change.trial.state.standing;
    match verb {
        Verb::Abort => abort(change, standing),
        Verb::Retry => retry(change, standing),
        Verb::Pause | Verb::Resume | Verb::Promote { .. } | Verb::SetWeight(_)
            if change.moment.spec.progression.is_none() =>
        {
            Err("it has no `steps`, the weights are the file's: edit them there".to_owned())
        }
        Verb::Pause => pause(change, standing),
        Verb::Resume => resume(change, standing, verb),
        Verb::Promote { full } => promote(change, standing, full),
        Verb::SetWeight(weight) => set_weight(change, standing, weight),
    }
}

fn abort(change: Change<'_>, standing: Standing) -> Outcome<'_> {
    match standing {
        Standing::RolledBack => Err("the canary is out already".to_owned()),
        Standing::Succeeded => Err("no canary is on trial".to_owned()),
        _ => Ok(change.roll_back(said(Verb::Abort))),
    }
}

fn retry(mut change: Change<'_>, standing: Standing) -> Outcome<'_> {
    let spec = change.moment.spec;
    match standing {
        Standing::RolledBack | Standing::Succeeded if spec.progression.is_some() && spec.stable_caught_up => {
            return Err(format!("stable runs {} already: there is nothing to try", change.trial.state.revision));
        }
        // Promoted once, and stable has gone back to another version since.
        Standing::RolledBack | Standing::Succeeded => {}
        _ => return Err("there is nothing to retry: only what was rolled back can be".to_owned()),
    }
    let state = &mut change.trial.state;
    let revision = state.revision.clone();
    state.failed_revisions.retain(|failed| *failed != revision);
    let mut change = change.enter(Standing::NEW, Kind::Retried, said(Verb::Retry));
    let traffic = change.actions.iter().take_while(|action| matches!(action, Action::SetCanaryShare(_))).count();
    change.actions.insert(traffic, Action::ForgetEvidence);
    Ok(change)
}

fn pause(change: Change<'_>, standing: Standing) -> Outcome<'_> {
    let (from, weight) = match standing {
        Standing::Waiting { at } | Standing::Progressing { at } => {
            (at.map_or(PausedFrom::Waiting, PausedFrom::Progressing), None)
        }
        // Where the return has come to, not back to where it began.
        Standing::Promoting { weight, returning } => (PausedFrom::Promoting(weight), returning),
        Standing::Paused { .. } => return Err("it is paused already; `serin resume` goes on".to_owned()),
        Standing::Succeeded | Standing::RolledBack => return Err("no canary is on trial".to_owned()),
    };
    let held = change.trial.progress.held;
    let mut change = change.enter(Standing::Paused { from, weight }, Kind::Paused, said(Verb::Pause));
    // The same step at the same weight: what was held counts when it goes on.
    change.trial.progress.held = held;
    Ok(change)
}

fn resume(change: Change<'_>, standing: Standing, verb: Verb) -> Outcome<'_> {
    let Standing::Paused { from, weight } = standing else {
        return Err("it is not paused".to_owned());
    };
    let held = if weight.is_none() { change.trial.progress.held } else { Duration::ZERO };
    let next = match from {
        PausedFrom::Waiting => Standing::NEW,
        PausedFrom::Progressing(at) => Standing::Progressing { at: Some(at) },
        PausedFrom::Promoting(all) | PausedFrom::StableFailed(all) => {
            Standing::Promoting { weight: all, returning: weight }
        }
    };
    let mut change = change.enter(next, Kind::Resumed, said(verb));
    change.trial.progress.held = held;
    Ok(change)
}

fn promote(change: Change<'_>, standing: Standing, full: bool) -> Outcome<'_> {
    let Some(progression) = &change.moment.spec.progression else { return Ok(change) };
    let verb = Verb::Promote { full };
    let last = progression.steps.last().map_or(100.0, |step| step.weight);
    if !full && let Some(ago) = promoted_ago(&change) {
        return Err(format!(
            "`serin promote` brought it here {} ago; what is said twice within {} is done once (`--full` skips all steps)",
            duration_text(Duration::from_secs(ago.as_secs())),
            duration_text(TWICE)
        ));
    }
    match standing {
        Standing::Waiting { .. } if !change.trial.progress.canary_ready => {
            Err("the canary has no ready endpoint yet".to_owned())
        }
        Standing::Promoting { returning: Some(_), .. } => Err("the traffic is returning to stable already".to_owned()),
        Standing::Promoting { .. } => Err(format!(
            "it is promoted already, and waits for stable: roll it forward to {}, and set its `version` in the config",
            change.trial.state.revision
        )),
        Standing::Succeeded => Err("it is promoted already: no canary is on trial".to_owned()),
        Standing::RolledBack => Err("the canary is out; `serin retry` gives it another trial".to_owned()),
        _ if full && !change.trial.progress.canary_ready => Err("the canary has no ready endpoint".to_owned()),
        _ if full => Ok(advance::promoting(change, last, said(verb))),
        Standing::Paused { .. } => resume(change, standing, verb),
        Standing::Waiting { at: None } => Ok(advance::first(change, said(verb))),
        Standing::Waiting { at: Some(at) } | Standing::Progressing { at: Some(at) } => {
            Ok(advance::next(change, at, said(verb)))
        }
        Standing::Progressing { at: None } => Err("it is about to begin".to_owned()),
    }
}

/// How long ago a `promote` brought it where it stands, if that was a moment ago. Every other verb says where to, so that
/// said twice it does nothing more; this one says "on", and whoever had no answer says it again, or a script does.
fn promoted_ago(change: &Change<'_>) -> Option<Duration> {
    let verb = Verb::Promote { full: false }.to_string();
    let last = change.trial.state.history.back()?;
    let said = matches!(&last.grounds, Grounds::Operator { verb: said } if *said == verb);
    let is_here = last.revision == change.trial.state.revision && change.trial.state.standing.at().is_some();
    let ago = change.moment.now.wall.since(last.at);
    (said && is_here && ago < TWICE).then_some(ago)
}

fn set_weight(change: Change<'_>, standing: Standing, weight: f64) -> Outcome<'_> {
    let Some(progression) = &change.moment.spec.progression else { return Ok(change) };
    match standing {
        Standing::RolledBack => Err("the canary is out; `serin retry` gives it another trial".to_owned()),
        Standing::Succeeded => Err("no canary is on trial".to_owned()),
        _ if !change.trial.progress.canary_ready => Err("the canary has no ready endpoint".to_owned()),
        _ => {
            // It goes on in the last step that gives no more than what people have seen it bear, or in the first.
            let weight = weight + 0.0; // -0 is 0
            let from = PausedFrom::Progressing(At::below(weight, &progression.steps));
            let standing = Standing::Paused { from, weight: Some(weight) };
            Ok(change.enter(standing, Kind::WeightSet, said(Verb::SetWeight(weight))))
        }
    }
}

fn said(verb: Verb) -> Grounds {
    Grounds::Operator { verb: verb.to_string() }
}
