//! Which webhooks are asked where a rollout stands, and what their answers come to.
//!
//! Gates are asked one kind after the other: a smoke test does not run before the rollout has been confirmed. An answer
//! counts for the point at which it was asked, and no longer.

use super::state::Standing;
use super::trial::{Heard, HookAnswer, Observation, Trial};
use crate::plan::{Rollout, WebhookKind};

/// A point at which gates are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the first step.
    Start,
    /// Before the next step.
    Step,
    /// Before the promotion.
    Promotion,
}

impl Point {
    fn kinds(self) -> &'static [WebhookKind] {
        match self {
            Self::Start => &[WebhookKind::ConfirmRollout, WebhookKind::PreRollout, WebhookKind::ConfirmTrafficIncrease],
            Self::Step => &[WebhookKind::ConfirmTrafficIncrease],
            Self::Promotion => &[WebhookKind::ConfirmPromotion],
        }
    }
}

/// The point that `trial` has come to, if it has come to one.
pub(super) fn point(spec: &Rollout, trial: &Trial) -> Option<Point> {
    let progression = spec.progression.as_ref()?;
    match trial.state.standing {
        Standing::Waiting { at: None } => trial.progress.canary_ready.then_some(Point::Start),
        Standing::Progressing { at: Some(at) } => {
            let step = progression.steps.get(at.step)?;
            let last = at.step + 1 == progression.steps.len();
            match (trial.progress.held >= step.hold, last) {
                (false, _) => None,
                (true, false) => Some(Point::Step),
                (true, true) => progression.promotion.auto.then_some(Point::Promotion),
            }
        }
        _ => None,
    }
}

/// The first gate at `point` that is shut: its place in the spec's webhooks.
pub(super) fn shut(spec: &Rollout, point: Point, heard: &[Heard]) -> Option<usize> {
    let of_kind = |kind| (0..spec.webhooks.len()).filter(move |&index| spec.webhooks[index].kind == kind);
    let mut gates = point.kinds().iter().flat_map(|kind| of_kind(*kind));
    gates.find(|&index| !matches!(heard.get(index), Some(Heard { answer: Some(HookAnswer::Yes), .. })))
}

/// The webhooks to ask where `trial` stands, as places in the spec's webhooks.
pub(super) fn asked(spec: &Rollout, trial: &Trial, seen: &Observation) -> Vec<usize> {
    let standing = &trial.state.standing;
    let gate = point(spec, trial).and_then(|point| shut(spec, point, &seen.heard));
    let gate = gate.map(|index| spec.webhooks[index].kind);
    let on_trial = standing.canary_gets_traffic();
    let has_traffic = on_trial && !matches!(standing, Standing::Waiting { .. });
    let is_asked = |kind: WebhookKind| match kind {
        WebhookKind::Rollout => has_traffic,
        WebhookKind::Rollback => on_trial,
        _ => gate == Some(kind),
    };
    (0..spec.webhooks.len()).filter(|&index| is_asked(spec.webhooks[index].kind)).collect()
}
