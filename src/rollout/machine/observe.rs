//! A tick, judged in an order that is fixed: a breach comes before readiness, readiness before pauses and gates, and
//! those before any step forward.

use super::{Change, advance};
use crate::plan::WebhookKind;
use crate::rollout::limits::Verdict;
use crate::rollout::record::{Grounds, Kind, LimitRecord};
use crate::rollout::state::{At, PausedFrom, Standing};
use crate::rollout::time::duration_text;
use crate::rollout::trial::HookAnswer;
use std::time::Duration;

/// One observation.
pub(super) fn judge(mut change: Change<'_>) -> Change<'_> {
    let elapsed = change.trial.progress.tick(change.moment.now);
    change.trial.progress.canary_ready = change.moment.seen.canary_ready;
    if let Some(grounds) = breach(&change) {
        return match change.trial.state.standing {
            // The stable that it would be rolled back to has just breached a limit itself: people decide, and are told.
            Standing::Paused { from: PausedFrom::StableFailed(_), .. } if matches!(grounds, Grounds::Limit(_)) => {
                if change.trial.progress.told_stalled {
                    change
                } else {
                    advance::tell_held(change, grounds)
                }
            }
            _ => change.roll_back(grounds),
        };
    }
    match (change.trial.state.standing, change.moment.seen.canary_ready) {
        (Standing::Waiting { at: None }, false) => wait(change, None, elapsed),
        (Standing::Waiting { at: Some(at) }, ready) => {
            let change = wait(change, Some(at), elapsed);
            if !ready || !change.actions.is_empty() {
                return change;
            }
            flip(change, Standing::Progressing { at: Some(at) }, Kind::CanaryReady)
        }
        (Standing::Waiting { at: None }, true) => advance::start(change, elapsed),
        (Standing::Progressing { at }, false) => flip(change, Standing::Waiting { at }, Kind::CanaryNotReady),
        (Standing::Promoting { weight, returning }, false) if change.moment.seen.stable_ready => {
            advance::without_canary(change, weight, returning)
        }
        (Standing::Progressing { at: Some(at) }, true) => advance::hold(change, at, elapsed),
        (Standing::Promoting { weight, returning }, _) => advance::promote(change, weight, returning, elapsed),
        (
            Standing::Progressing { at: None } | Standing::Paused { .. } | Standing::Succeeded | Standing::RolledBack,
            _,
        ) => change,
    }
}

/// What takes the canary out now, in every standing in which it gets traffic.
fn breach(change: &Change<'_>) -> Option<Grounds> {
    let (spec, seen) = (change.moment.spec, change.moment.seen);
    if !change.trial.state.standing.canary_gets_traffic() {
        return None;
    }
    let heard = || spec.webhooks.iter().zip(&seen.heard);
    let said = |name: &str, answer: &str| Grounds::Webhook { name: name.to_owned(), answer: answer.to_owned() };
    let wanted =
        heard().find(|(hook, heard)| hook.kind == WebhookKind::Rollback && heard.answer == Some(HookAnswer::Yes));
    if let Some((hook, _)) = wanted {
        return Some(said(&hook.name, "yes"));
    }
    // Nobody is served by traffic that goes back to nobody; it goes back as soon as there is somebody.
    if !seen.stable_ready {
        return None;
    }
    let mut limits = spec.rollback.iter().zip(&seen.findings);
    if let Some((limit, finding)) = limits.find(|(_, finding)| finding.verdict == Verdict::Breach) {
        return Some(Grounds::Limit(LimitRecord::new(limit, finding)));
    }
    let mut refused = heard().filter(|(hook, _)| hook.kind == WebhookKind::Rollout);
    refused.find_map(|(hook, heard)| match &heard.answer {
        Some(HookAnswer::No(why)) if heard.refusals >= hook.threshold => Some(said(&hook.name, why)),
        _ => None,
    })
}

/// No ready canary since the last tick: for how long now?
fn wait(mut change: Change<'_>, at: Option<At>, elapsed: Duration) -> Change<'_> {
    change.trial.progress.waited += elapsed;
    let Some(progression) = &change.moment.spec.progression else { return change };
    let deadline = progression.progress_deadline;
    if change.trial.progress.waited >= deadline {
        return change.roll_back(Grounds::ProgressDeadline { after: duration_text(deadline) });
    }
    // Before the first step the deadline is all there is to wait for.
    if at.is_none() {
        return change;
    }
    advance::stall(change, elapsed, progression.inconclusive, "the canary has no ready endpoint".to_owned())
}

/// The canary's endpoints came or went. Only healthy time ends what has been waited for: one that comes and goes and
/// comes again runs into its deadlines all the same.
fn flip(change: Change<'_>, standing: Standing, event: Kind) -> Change<'_> {
    let before = change.trial.progress;
    let mut change = change.enter(standing, event, Grounds::Plan);
    let progress = &mut change.trial.progress;
    (progress.waited, progress.stalled) = (before.waited, before.stalled);
    progress.told_stalled = before.told_stalled;
    change
}
