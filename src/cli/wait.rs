//! `serin wait`: returns when a rollout is where a script wants it, or when it can no longer come there.
//!
//! A rollout can pass through a phase between two looks, so the wait reads its history as well. An admin address that
//! does not answer is waited for: the process may be on its way up again, with the rollout where it was.

use super::client::{AdminArgs, Client, segment};
use super::failure::{Failure, OVER, TIMED_OUT};
use super::figures::{line, news};
use super::screen::Screen;
use crate::config::parse_duration;
use crate::rollout::{Kind, Phase, RolloutStatus, Timestamp};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::time::{Duration, Instant};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(250);
/// No look is given less time than this, however little is left.
const SHORTEST_LOOK: Duration = Duration::from_millis(250);

/// What `serin wait` takes.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// The rollout's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The phase to wait for
    #[arg(long = "for", value_name = "PHASE", value_parser = phases(), ignore_case = true)]
    pub phase: Phase,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub timeout: Duration,
    /// Wait for this revision: what the rollout did with the one before does not count
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// Waits, and says on the way what it sees. The exit code: 0, [`OVER`] or [`TIMED_OUT`].
///
/// # Errors
/// When the arguments are of no use, or the running Serin says no: there is no such rollout, say.
pub fn run(args: &WaitArgs, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    let mut client = Client::new(&args.admin)?;
    let path = format!("/api/v1/rollouts/{}", segment(&args.name));
    let until = Instant::now() + args.timeout;
    let mut wait = Wait { wanted: args.phase, revision: args.revision.as_deref(), has_looked: false, past: None };
    let mut last: Option<RolloutStatus> = None;
    let mut missing = false;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        client.set_patience(left.max(SHORTEST_LOOK));
        match client.get::<RolloutStatus>(&path) {
            Ok(status) => {
                let told = last.as_ref().is_some_and(|last| news(last) == news(&status));
                if missing || !told {
                    writeln!(screen.err, "{}", line(&status))?;
                }
                missing = false;
                match wait.look(&status) {
                    Seen::Reached => {
                        writeln!(screen.out, "rollout {}: {}", status.name, args.phase)?;
                        return Ok(0);
                    }
                    Seen::Over => {
                        let (name, phase) = (&status.name, status.phase);
                        writeln!(screen.err, "rollout {name} is {phase}, and will not come to {}", args.phase)?;
                        return Ok(OVER);
                    }
                    Seen::NotYet => last = Some(status),
                }
            }
            Err(error) if error.may_pass() => {
                if !std::mem::replace(&mut missing, true) {
                    writeln!(screen.err, "{error}; still waiting")?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let stands = last.as_ref().map_or_else(|| "it was never seen".to_owned(), line);
            writeln!(screen.err, "{} did not come in time; {stands}", args.phase)?;
            return Ok(TIMED_OUT);
        }
        std::thread::sleep(left.min(LOOK));
    }
}

/// What is waited for, and what has been seen.
struct Wait<'a> {
    wanted: Phase,
    revision: Option<&'a str>,
    /// Whether it has looked before: what happened until then is the past.
    has_looked: bool,
    /// The latest event of the past.
    past: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Reached,
    /// It will not come any more.
    Over,
    NotYet,
}

impl Wait<'_> {
    fn look(&mut self, status: &RolloutStatus) -> Seen {
        let latest = status.history.last().map(|decision| decision.at);
        let past = std::mem::replace(&mut self.past, latest);
        let counts = |revision: &str| self.revision.is_none_or(|wanted| wanted == revision);
        let newer = status.history.iter().filter(|decision| Some(decision.at) > past && counts(&decision.revision));
        let mut phases = newer.filter_map(|decision| phase_after(decision.event));
        let passed = std::mem::replace(&mut self.has_looked, true) && phases.any(|phase| phase == self.wanted);
        if passed {
            return Seen::Reached;
        }
        if !counts(&status.revision) {
            return Seen::NotYet;
        }
        match status.phase {
            phase if phase == self.wanted => Seen::Reached,
            Phase::Succeeded | Phase::RolledBack => Seen::Over,
            Phase::Waiting | Phase::Progressing | Phase::Paused | Phase::Promoting => Seen::NotYet,
        }
    }
}

/// The phase that an event leaves the rollout in, where that is certain.
fn phase_after(event: Kind) -> Option<Phase> {
    match event {
        Kind::NewRevision | Kind::Retried => Some(Phase::Waiting),
        Kind::Started | Kind::Step => Some(Phase::Progressing),
        Kind::Paused | Kind::WeightSet | Kind::ReturnStopped => Some(Phase::Paused),
        Kind::Promoting | Kind::Returning => Some(Phase::Promoting),
        Kind::Promoted => Some(Phase::Succeeded),
        Kind::RolledBack => Some(Phase::RolledBack),
        Kind::Resumed | Kind::Inconclusive | Kind::KeptOut | Kind::CanaryReady | Kind::CanaryNotReady => None,
    }
}

/// As the command line has it: `rolled-back`. The API's `RolledBack` is taken as well.
fn phases() -> impl TypedValueParser<Value = Phase> {
    let names = Phase::ALL.map(|phase| match phase {
        Phase::RolledBack => PossibleValue::new("rolled-back").alias("rolledback"),
        Phase::Waiting => PossibleValue::new("waiting"),
        Phase::Progressing => PossibleValue::new("progressing"),
        Phase::Paused => PossibleValue::new("paused"),
        Phase::Promoting => PossibleValue::new("promoting"),
        Phase::Succeeded => PossibleValue::new("succeeded"),
    });
    PossibleValuesParser::new(names).map(|text| {
        let plain = text.replace('-', "");
        let found = Phase::ALL.into_iter().find(|phase| phase.name().eq_ignore_ascii_case(&plain));
        found.expect("only a phase's name gets here")
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
