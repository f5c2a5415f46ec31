//! `serin status`: where the rollouts stand; all of them in a table, or one on a page.

mod list;
mod page;
#[cfg(test)]
mod tests;
mod watch;

use super::client::{AdminArgs, Client, ClientError, segment};
use super::screen::{Screen, cut};
use super::{Failure, figures};
use crate::rollout::{Clock, RolloutStatus, Timestamp};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use std::fmt::Write;

/// What `serin status` takes.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The rollout that a page is wanted of; a table of all of them without it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Show it again whenever it changes: in place on a terminal, else a line a change
    #[arg(long, short)]
    pub watch: bool,
    /// How it is shown; `json` is what the API says
    #[arg(long, short, value_name = "FORMAT", value_enum)]
    pub output: Option<Output>,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// How rollouts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line a rollout
    Table,
    /// The same with more columns
    Wide,
    /// The API's answer, unchanged
    Json,
}

/// Shows it, once or on and on.
///
/// # Errors
/// When nobody answers, the answer is no, or nobody reads along.
pub fn run(args: &StatusArgs, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    let client = Client::new(&args.admin)?;
    if args.watch {
        return watch::run(args, &client, screen);
    }
    let seen = look(args, &client)?;
    if seen.rollouts.is_empty() && args.output != Some(Output::Json) {
        writeln!(screen.err, "there are no rollouts: the config has none")?;
    }
    let text = seen.text(args, screen.colour, Clock::start().now().wall);
    match (screen.size)() {
        // A page is read, and may wrap; a table that wraps is none.
        Some(size) if args.output != Some(Output::Json) && !is_page(args) => {
            for line in text.lines() {
                writeln!(screen.out, "{}", cut(line, size.columns))?;
            }
        }
        _ => screen.out.write_all(text.as_bytes())?,
    }
    Ok(0)
}

fn is_page(args: &StatusArgs) -> bool {
    args.name.is_some() && args.output.is_none()
}

/// What the API said.
struct Seen {
    answer: String,
    rollouts: Vec<RolloutStatus>,
}

/// The API's answer on all rollouts.
#[derive(Deserialize)]
struct All {
    rollouts: Vec<RolloutStatus>,
}

fn look(args: &StatusArgs, client: &Client) -> Result<Seen, ClientError> {
    if let Some(name) = &args.name {
        let answer = client.text(&format!("/api/v1/rollouts/{}", segment(name)))?;
        return Ok(Seen { rollouts: vec![client.parse(&answer)?], answer });
    }
    let answer = client.text("/api/v1/rollouts")?;
    Ok(Seen { rollouts: client.parse::<All>(&answer)?.rollouts, answer })
}

impl Seen {
    /// The whole of it, as `args` want it.
    fn text(&self, args: &StatusArgs, colour: bool, now: Timestamp) -> String {
        let list =
            |wide| if self.rollouts.is_empty() { String::new() } else { list::text(&self.rollouts, wide, colour, now) };
        match (args.output, &args.name) {
            (Some(Output::Json), _) => format!("{}\n", self.answer),
            (Some(Output::Wide), _) => list(true),
            (Some(Output::Table), _) | (None, None) => list(false),
            (None, Some(_)) => self.rollouts.iter().fold(String::new(), |mut text, rollout| {
                write!(text, "{}", page::text(rollout, colour, now)).expect("a string takes everything");
                text
            }),
        }
    }
}
