//! Rollouts: between which backends, in which steps, and what comes after them.

use super::{Alert, DurationText, Limit, VersionText, Webhook, WeightText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Guards one rule: takes the canary out of it when a limit is breached. With `steps` it moves the weight too.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Rollout {
    /// Unique among the rollouts.
    pub(in crate::config) name: At<String>,
    /// The rule whose weights it guards, as in `my-route/my-rule`.
    pub(in crate::config) rule: At<String>,
    /// The backend that takes over; one of the rule's.
    pub(in crate::config) stable: At<String>,
    /// The backend on trial; one of the rule's.
    pub(in crate::config) canary: At<String>,
    /// What identifies the canary being tried: a failed one stays out until this changes. Default: the canary's
    /// `version`.
    pub(in crate::config) revision: Option<At<VersionText>>,
    /// What keeps a user on one side. Default: nothing, every request is drawn anew.
    pub(in crate::config) stickiness: Option<At<Stickiness>>,
    /// The canary's way from nothing to everything. Without steps the weights are those of the rule's `backendRefs`.
    pub(in crate::config) steps: Option<At<Steps>>,
    /// How long a trial may wait for a ready canary before it is rolled back. Default `10m`; needs `steps`.
    pub(in crate::config) progress_deadline: Option<At<DurationText>>,
    /// What becomes of a step that can neither advance nor fail; needs `steps`.
    pub(in crate::config) inconclusive: Option<At<Inconclusive>>,
    /// Limits on the canary's metrics: any one of them breached takes it out.
    pub(in crate::config) rollback: Option<At<Vec<At<Limit>>>>,
    /// What comes after the last step, and what has to hold for a step to advance; needs `steps`.
    pub(in crate::config) promotion: Option<At<Promotion>>,
    /// Who is asked or called, and at which point.
    pub(in crate::config) webhooks: Option<At<Vec<At<Webhook>>>>,
    /// Who is told.
    pub(in crate::config) alerts: Option<At<Vec<At<Alert>>>>,
}

/// What identifies a user.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Stickiness {
    /// The value of this request header.
    Header(At<String>),
    /// The value of this cookie.
    Cookie(At<String>),
    /// The address that the connection comes from.
    #[serde(rename = "clientIP")]
    ClientIp(At<bool>),
}

/// The canary's way from nothing to everything: a list of steps, or several weights held for the same time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$by-shape")]
#[schemars(untagged, rename = "Steps")]
pub(in crate::config) enum Steps {
    /// Each with its own time.
    #[serde(rename = "$list")]
    Each(#[schemars(length(min = 1))] Vec<At<Step>>),
    /// All of them held for the same time.
    #[serde(rename = "$mapping")]
    Alike(AlikeSteps),
}

/// One weight to hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Step {
    /// The canary's, in percent: above 0, at most 100, thousandths at the finest.
    pub(in crate::config) weight: At<WeightText>,
    /// For so long; only time in which every limit is healthy counts.
    #[serde(rename = "for")]
    pub(in crate::config) hold: At<DurationText>,
}

/// Weights that are all held for the same time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct AlikeSteps {
    /// The canary's, in percent, rising: above 0, at most 100, thousandths at the finest.
    #[schemars(length(min = 1))]
    pub(in crate::config) weights: At<Vec<At<WeightText>>>,
    /// Each one for so long; only time in which every limit is healthy counts.
    #[serde(rename = "for")]
    pub(in crate::config) hold: At<DurationText>,
}

/// What becomes of a step that can neither advance nor fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Inconclusive {
    /// After so long without any progress. Default `1h`.
    pub(in crate::config) after: Option<At<DurationText>>,
    /// Default `hold`; people are told either way.
    pub(in crate::config) then: Option<At<Then>>,
}

/// What to do about a step that can neither advance nor fail.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Then {
    /// Go on holding.
    Hold,
    /// Take the canary out.
    Rollback,
}

/// What comes after the last step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Promotion {
    /// Whether it goes on by itself after the last step; otherwise it waits for `serin promote`. Default true.
    pub(in crate::config) auto: Option<At<bool>>,
    /// All of them have to be healthy for a step to advance; none of them takes the canary out.
    pub(in crate::config) limits: Option<At<Vec<At<Limit>>>>,
    /// How long the traffic takes back to stable once that has been rolled forward. Default `30s`.
    #[serde(rename = "return")]
    pub(in crate::config) return_over: Option<At<DurationText>>,
}
