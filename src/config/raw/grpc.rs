//! gRPC.

use crate::config::at::At;
use crate::stats::GrpcStatus;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// gRPC requests, which are those with the content type `application/grpc`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::config) struct Grpc {
    /// The statuses that count as the version's failures. Default: `UNKNOWN`, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`,
    /// `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`. A response without a status always is one.
    pub(in crate::config) failure_statuses: Option<At<Vec<At<StatusText>>>>,
}

/// A gRPC status by its name.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::config) struct StatusText(pub(in crate::config) String);

impl JsonSchema for StatusText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": GrpcStatus::NAMES[1..] })
    }
}
