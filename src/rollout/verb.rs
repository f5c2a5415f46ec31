//! What an operator can say to a rollout.

use super::state::Phase;
use std::fmt;
use thiserror::Error;

/// What an operator wants done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verb {
    /// Goes on to the next step at once, or from a pause; `full` skips all steps. Said twice within ten seconds it goes on
    /// once.
    Promote {
        /// Whether to skip all steps and gates.
        full: bool,
    },
    /// Takes the canary out.
    Abort,
    /// Stops the clock: the weight stays, the judge goes on.
    Pause,
    /// Goes on from a pause.
    Resume,
    /// Gives a revision that was taken out another trial.
    Retry,
    /// Gives the canary this weight, in percent (0 to 100), and pauses there.
    SetWeight(f64),
}

impl Verb {
    /// All of them, as the API and the command line have them.
    pub const NAMES: [&str; 6] = ["promote", "abort", "pause", "resume", "retry", "set-weight"];
}

impl fmt::Display for Verb {
    /// As the command line has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promote { full: false } => f.write_str("promote"),
            Self::Promote { full: true } => f.write_str("promote --full"),
            Self::Abort => f.write_str("abort"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Retry => f.write_str("retry"),
            Self::SetWeight(weight) => write!(f, "set-weight {weight}"),
        }
    }
}

/// Why a verb was refused; nothing was changed.
#[derive(Debug, Clone, Error, PartialEq)]
pub enum VerbError {
    /// There is no such rollout.
    #[error("there is no rollout `{name}`; there are: {}", listed(known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Not where it stands.
    #[error("rollout `{name}` is {phase}: {why}")]
    NotNow {
        /// The rollout.
        name: String,
        /// Where it stands.
        phase: Phase,
        /// What could be done instead.
        why: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
