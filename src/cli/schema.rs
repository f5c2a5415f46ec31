//! `serin schema`: the JSON Schema of the config, so that editors complete and check the file.

use super::Outcome;
use crate::config;

/// The schema, on the standard output.
pub fn run() -> Outcome {
    Outcome { code: 0, stdout: config::schema(), stderr: String::new() }
}
