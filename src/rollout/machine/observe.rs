//! A tick, judged in an order that is fixed: a breach comes before readiness, readiness before pauses and gates, and
//! those before any step forward.

use super::{Change, advance};
use crate::plan::WebhookKind;
use crate::rollout::limits::Verdict;
use crate::rollout::record::{Grounds, Kind, LimitRecord};
use crate::rollout::state::Standing;
use crate::rollout::time::duration_text;
use crate::rollout::trial::HookAnswer;
use std::time::Duration;

/// One observation.
pub(super) fn judge(mut change: Change<'_>) -> Change<'_> {
    let elapsed = change.trial.progress.tick(change.moment.now);
    change.trial.progress.canary_ready = change.moment.seen.canary_ready;
    if let Some(grounds) = breach(&change) {
        return change.roll_back(grounds);
    }
    match (change.trial.state.standing, change.moment.seen.canary_ready) {
        (Standing::Waiting { .. }, false) => wait(change, elapsed),
        (Standing::Waiting { at: Some(at) }, true) => {
            change.enter(Standing::Progressing { at: Some(at) }, Kind::CanaryReady, Grounds::Plan)
        }
        (Standing::Waiting { at: None }, true) => advance::start(change, elapsed),
        (Standing::Progressing { at }, false) => {
            change.enter(Standing::Waiting { at }, Kind::CanaryNotReady, Grounds::Plan)
        }
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

/// No ready canary: for how long?
fn wait(mut change: Change<'_>, elapsed: Duration) -> Change<'_> {
    change.trial.progress.waited += elapsed;
    let deadline = change.moment.spec.progression.as_ref().map(|progression| progression.progress_deadline);
    match deadline {
        Some(deadline) if change.trial.progress.waited >= deadline => {
            change.roll_back(Grounds::ProgressDeadline { after: duration_text(deadline) })
        }
        _ => change,
    }
}
