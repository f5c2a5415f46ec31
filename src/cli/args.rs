//! What can be typed: every verb, its options, and an example of each.

use super::{check, demo, retry, run, schema};
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Splits traffic between a stable and a canary version, measures both, and takes the canary out by itself when it
/// misbehaves.
#[derive(Debug, Parser)]
#[command(name = "serin", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  serin demo
  serin check serin.yaml
  serin run --config serin.yaml")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What Serin can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the proxy and the judge
    Run(run::RunArgs),
    /// Say what a config file means, or everything that is wrong with it
    #[command(after_help = "Example:\n  serin check serin.yaml")]
    Check {
        /// The config file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the config file's JSON Schema
    #[command(after_help = "Example:\n  serin schema > serin.schema.json")]
    Schema,
    /// See a failing canary being taken out
    Demo(demo::DemoArgs),
    /// Give a revision that was taken out another chance
    Retry(retry::RetryArgs),
}

impl Verb {
    /// Whether it keeps a log.
    pub fn keeps_log(&self) -> bool {
        matches!(self, Self::Run(_))
    }

    /// The outcome of a verb that ends by itself and has nothing to show on the way.
    pub fn brief(&self, colour: bool) -> Option<super::Outcome> {
        match self {
            Self::Check { file } => Some(check::run(file, colour)),
            Self::Schema => Some(schema::run()),
            Self::Run(_) | Self::Demo(_) | Self::Retry(_) => None,
        }
    }
}
