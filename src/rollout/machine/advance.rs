//! One step forward: from waiting to the first step, from step to step, from the last to the promotion, and through it.

use super::message::gate;
use super::{Action, Change, Moment};
use crate::plan::{Inconclusive, Then, WebhookKind};
use crate::rollout::gates::{Point, shut};
use crate::rollout::limits::Reason;
use crate::rollout::record::{Grounds, Kind};
use crate::rollout::state::{At, PausedFrom, Standing};
use crate::rollout::time::duration_text;
use crate::rollout::trial::Observation;
use std::time::Duration;

/// A ready canary before its first request.
pub(super) fn start(change: Change<'_>, elapsed: Duration) -> Change<'_> {
    let spec = change.moment.spec;
    let Some(progression) = &spec.progression else {
        return change.enter(Standing::Progressing { at: None }, Kind::CanaryReady, Grounds::Plan);
    };
    match shut(spec, Point::Start, &change.moment.seen.heard) {
        None => first(change, Grounds::Plan),
        // People take their time to confirm; a smoke test that does not pass is something to be told about.
        Some(index) if spec.webhooks[index].kind == WebhookKind::PreRollout => {
            let why = gate(&change.moment, &change.trial).unwrap_or_default();
            stall(change, elapsed, progression.inconclusive, why)
        }
        Some(_) => change,
    }
}

/// Into the first step.
pub(super) fn first(change: Change<'_>, grounds: Grounds) -> Change<'_> {
    let Some(progression) = &change.moment.spec.progression else { return change };
    let at = At::new(0, &progression.steps);
    change.enter(Standing::Progressing { at: Some(at) }, Kind::Started, grounds)
}

/// On trial in step `at`: only healthy time counts.
pub(super) fn hold(mut change: Change<'_>, at: At, elapsed: Duration) -> Change<'_> {
    let (spec, seen) = (change.moment.spec, change.moment.seen);
    let Some(progression) = &spec.progression else { return change };
    let Some(step) = progression.steps.get(at.step) else { return change };
    if !seen.is_healthy() || !seen.is_enough(spec) {
        let why = why(&change.moment);
        return stall(change, elapsed, progression.inconclusive, why);
    }
    let progress = &mut change.trial.progress;
    (progress.stalled, progress.told_stalled, progress.waited) = (Duration::ZERO, false, Duration::ZERO);
    progress.held = (progress.held + elapsed).min(step.hold);
    if progress.held < step.hold {
        return change;
    }
    let last = at.step + 1 == progression.steps.len();
    let point = if last { Point::Promotion } else { Point::Step };
    if (last && !progression.promotion.auto) || shut(spec, point, &seen.heard).is_some() {
        return change;
    }
    next(change, at, Grounds::Plan)
}

/// From step `at` to the next one, or to the promotion.
pub(super) fn next(change: Change<'_>, at: At, grounds: Grounds) -> Change<'_> {
    let Some(progression) = &change.moment.spec.progression else { return change };
    if at.step + 1 < progression.steps.len() {
        let at = At::new(at.step + 1, &progression.steps);
        return change.enter(Standing::Progressing { at: Some(at) }, Kind::Step, grounds);
    }
    promoting(change, at.weight, grounds)
}

/// All steps are done; the canary keeps `weight`.
pub(super) fn promoting(change: Change<'_>, weight: f64, grounds: Grounds) -> Change<'_> {
    change.enter(Standing::Promoting { weight, returning: None }, Kind::Promoting, grounds)
}

/// The canary keeps its traffic until stable has been rolled forward and is ready; then it returns, bit by bit.
pub(super) fn promote(change: Change<'_>, weight: f64, returning: Option<f64>, elapsed: Duration) -> Change<'_> {
    let (spec, seen) = (change.moment.spec, change.moment.seen);
    match (returning, spec.stable_caught_up && seen.stable_ready) {
        (None, false) => change,
        (None, true) => {
            let standing = Standing::Promoting { weight, returning: Some(weight) };
            change.enter(standing, Kind::Returning, Grounds::Plan)
        }
        // Back to the side that is well.
        (Some(_), false) => promoting(change, weight, Grounds::StableNotReady),
        (Some(_), true) if seen.stable_breach.is_some() => stop_returning(change, weight),
        (Some(left), true) => give_back(change, weight, left, elapsed),
    }
}

/// A part of the traffic returns: in hundredths, so that a return is a hundred snapshots and not one a tick. Each one is
/// saved: whoever has been returned stays where they are over a restart.
fn give_back(mut change: Change<'_>, weight: f64, left: f64, elapsed: Duration) -> Change<'_> {
    let spec = change.moment.spec;
    let Some(progression) = &spec.progression else { return change };
    let part = progression.promotion.return_over / 100;
    let waited = change.trial.progress.returned + elapsed;
    let parts = if part.is_zero() { 100 } else { (waited.as_nanos() / part.as_nanos()).min(100) };
    let parts = u32::try_from(parts).expect("at most 100");
    change.trial.progress.returned = waited.saturating_sub(part * parts);
    if parts == 0 {
        return change;
    }
    let left = left - weight * f64::from(parts) / 100.0;
    // Less than half a part is what adding hundredths up leaves over.
    if left <= weight / 200.0 {
        return change.enter(Standing::Succeeded, Kind::Promoted, Grounds::Plan);
    }
    change.trial.state.standing = Standing::Promoting { weight, returning: Some(left) };
    change.actions.push(Action::SetCanaryShare(change.trial.share(spec)));
    change.actions.push(Action::Save);
    change
}

/// What stable runs now does worse than its limits: the canary takes the traffic again, and people decide.
fn stop_returning(change: Change<'_>, weight: f64) -> Change<'_> {
    let Some(breach) = change.moment.seen.stable_breach.clone() else { return change };
    let standing = Standing::Paused { from: PausedFrom::StableFailed(weight), weight: None };
    change.enter(standing, Kind::ReturnStopped, Grounds::StableBreach(breach))
}

/// The canary's endpoints went away during the promotion, and stable's are there.
pub(super) fn without_canary(change: Change<'_>, weight: f64, returning: Option<f64>) -> Change<'_> {
    let Some(progression) = &change.moment.spec.progression else { return change };
    if returning.is_some() && change.moment.spec.stable_caught_up {
        return change.enter(Standing::Succeeded, Kind::Promoted, Grounds::Plan);
    }
    let at = At::below(weight, &progression.steps);
    change.enter(Standing::Waiting { at: Some(at) }, Kind::CanaryNotReady, Grounds::Plan)
}

/// Time in which nothing could be concluded, for the reason `why`.
pub(super) fn stall(mut change: Change<'_>, elapsed: Duration, policy: Inconclusive, why: String) -> Change<'_> {
    let progress = &mut change.trial.progress;
    progress.stalled += elapsed;
    if progress.stalled < policy.after || progress.told_stalled {
        return change;
    }
    let grounds = Grounds::Inconclusive { after: duration_text(policy.after), why };
    match policy.then {
        Then::Rollback if change.moment.seen.stable_ready => change.roll_back(grounds),
        Then::Rollback => change,
        Then::Hold => tell_held(change, grounds),
    }
}

/// People are told, once, and it stands where it stood: nothing that it earned there is gone.
pub(super) fn tell_held(change: Change<'_>, grounds: Grounds) -> Change<'_> {
    let (standing, progress) = (change.trial.state.standing, change.trial.progress);
    let since = change.trial.state.since;
    let mut change = change.enter(standing, Kind::Inconclusive, grounds);
    change.trial.state.since = since;
    change.trial.progress = progress;
    change.trial.progress.told_stalled = true;
    change
}

/// What keeps the step from advancing, in words.
pub(super) fn why(moment: &Moment<'_>) -> String {
    let (spec, seen) = (moment.spec, moment.seen);
    let unhealthy: Vec<String> = seen
        .records(spec)
        .iter()
        .filter_map(|limit| {
            let reason = limit.reason.as_ref()?;
            Some(match reason {
                Reason::NoAnswer(said) => format!("{}: {said}", limit.metric),
                Reason::NotEnoughRequests | Reason::NotEnoughAnswers => {
                    format!("{}: {reason} ({} of {})", limit.metric, limit.samples, limit.min_samples)
                }
                _ => format!("{}: {reason}", limit.clause()),
            })
        })
        .collect();
    if !unhealthy.is_empty() {
        return unhealthy.join("; ");
    }
    format!("not enough requests in this step ({} of {})", seen.step_requests, Observation::needed(spec))
}
