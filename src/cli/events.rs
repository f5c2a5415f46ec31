//! `serin events`: what happened to the rollouts, and what happens.
//!
//! A follower takes every lost stream up again where it was, over restarts of the running Serin too.

use super::Failure;
use super::client::{AdminArgs, Client, segment};
use super::screen::{Screen, cut};
use super::sse::{Message, Parser};
use super::table::Ink;
use crate::admin::Event;
use clap::{Args, ValueEnum};
use http_body_util::BodyExt;
use serde::Deserialize;
use std::time::Duration;

/// A stream that is silent for so long is dead: it shows that it is alive more often than that.
const SILENCE: Duration = Duration::from_secs(45);
/// How long to wait before a lost stream is taken up again.
const COME_BACK: Duration = Duration::from_secs(1);

/// What `serin events` takes.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// The rollout that they are about; all of them without it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Go on with what happens
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the last ones to begin with
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub limit: u16,
    /// How they are shown; `json` is what the API says, with --follow an event a line
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value = "table")]
    pub output: Output,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line an event
    Table,
    /// As the API has them
    Json,
}

/// The API's answer.
#[derive(Deserialize)]
struct All {
    events: Vec<Event>,
}

/// Shows them.
///
/// # Errors
/// When nobody answers at first, the answer is no, or nobody reads along.
pub fn run(args: &EventsArgs, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    let client = Client::new(&args.admin)?;
    let about = args.name.as_ref().map(|name| format!("&rollout={}", segment(name))).unwrap_or_default();
    let path = format!("/api/v1/events?limit={}{about}", args.limit);
    if args.follow {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(follow(args, &client, &path, screen));
    }
    let answer = client.text(&path)?;
    if args.output == Output::Json {
        writeln!(screen.out, "{answer}")?;
        return Ok(0);
    }
    let all: All = client.parse(&answer)?;
    if all.events.is_empty() {
        writeln!(screen.err, "nothing has happened yet")?;
    }
    for event in &all.events {
        tell(event, screen)?;
    }
    Ok(0)
}

async fn follow(args: &EventsArgs, client: &Client, path: &str, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    let mut last: Option<String> = None;
    let mut began = false;
    let mut missing = false;
    loop {
        match client.open(path, last.as_deref()).await {
            Ok(mut body) => {
                (began, missing) = (true, false);
                let mut parser = Parser::default();
                // However it ends, it is taken up again.
                while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, body.frame()).await {
                    for message in frame.data_ref().map(|bytes| parser.feed(bytes)).unwrap_or_default() {
                        last.clone_from(&message.id);
                        heard(args, client, &message, screen)?;
                    }
                    screen.out.flush()?;
                }
            }
            Err(error) if began && error.may_pass() => {
                if !std::mem::replace(&mut missing, true) {
                    writeln!(screen.err, "{error}; still trying")?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(COME_BACK).await;
    }
}

fn heard(args: &EventsArgs, client: &Client, message: &Message, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if message.event == "lagged" {
        writeln!(screen.err, "some events were missed: they are no longer kept")?;
        return Ok(());
    }
    if args.output == Output::Json {
        writeln!(screen.out, "{}", message.data)?;
        return Ok(());
    }
    let event: Event = client.parse(&message.data)?;
    tell(&event, screen)
}

/// One line. The columns do not depend on what else there is, so that a followed stream lines up as well.
fn tell(event: &Event, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let ink = match event.severity.as_str() {
        "error" => Ink::Red,
        "warn" => Ink::Yellow,
        _ => Ink::Plain,
    };
    let name = ink.on(&format!("{:<16}", event.decision.event.name()), screen.colour);
    let line = format!("{}  {name}  {}", event.decision.at, event.message);
    let line = (screen.size)().map_or(line.clone(), |size| cut(&line, size.columns));
    Ok(writeln!(screen.out, "{line}")?)
}

#[cfg(test)]
mod tests;
