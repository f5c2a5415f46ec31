//! The PROXY protocol, on either side.

use crate::config::at::At;
use schemars::JsonSchema;
use serde::Deserialize;

/// Whose connections begin with a PROXY header, version 1 or 2. Theirs must, and nobody else's is looked at for one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct ProxyProtocol {
    /// The addresses of the proxies in front, and networks of them, as in `10.0.0.0/8` or `192.168.1.7`; at least one.
    #[schemars(length(min = 1))]
    pub(in crate::config) from: At<Vec<At<String>>>,
}

/// Which form a PROXY header is written in.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::config) enum ProxyProtocolVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}
