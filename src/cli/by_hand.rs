//! `serin promote`, `abort`, `pause`, `resume`, `retry` and `set-weight`: what an operator says to a rollout.
//!
//! They differ in a word. Whether it makes sense is for the running Serin to say, which knows where the rollout stands.

use super::client::{AdminArgs, Client, ClientError, segment};
use super::figures::standing;
use crate::rollout::{RolloutStatus, Verb};
use clap::Args;

/// Whom to say it to.
#[derive(Debug, Clone, Args)]
pub struct RolloutArgs {
    /// The rollout's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where to ask.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// What `serin promote` takes.
#[derive(Debug, Clone, Args)]
pub struct PromoteArgs {
    /// Which rollout.
    #[command(flatten)]
    pub rollout: RolloutArgs,
    /// Skip all steps that are left, and their gates
    #[arg(long)]
    pub full: bool,
}

/// What `serin set-weight` takes.
#[derive(Debug, Clone, Args)]
pub struct SetWeightArgs {
    /// Which rollout.
    #[command(flatten)]
    pub rollout: RolloutArgs,
    /// The canary's weight in percent, from 0 to 100
    #[arg(value_name = "WEIGHT", value_parser = weight, allow_negative_numbers = true)]
    pub weight: f64,
}

/// Says `verb`; where the rollout stands now, in a line.
///
/// # Errors
/// When the arguments are of no use, nobody answers, or the answer is no.
pub fn say(rollout: &RolloutArgs, verb: Verb) -> Result<String, ClientError> {
    let verb = match verb {
        Verb::Promote { full: true } => "promote?full=true".to_owned(),
        Verb::SetWeight(weight) => format!("set-weight?weight={weight}"),
        verb => verb.to_string(),
    };
    let path = format!("/api/v1/rollouts/{}/{verb}", segment(&rollout.name));
    let status: RolloutStatus = Client::new(&rollout.admin)?.post(&path)?;
    Ok(format!("rollout {}: {}\n", status.name, standing(&status)))
}

fn weight(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse().ok();
    let within = number.filter(|weight| (0.0..=100.0).contains(weight));
    within.ok_or_else(|| "a weight is a percentage from 0 to 100, such as 12.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Stub, status};
    use super::*;
    use serde_json::json;

    fn rollout(stub: &Stub) -> RolloutArgs {
        RolloutArgs { name: "data tier".into(), admin: stub.admin() }
    }

    #[test]
    fn each_verb_is_asked_for_by_its_path() {
        for (verb, path) in [
            (Verb::Promote { full: false }, "promote"),
            (Verb::Promote { full: true }, "promote?full=true"),
            (Verb::Abort, "abort"),
            (Verb::Pause, "pause"),
            (Verb::Resume, "resume"),
            (Verb::Retry, "retry"),
            (Verb::SetWeight(12.5), "set-weight?weight=12.5"),
        ] {
            let stub = Stub::json(200, &status("Paused", 2));
            say(&rollout(&stub), verb).unwrap();
            assert_eq!(stub.asked(), [format!("POST /api/v1/rollouts/data%20tier/{path} HTTP/1.1")]);
        }
    }

    #[test]
    fn a_yes_is_told_with_where_the_rollout_stands() {
        let stub = Stub::json(200, &status("Paused", 2));
        assert_eq!(say(&rollout(&stub), Verb::Pause).unwrap(), "rollout data-tier: paused at step 2 of 5 (30 %)\n");
    }

    #[test]
    fn a_no_is_told_with_its_reason() {
        let stub = Stub::json(409, &json!({ "error": "rollout `data-tier` is Paused: it is paused already" }));
        let error = say(&rollout(&stub), Verb::Pause).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("it is paused already"), "{error}");
        let stub = Stub::json(401, &json!({ "error": "this needs a token" }));
        let error = say(&rollout(&stub), Verb::Pause).unwrap_err().to_string();
        assert!(error.contains("this needs a token; --token-file gives one"), "{error}");
    }

    #[test]
    fn a_weight_is_a_percentage() {
        for (text, percent) in [("0", 0.0), ("12.5", 12.5), ("30%", 30.0), ("100", 100.0)] {
            assert_eq!(weight(text), Ok(percent));
        }
        for text in ["", "-1", "101", "NaN", "ten"] {
            assert!(weight(text).unwrap_err().contains("such as 12.5"), "{text}");
        }
    }
}
