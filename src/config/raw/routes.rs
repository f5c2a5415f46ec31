//! Routes, in `HTTPRoute`'s words.

use super::{DurationText, Filter};
use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// A named group of rules for some hostnames.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Route {
    /// Unique among the routes.
    pub(in crate::config) name: At<String>,
    /// The hosts that the route is for, as in `shop.example.com` or `*.example.com`. Default: every host.
    pub(in crate::config) hostnames: Option<At<Vec<At<String>>>>,
    /// At least one. The most specific match wins, whatever the order.
    #[schemars(length(min = 1))]
    pub(in crate::config) rules: At<Vec<At<Rule>>>,
}

/// What carries weights: which requests, and who gets what share of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// Unique in its route. Default `rule-N`, from 0.
    pub(in crate::config) name: Option<At<String>>,
    /// Any one of them is enough. Default: every request.
    pub(in crate::config) matches: Option<At<Vec<At<RequestMatch>>>>,
    /// What is done to its requests, and to what is answered.
    pub(in crate::config) filters: Option<At<Vec<At<Filter>>>>,
    /// Who gets the requests; at least one, unless a `RequestRedirect` answers them all.
    #[schemars(length(min = 1))]
    pub(in crate::config) backend_refs: Option<At<Vec<At<BackendRef>>>>,
    /// How long its requests may take. Default: as long as the file's `timeouts` say.
    pub(in crate::config) timeouts: Option<At<RuleTimeouts>>,
    /// Tries a request again that failed, as long as nothing of a response has gone to the client. What is not known to
    /// be idempotent is tried again only if nothing of it was sent. Default: only other endpoints, when a connection is
    /// refused.
    pub(in crate::config) retry: Option<At<Retry>>,
}

/// How long a rule's requests may take. `0s` is for ever.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RuleTimeouts {
    /// From the request's head to the response's last byte, all attempts together. Default: the file's
    /// `timeouts.request`.
    pub(in crate::config) request: Option<At<DurationText>>,
    /// From the start of one attempt to its response's last byte; at most `request`. Default `0s`.
    pub(in crate::config) backend_request: Option<At<DurationText>>,
}

/// When a request is tried again. What gives no response always is: a connection that is refused or closed before the
/// response, and a try that takes too long. All retries of a worker together are at most 20 % of its requests and three a
/// second.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Retry {
    /// How many times at most a request is tried again. Default 1.
    #[schemars(range(min = 1, max = 10))]
    pub(in crate::config) attempts: Option<At<u64>>,
    /// Status codes of responses in whose place an idempotent request is tried again, 400 to 599. Default none.
    #[schemars(inner(range(min = 400, max = 599)))]
    pub(in crate::config) codes: Option<At<Vec<At<u64>>>>,
    /// The least wait before a request is tried again; up to twice as much at random, and twice that the next time, up
    /// to ten times. Default `25ms`.
    pub(in crate::config) backoff: Option<At<DurationText>>,
    /// From the start of a try to its response's head; where the client is still sending, from the end of that. Default:
    /// none but the time-outs.
    pub(in crate::config) per_try_timeout: Option<At<DurationText>>,
}

/// Conditions that must all hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RequestMatch {
    /// The path. Default: the prefix `/`, which is every path.
    pub(in crate::config) path: Option<At<PathMatch>>,
    /// Header fields that must be there.
    pub(in crate::config) headers: Option<At<Vec<At<NameMatch>>>>,
    /// Query parameters that must be there.
    pub(in crate::config) query_params: Option<At<Vec<At<NameMatch>>>>,
    /// The method, in capitals, as in `GET`.
    pub(in crate::config) method: Option<At<String>>,
    /// Cookies that must be there. An addition of Serin's to `HTTPRoute`.
    pub(in crate::config) cookies: Option<At<Vec<At<NameMatch>>>>,
}

/// How a path must look.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct PathMatch {
    /// Default `PathPrefix`.
    #[serde(rename = "type")]
    pub(in crate::config) kind: Option<At<PathType>>,
    /// The path, from its `/` on. Default `/`.
    pub(in crate::config) value: Option<At<String>>,
}

/// How a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum PathType {
    /// Equal to the value.
    Exact,
    /// Equal to the value or below it, by whole segments.
    PathPrefix,
    /// Matched in full by the value.
    RegularExpression,
}

/// A named text that must be there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct NameMatch {
    /// Default `Exact`.
    #[serde(rename = "type")]
    pub(in crate::config) kind: Option<At<TextType>>,
    /// Its name. Of a header, in any case.
    pub(in crate::config) name: At<String>,
    /// How its value must look.
    pub(in crate::config) value: At<String>,
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum TextType {
    /// Equal to the value.
    Exact,
    /// Matched in full by the value.
    RegularExpression,
}

/// A backend's part in a rule.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct BackendRef {
    /// One of `backends`.
    pub(in crate::config) name: At<String>,
    /// Relative to the other weights of the rule. Default 1. A rollout with `steps` decides how its stable and canary
    /// share what their two ones get: they must not have a weight here.
    #[schemars(range(max = 1_000_000))]
    pub(in crate::config) weight: Option<At<u64>>,
    /// What is done to those requests that go to this backend, after what the rule does.
    pub(in crate::config) filters: Option<At<Vec<At<Filter>>>>,
}
