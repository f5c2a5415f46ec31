//! Limits: on the requests that went through, or on what a Prometheus server answers.

use super::{BoundText, ComparisonText, DurationText, RateText};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// A limit on the canary: on a `metric` of its requests, or on what a `prometheus` server answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Limit {
    /// `error-rate`, `latency-mean`, or a quantile such as `latency-p50`, `latency-p99` or `latency-p99.9`.
    #[schemars(regex(pattern = r"^(error-rate|latency-mean|latency-p\d{1,2}(\.\d{1,3})?)$"))]
    pub(in crate::config) metric: Option<At<String>>,
    /// What a query's limit is called; unique in the rollout.
    pub(in crate::config) name: Option<At<String>>,
    /// Whom to ask instead of counting requests.
    pub(in crate::config) prometheus: Option<At<Prometheus>>,
    /// The highest value that is within the limit: a ratio (`5%`) for `error-rate`, a duration (`500ms`) for a latency,
    /// a number or a percentage for a query.
    pub(in crate::config) max: Option<At<BoundText>>,
    /// The lowest value that is within the limit: a number or a percentage; for queries only.
    pub(in crate::config) min: Option<At<BoundText>>,
    /// Instead of `max`: `2x` is twice what stable shows at the same time, `+1%` (of an error rate) one percentage
    /// point above it.
    pub(in crate::config) compared_to_stable: Option<At<ComparisonText>>,
    /// What the value is taken over.
    pub(in crate::config) window: At<DurationText>,
    /// How many requests the window needs before it says anything. Default 50; not for queries.
    #[schemars(range(min = 1))]
    pub(in crate::config) min_requests: Option<At<u64>>,
    /// The sequential test's false alarms a request, at most. Default 1e-5; for `rollback` limits, and not for
    /// queries and means.
    pub(in crate::config) false_alarm_rate: Option<At<RateText>>,
    /// How often the query is asked. Default a tenth of the window, `1s` at least and `30s` at most.
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// How many answers the window needs before it says anything. Default 3; for queries only.
    #[schemars(range(min = 1))]
    pub(in crate::config) min_samples: Option<At<u64>>,
}

/// A Prometheus server, and what it is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Prometheus {
    /// Its `http` or `https` address; `/api/v1/query` is added to it.
    pub(in crate::config) url: At<String>,
    /// `PromQL` for one value. `{{stable}}` and `{{canary}}` (versions), `{{revision}}` and `{{window}}` are filled in.
    pub(in crate::config) query: At<String>,
    /// For one answer. Default `5s`.
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// The file that holds the bearer token, read for each question; relative to this file.
    pub(in crate::config) token_file: Option<At<String>>,
    /// The file that holds the certificates to trust instead of the system's; relative to this file.
    pub(in crate::config) ca_file: Option<At<String>>,
}
