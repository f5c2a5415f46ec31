//! The words in which people read a record: in the log, in an alert, in the status.

use super::{Decision, Grounds, Kind, LimitRecord, Unit};
use crate::rollout::limits::Reason;
use std::fmt;

impl Unit {
    /// `value`, which is in this unit, for people.
    pub fn text(self, value: f64) -> String {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        match self {
            Self::Ratio => format!("{} %", rounded(value * 100.0)),
            Self::Ms => format!("{} ms", rounded(value)),
            Self::Number => format!("{}", (value * 10_000.0).round() / 10_000.0),
        }
    }
}

impl LimitRecord {
    /// The bound in words: `at most 5 %`, `at least 0.99`, `2x stable`.
    pub fn bound(&self) -> String {
        if let Some(compared) = &self.compared_to_stable {
            return format!("{compared} stable");
        }
        let end = |word: &str, value: Option<f64>| value.map(|value| format!("{word} {}", self.unit.text(value)));
        let ends: Vec<String> = [end("at least", self.min), end("at most", self.max)].into_iter().flatten().collect();
        ends.join(", ")
    }

    /// One clause for a sentence: `error-rate 50 % over 5m (limit at most 5 %, stable 0 %)`. The evidence is of the latest
    /// requests, so with it the window's value may well be within the limit, and the clause says so.
    pub fn clause(&self) -> String {
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |value| self.unit.text(value));
        let stable = match self.unit {
            Unit::Number => String::new(),
            Unit::Ratio | Unit::Ms => format!(", stable {}", value(self.stable_value)),
        };
        let Self { metric, window, .. } = self;
        let (now, bound) = (value(self.value), self.bound());
        if self.reason == Some(Reason::Detector) {
            return format!(
                "{metric} breaks its limit ({bound}) on the evidence of the latest requests; over {window} it is {now}{stable}"
            );
        }
        format!("{metric} {now} over {window} (limit {bound}{stable})")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detector => "the evidence is there",
            Self::Window => "over the limit",
            Self::NotEnoughRequests => "not enough requests",
            Self::StableAlsoFailing => "stable shows the same fault",
            Self::WithinChance => "over the limit, but chance explains it",
            Self::NothingToCompareWith => "stable has too few requests to compare with",
            Self::NotEnoughAnswers => "not enough answers",
            Self::NoAnswer(said) => said,
        })
    }
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(breach) => f.write_str(&breach.clause()),
            Self::StableBreach(breach) => {
                let value = breach.value.map_or("-".to_owned(), |value| breach.unit.text(value));
                write!(f, "stable has {} {value} over {} (limit {})", breach.metric, breach.window, breach.bound())
            }
            Self::StateUnreadable => f.write_str("the saved state that says which revisions failed cannot be read"),
            Self::ProgressDeadline { after } => write!(f, "it was not ready within {after}"),
            Self::Inconclusive { after, why } => write!(f, "nothing could be concluded for {after}: {why}"),
            Self::Webhook { name, answer } => write!(f, "the webhook {name} answered {answer}"),
            Self::Operator { verb } => write!(f, "an operator said {verb}"),
            Self::StableNotReady => f.write_str("stable has no ready endpoint any more"),
            Self::Plan => f.write_str("as planned"),
        }
    }
}

impl fmt::Display for Decision {
    /// One sentence, for a log line or a chat message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rollout, revision, grounds, .. } = self;
        let weight = (self.weight * 1_000.0).round() / 1_000.0;
        let step = self.step.unwrap_or_default();
        write!(f, "rollout {rollout}: canary {revision} ")?;
        match self.event {
            Kind::NewRevision => f.write_str("is a new revision, to be tried once it is ready"),
            Kind::CanaryReady => f.write_str("is ready"),
            Kind::CanaryNotReady => f.write_str("has no ready endpoint; its share goes to stable"),
            Kind::Started => write!(f, "gets its first traffic (step {step})"),
            Kind::Step => write!(f, "goes on to step {step}"),
            Kind::Paused => write!(f, "is paused at weight {weight} %: {grounds}"),
            Kind::Resumed => write!(f, "goes on: {grounds}"),
            Kind::WeightSet => write!(f, "had weight {weight} % until it was set by hand"),
            Kind::Inconclusive => write!(f, "is held: {grounds}"),
            Kind::Promoting if *grounds == Grounds::StableNotReady => write!(f, "keeps the traffic: {grounds}"),
            Kind::Promoting => f.write_str("has passed every step: roll stable forward to it"),
            Kind::Returning => f.write_str("is what stable runs now; the traffic goes back to stable"),
            Kind::ReturnStopped => write!(f, "has the traffic again and is paused: {grounds}"),
            Kind::Promoted => f.write_str("is promoted: stable runs it and has the traffic"),
            Kind::Retried => f.write_str("gets another trial"),
            Kind::KeptOut => write!(f, "failed before and gets no traffic; `serin retry {rollout}` tries it again"),
            Kind::RolledBack => match grounds {
                Grounds::StateUnreadable => write!(f, "taken out: {grounds}"),
                _ => write!(
                    f,
                    "taken out: {grounds}, {} of {} requests failed at weight {weight} %",
                    self.failed, self.requests
                ),
            },
        }
    }
}
