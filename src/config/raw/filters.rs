//! What a rule does to requests and responses, in `HTTPRoute`'s words.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// One filter: its type, and the key of the same name. Each type at most once in a list, but for `RequestMirror`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Filter {
    /// What it does.
    #[serde(rename = "type")]
    pub(in crate::config) kind: At<FilterType>,
    /// For `RequestHeaderModifier`.
    pub(in crate::config) request_header_modifier: Option<At<HeaderModifier>>,
    /// For `ResponseHeaderModifier`.
    pub(in crate::config) response_header_modifier: Option<At<HeaderModifier>>,
    /// For `RequestMirror`.
    pub(in crate::config) request_mirror: Option<At<RequestMirror>>,
    /// For `RequestRedirect`.
    pub(in crate::config) request_redirect: Option<At<RequestRedirect>>,
    /// For `URLRewrite`.
    pub(in crate::config) url_rewrite: Option<At<UrlRewrite>>,
}

/// What a filter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum FilterType {
    /// Changes the fields of what is forwarded.
    RequestHeaderModifier,
    /// Changes the fields of what is answered, by a backend or by Serin itself.
    ResponseHeaderModifier,
    /// Sends copies of requests to another backend, whose answers nobody waits for.
    RequestMirror,
    /// Answers every request with a redirect. Such a rule has no `backendRefs`.
    RequestRedirect,
    /// Changes the host and the path of what is forwarded.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
}

/// What is done to header fields: `set`, then `add`, then `remove`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct HeaderModifier {
    /// Fields in place of those that are there under the same names.
    #[schemars(length(max = 16))]
    pub(in crate::config) set: Option<At<Vec<At<HeaderField>>>>,
    /// Fields beside those that are there.
    #[schemars(length(max = 16))]
    pub(in crate::config) add: Option<At<Vec<At<HeaderField>>>>,
    /// Names of fields that are taken away.
    #[schemars(length(max = 16))]
    pub(in crate::config) remove: Option<At<Vec<At<String>>>>,
}

/// A header field.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct HeaderField {
    /// Its name, in any case.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::config) name: At<String>,
    /// Its value.
    #[schemars(length(min = 1, max = 4096))]
    pub(in crate::config) value: At<String>,
}

/// Who gets copies, and of how many requests. Default: of every one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RequestMirror {
    /// Who gets them.
    pub(in crate::config) backend_ref: At<MirrorRef>,
    /// How many of a hundred requests are copied.
    #[schemars(range(max = 100))]
    pub(in crate::config) percent: Option<At<u64>>,
    /// How many requests are copied, more finely.
    pub(in crate::config) fraction: Option<At<Fraction>>,
}

/// The backend that gets copies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct MirrorRef {
    /// One of `backends`.
    pub(in crate::config) name: At<String>,
}

/// A part of a whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Fraction {
    /// How many.
    pub(in crate::config) numerator: At<u64>,
    /// Of how many. Default 100.
    #[schemars(range(min = 1))]
    pub(in crate::config) denominator: Option<At<u64>>,
}

/// Where clients are sent. What is left out is as they asked; the query always is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct RequestRedirect {
    /// The scheme.
    pub(in crate::config) scheme: Option<At<Scheme>>,
    /// The host, without a port.
    pub(in crate::config) hostname: Option<At<String>>,
    /// The path.
    pub(in crate::config) path: Option<At<PathModifier>>,
    /// The port. Default: that of `scheme` where there is one, otherwise the one that the client named.
    #[schemars(range(min = 1, max = 65_535))]
    pub(in crate::config) port: Option<At<u64>>,
    /// 301, 302, 303, 307 or 308. Default 302.
    pub(in crate::config) status_code: Option<At<u64>>,
}

/// A URL's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

/// What the backend is asked for instead. The query stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct UrlRewrite {
    /// The value of `Host`. `X-Forwarded-Host` keeps the client's.
    pub(in crate::config) hostname: Option<At<String>>,
    /// The path.
    pub(in crate::config) path: Option<At<PathModifier>>,
}

/// A path in place of the request's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct PathModifier {
    /// How much of it is replaced.
    #[serde(rename = "type")]
    pub(in crate::config) kind: At<PathModifierType>,
    /// For `ReplaceFullPath`: the path.
    pub(in crate::config) replace_full_path: Option<At<String>>,
    /// For `ReplacePrefixMatch`: what stands where the prefix was that the rule's matches have in common.
    pub(in crate::config) replace_prefix_match: Option<At<String>>,
}

/// How much of a path is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum PathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that was matched.
    ReplacePrefixMatch,
}

impl FilterType {
    /// As the file has it.
    pub(in crate::config) fn name(self) -> &'static str {
        match self {
            Self::RequestHeaderModifier => "RequestHeaderModifier",
            Self::ResponseHeaderModifier => "ResponseHeaderModifier",
            Self::RequestMirror => "RequestMirror",
            Self::RequestRedirect => "RequestRedirect",
            Self::UrlRewrite => "URLRewrite",
        }
    }

    /// Where the file says what it does.
    pub(in crate::config) fn key(self) -> &'static str {
        match self {
            Self::RequestHeaderModifier => "requestHeaderModifier",
            Self::ResponseHeaderModifier => "responseHeaderModifier",
            Self::RequestMirror => "requestMirror",
            Self::RequestRedirect => "requestRedirect",
            Self::UrlRewrite => "urlRewrite",
        }
    }
}
