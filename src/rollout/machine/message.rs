//! Where a rollout stands and what it waits for, in a sentence for people.

use super::Moment;
use super::advance::why;
use crate::plan::Progression;
use crate::rollout::gates::{Point, point, shut};
use crate::rollout::limits::Verdict;
use crate::rollout::record::Kind;
use crate::rollout::state::{At, PausedFrom, Standing};
use crate::rollout::time::duration_text;
use crate::rollout::trial::{HookAnswer, Trial};
use std::time::Duration;

/// The sentence.
pub(in crate::rollout) fn message(moment: &Moment<'_>, trial: &Trial) -> String {
    let seen = moment.seen;
    let standing = trial.state.standing;
    let breached = seen.findings.iter().any(|finding| finding.verdict == Verdict::Breach);
    if standing.canary_gets_traffic() && breached && !seen.stable_ready {
        return "a limit is breached, but stable has no ready endpoint to take the traffic back".to_owned();
    }
    let text = in_words(moment, trial);
    // In every standing: it is where the traffic would go, or where it goes already.
    let needed = !matches!(standing, Standing::Promoting { returning: None, .. });
    if needed && !seen.stable_ready { format!("{text}; stable has no ready endpoint") } else { text }
}

fn in_words(moment: &Moment<'_>, trial: &Trial) -> String {
    let (spec, standing) = (moment.spec, trial.state.standing);
    let gate = || gate(moment, trial);
    match standing {
        Standing::Waiting { .. } if !trial.progress.canary_ready => match &spec.progression {
            Some(progression) => format!(
                "waits for the canary to have a ready endpoint ({} of {})",
                whole(trial.progress.waited),
                whole(progression.progress_deadline)
            ),
            None => "waits for the canary to have a ready endpoint".to_owned(),
        },
        Standing::Waiting { .. } => gate().unwrap_or_else(|| "the canary is ready".to_owned()),
        Standing::Progressing { at: None } => "the canary has the file's weight and is judged by it".to_owned(),
        Standing::Progressing { at: Some(at) } => match &spec.progression {
            Some(progression) => gate().unwrap_or_else(|| holding(moment, trial, progression, at)),
            None => String::new(),
        },
        Standing::Paused { from: PausedFrom::StableFailed(_), .. } => {
            let stopped = trial.state.history.iter().rfind(|decision| decision.event == Kind::ReturnStopped);
            let why = stopped.map(|decision| format!(": {}", decision.grounds)).unwrap_or_default();
            format!("paused, the return of the traffic was stopped{why}; `serin resume {}` begins it again", spec.name)
        }
        Standing::Paused { from: PausedFrom::Promoting(_), weight: Some(left) } => {
            format!(
                "paused while the traffic returns, {left} % still with the canary; `serin resume {}` goes on",
                spec.name
            )
        }
        Standing::Paused { weight, .. } => {
            let set = weight.map(|weight| format!(" at a weight of {weight} %, set by hand")).unwrap_or_default();
            format!("paused{set}; `serin resume {}` goes on", spec.name)
        }
        Standing::Promoting { returning: None, .. } if spec.stable_caught_up => {
            "waits for stable to have a ready endpoint".to_owned()
        }
        Standing::Promoting { returning: None, .. } => {
            format!("waits for stable to run {}: roll it forward, and set its `version`", trial.state.revision)
        }
        Standing::Promoting { returning: Some(_), .. } => "the traffic returns to stable".to_owned(),
        Standing::Succeeded if spec.progression.is_some() && !spec.stable_caught_up => format!(
            "{} was promoted, and stable has another version again; `serin retry {}` rolls it out once more",
            trial.state.revision, spec.name
        ),
        Standing::Succeeded => format!("stable runs {}", trial.state.revision),
        Standing::RolledBack => {
            let why = trial.state.last_decision.as_ref().filter(|decision| decision.revision == trial.state.revision);
            let why = why.map(|decision| format!(": {}", decision.grounds)).unwrap_or_default();
            format!("taken out{why}; `serin retry {}` tries it again", spec.name)
        }
    }
}

fn holding(moment: &Moment<'_>, trial: &Trial, progression: &Progression, at: At) -> String {
    let Some(step) = progression.steps.get(at.step) else { return String::new() };
    let (number, of) = (at.step + 1, progression.steps.len());
    let held = trial.progress.held;
    if held >= step.hold && number == of && !progression.promotion.auto {
        return format!("has passed every step; `serin promote {}` promotes it", moment.spec.name);
    }
    let text = format!("step {number} of {of}, held {} of {}", whole(held), whole(step.hold));
    let counts = moment.seen.is_healthy() && moment.seen.is_enough(moment.spec);
    if counts { text } else { format!("{text}; {}", why(moment)) }
}

/// The gate that it waits for.
pub(super) fn gate(moment: &Moment<'_>, trial: &Trial) -> Option<String> {
    let point: Point = point(moment.spec, trial)?;
    let index = shut(moment.spec, point, &moment.seen.heard)?;
    let hook = &moment.spec.webhooks[index];
    let said = match moment.seen.heard.get(index).and_then(|heard| heard.answer.as_ref()) {
        None | Some(HookAnswer::Yes) => "it has not answered yet".to_owned(),
        Some(HookAnswer::No(why)) => format!("it answered {why}"),
        Some(HookAnswer::Silent(why)) => format!("no answer: {why}"),
    };
    Some(format!("waits for the webhook {} ({}): {said}", hook.name, hook.kind.name()))
}

/// In whole seconds: what people read changes once a second.
fn whole(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return "0s".to_owned();
    }
    duration_text(Duration::from_secs(duration.as_secs()))
}
