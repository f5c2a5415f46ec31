//! What can be typed: every verb, its options, and an example of each.

use super::failure::with_exit_codes;
use super::{Failure, Outcome, Screen, by_hand, check, completions, demo, events, man, run, schema, status, wait};
use crate::rollout;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// Splits traffic between a stable and a canary version, measures both, and takes the canary out by itself when it
/// misbehaves.
#[derive(Debug, Parser)]
#[command(name = "serin", version, max_term_width = 100)]
#[command(after_help = with_exit_codes("\
Examples:
  serin demo
  serin check serin.yaml
  serin run --config serin.yaml
  serin status --watch
  serin wait data-tier --for succeeded --timeout 2h"))]
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
    /// See a failing canary being taken out
    Demo(demo::DemoArgs),
    /// Everything that runs no proxy.
    #[command(flatten)]
    Tool(Tool),
}

/// What can be done about a config, or with a Serin that runs already.
#[derive(Debug, Subcommand)]
pub enum Tool {
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
    /// Show where the rollouts stand, or all about one of them
    #[command(after_help = "\
Examples:
  serin status
  serin status data-tier --watch
  serin status data-tier -o json | jq .phase

It exits with 0 whatever the phase is; `serin wait` is for scripts that want to know.")]
    Status(status::StatusArgs),
    /// Wait until a rollout is in a phase
    #[command(after_help = with_exit_codes("\
Examples:
  serin wait data-tier --for succeeded --timeout 2h
  serin wait data-tier --for succeeded --revision 1.5.0

What it sees on the way goes to standard error. While nobody answers it goes on waiting."))]
    Wait(wait::WaitArgs),
    /// Show what happened to the rollouts
    #[command(after_help = "\
Examples:
  serin events data-tier
  serin events --follow -o json")]
    Events(events::EventsArgs),
    /// Go on to the next step at once, or from a pause
    #[command(after_help = "\
Examples:
  serin promote data-tier
  serin promote data-tier --full

Said twice within ten seconds it goes on once.")]
    Promote(by_hand::PromoteArgs),
    /// Take the canary out
    #[command(after_help = "Example:\n  serin abort data-tier")]
    Abort(by_hand::RolloutArgs),
    /// Stop the clock: the weight stays, and the judge goes on
    #[command(after_help = "Example:\n  serin pause data-tier")]
    Pause(by_hand::RolloutArgs),
    /// Go on from a pause
    #[command(after_help = "Example:\n  serin resume data-tier")]
    Resume(by_hand::RolloutArgs),
    /// Give a revision that was taken out another trial
    ///
    /// A rollback keeps the canary's revision out until the config names another one. When the revision was not to
    /// blame, this lets it in again, from the beginning and with no evidence against it.
    #[command(after_help = "\
Example:
  serin retry data-tier
  serin retry data-tier --admin http://10.0.0.7:9900 --token-file /run/secrets/serin-token")]
    Retry(by_hand::RolloutArgs),
    /// Give the canary a weight, and pause there
    #[command(after_help = "Example:\n  serin set-weight data-tier 12.5")]
    SetWeight(by_hand::SetWeightArgs),
    /// Print what a shell needs to complete the command line
    #[command(after_help = "\
Examples:
  serin completions bash > /etc/bash_completion.d/serin
  serin completions fish > ~/.config/fish/completions/serin.fish")]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Print the manual, or write all of its pages
    #[command(after_help = "Examples:\n  serin man | man -l -\n  serin man --dir /usr/local/share/man/man1")]
    Man {
        /// Write one page on Serin and one on each verb into this directory
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

impl Verb {
    /// Whether it keeps a log.
    pub fn keeps_log(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

impl Tool {
    /// Does it; the exit code.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(&self, screen: &mut Screen<'_>) -> Result<u8, Failure> {
        let text = match self {
            Self::Check { file } => return tell(&check::run(file, screen.err_colour), screen),
            Self::Schema => return tell(&schema::run(), screen),
            Self::Completions { shell } => return tell(&completions::run(*shell), screen),
            Self::Status(args) => return status::run(args, screen),
            Self::Wait(args) => return wait::run(args, screen),
            Self::Events(args) => return events::run(args, screen),
            Self::Man { dir: Some(dir) } => return man::pages(dir).map(|()| 0),
            Self::Man { dir: None } => man::page()?,
            Self::Promote(args) => by_hand::say(&args.rollout, rollout::Verb::Promote { full: args.full })?,
            Self::Abort(rollout) => by_hand::say(rollout, rollout::Verb::Abort)?,
            Self::Pause(rollout) => by_hand::say(rollout, rollout::Verb::Pause)?,
            Self::Resume(rollout) => by_hand::say(rollout, rollout::Verb::Resume)?,
            Self::Retry(rollout) => by_hand::say(rollout, rollout::Verb::Retry)?,
            Self::SetWeight(args) => by_hand::say(&args.rollout, rollout::Verb::SetWeight(args.weight))?,
        };
        screen.out.write_all(text.as_bytes())?;
        Ok(0)
    }
}

fn tell(outcome: &Outcome, screen: &mut Screen<'_>) -> Result<u8, Failure> {
    screen.err.write_all(outcome.stderr.as_bytes())?;
    screen.out.write_all(outcome.stdout.as_bytes())?;
    Ok(outcome.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_help_has_an_example() {
        Args::command().debug_assert();
        for verb in Args::command().get_subcommands_mut() {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Example"), "{help}");
        }
    }

    #[test]
    fn every_verb_of_a_rollout_is_there_and_takes_the_admin_address_from_the_environment() {
        let mut command = Args::command();
        for name in rollout::Verb::NAMES.into_iter().chain(["status", "wait", "events"]) {
            let verb = command.find_subcommand_mut(name).unwrap_or_else(|| panic!("{name}"));
            let help = verb.render_long_help().to_string();
            assert!(help.contains("SERIN_ADMIN") && help.contains("SERIN_TOKEN_FILE"), "{help}");
        }
    }

    #[test]
    fn a_weight_comes_after_the_name_and_is_checked_before_anybody_is_asked() {
        let parse = |weight| Args::try_parse_from(["serin", "set-weight", "data-tier", weight]);
        let Ok(Args { verb: Verb::Tool(Tool::SetWeight(args)) }) = parse("12.5") else { panic!("it is well put") };
        assert_eq!((args.rollout.name.as_str(), args.weight.to_string()), ("data-tier", "12.5".to_owned()));
        for weight in ["101", "-1", "ten"] {
            let error = parse(weight).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("from 0 to 100, such as 12.5"), "{error}");
        }
    }

    #[test]
    fn the_help_says_what_the_exit_codes_mean() {
        let help = Args::command().render_long_help().to_string();
        assert!(super::super::EXIT_CODES.iter().all(|(code, meaning)| help.contains(&format!("{code}  {meaning}"))));
    }
}
