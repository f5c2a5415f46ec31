//! What the operator wrote, and what it means.
//!
//! A file becomes a plan in three steps, none of which stops at the first mistake: `yaml` reads the text into a tree
//! with places, `lenient` reads the tree into the types of `raw`, and `check` turns those into a
//! [`Plan`]. Whatever is wrong on the way is collected and shown at once, each with its line.

mod at;
mod check;
mod lenient;
mod nearest;
mod node;
mod problem;
mod raw;
mod units;
mod urls;
mod watch;
mod yaml;

pub use problem::Problems;
pub use units::{
    UnitError, format_duration, format_ratio, format_size, parse_duration, parse_ratio, parse_size, parse_weight,
};
pub use urls::{host_alone, without_user};
pub use watch::Watcher;

pub(crate) use check::defaults;

use crate::plan::Plan;
use node::Kind;
use problem::{Collector, Problem};
use schemars::transform::Transform as _;
use std::path::{Path, PathBuf};

/// A file that is right.
#[derive(Debug)]
pub struct Loaded {
    /// What it means.
    pub plan: Plan,
    /// Its text.
    pub text: String,
}

/// Why a file cannot be obeyed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file can be read and is wrong.
    #[error(transparent)]
    Invalid(#[from] Problems),
}

impl LoadError {
    /// The whole story for a person; `colour` adds ANSI sequences.
    pub fn report(&self, colour: bool) -> String {
        match self {
            Self::Read { .. } => format!("error: {self}\n"),
            Self::Invalid(problems) => problems.report(colour),
        }
    }
}

/// More than this is not a config.
const MOST_BYTES: u64 = 4 << 20;

/// Reads and checks the file at `path`.
///
/// # Errors
/// When it cannot be read, or is wrong: with everything that is.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = read(path).map_err(|source| LoadError::Read { path: path.into(), source })?;
    let plan = check(&text, path)?;
    Ok(Loaded { plan, text })
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(text)
}

/// What `text` means. `path` is where it came from: for the report, and because paths in it are relative to its
/// directory.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(text: &str, path: &Path) -> Result<Plan, Problems> {
    let problems = Collector::default();
    let plan = understand(text, path, &problems);
    let list = problems.into_problems();
    if list.is_empty() {
        Ok(plan.expect("what is missing has been reported"))
    } else {
        Err(Problems::new(path, text, list))
    }
}

fn understand(text: &str, path: &Path, problems: &Collector) -> Option<Plan> {
    let tree = yaml::parse(text)
        .map_err(|error| {
            let problem = Problem::new(error.place, format!("not YAML: {}", error.message));
            problems.report(problem.label("the file cannot be read beyond this"));
        })
        .ok()?;
    if tree.kind == Kind::Null {
        let problem = Problem::new(node::Place::default(), "the file is empty").label("nothing here");
        problems.report(problem.help("it needs at least `listeners`, `backends` and `routes`"));
        return None;
    }
    let directory = path.parent().unwrap_or(Path::new(""));
    let config = lenient::read(&tree, problems);
    check::Check { problems, directory }.plan(&config, hash(text.as_bytes()))
}

/// Fnv-1a with 128 bits, in hex.
///
/// It tells one text from another, in a metric's label and in the log, and nothing trusts it further: who can write
/// the file needs no collision. That is why it is ten lines and not a dependency.
fn hash(bytes: &[u8]) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = bytes.iter().fold(OFFSET, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

/// The JSON Schema of the file, generated from the types that read it.
pub fn schema() -> String {
    let mut schema = schemars::schema_for!(raw::Config);
    // Editors show a description as it is; the line breaks are the source's, not the text's.
    schemars::transform::RecursiveTransform(|schema: &mut schemars::Schema| {
        if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
    })
    .transform(&mut schema);
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_as_published() {
        for (text, expected) in [
            ("", "6c62272e07bb014262b821756295c58d"),
            ("a", "d228cb696f1a8caf78912b704e4a8964"),
            ("foobar", "343e1662793c64bf6f0d3597ba446f18"),
        ] {
            assert_eq!(hash(text.as_bytes()), expected);
        }
    }
}
