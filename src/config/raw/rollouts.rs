//! Rollouts and what guards them.

use super::{Ceiling, DurationText, RateText, VersionText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Guards one rule: takes the canary out of it when a limit is breached.
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
    /// Ceilings on the canary's metrics: any one of them breached takes it out.
    pub(in crate::config) rollback: Option<At<Vec<At<RollbackLimit>>>>,
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

/// A ceiling on one metric of the canary.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RollbackLimit {
    /// `error-rate`, `latency-mean`, or a quantile such as `latency-p50`, `latency-p99` or `latency-p99.9`.
    #[schemars(regex(pattern = r"^(error-rate|latency-mean|latency-p\d{1,2}(\.\d{1,3})?)$"))]
    pub(in crate::config) metric: At<String>,
    /// The highest value that is within the limit: a ratio (`5%`) for `error-rate`, a duration (`500ms`) otherwise.
    pub(in crate::config) max: At<Ceiling>,
    /// What the plain window looks back on.
    pub(in crate::config) window: At<DurationText>,
    /// How many requests the plain window needs before it says anything. Default 50.
    #[schemars(range(min = 1))]
    pub(in crate::config) min_requests: Option<At<u64>>,
    /// The detector's false alarms a request, at most. Default 1e-5.
    pub(in crate::config) false_alarm_rate: Option<At<RateText>>,
}

/// Someone to tell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum Alert {
    /// A JSON `POST`.
    Webhook(At<Webhook>),
}

/// Where a webhook goes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Webhook {
    /// An `http` or `https` address.
    pub(in crate::config) url: At<String>,
}
