//! Values that are written as texts or numbers, each with its own schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, $($schema:tt)*) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Deserialize)]
        pub(in super::super) struct $name(pub(in super::super) String);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)*)
            }
        }
    };
}

text! {
    /// An IP address and a port.
    AddressText, { "type": "string", "pattern": r"^(\d+(\.\d+){3}|\[[0-9a-fA-F:.]+\]):\d+$" }
}
text! {
    /// How long.
    DurationText, { "type": ["string", "integer"], "pattern": r"^(0|(\d+(\.\d+)?(w|d|h|ms|us|µs|ns|m|s))+)$" }
}
text! {
    /// How long, or `off`.
    TimeoutText, { "type": "string", "pattern": r"^(off|(\d+(\.\d+)?(w|d|h|ms|us|µs|ns|m|s))+)$" }
}
text! {
    /// What a value may be: a duration, a ratio or a number.
    BoundText, { "type": ["string", "number"] }
}
text! {
    /// What a value may be beside stable's.
    ComparisonText, { "type": "string", "pattern": r"^(\d+(\.\d+)?x|\+\d+(\.\d+)? *%)$" }
}
text! {
    /// A percentage, with or without its sign.
    WeightText, {
        "type": ["string", "number"],
        "pattern": r"^\d+(\.\d+)? *%?$",
        "exclusiveMinimum": 0,
        "maximum": 100,
    }
}
text! {
    /// A text; a number or a truth value needs no quotes.
    LabelText, { "type": ["string", "number", "boolean"] }
}
text! {
    /// A rate between 0 and 1.
    RateText, { "type": ["string", "number"] }
}
text! {
    /// How many times as much.
    FactorText, { "type": ["string", "number"] }
}
text! {
    /// Bytes.
    SizeText, { "type": ["string", "integer"], "pattern": r"^\d+ *(B|KiB|Ki|MiB|Mi|kB|MB)?$", "minimum": 0 }
}
text! {
    /// A version; a number needs no quotes.
    VersionText, { "type": ["string", "number"] }
}
