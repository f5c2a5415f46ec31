//! The numbers of a decision, for the formats that show them in a table.

use crate::rollout::record::{Decision, Grounds, LimitRecord, Unit};

/// Name and value, in the order in which people look.
pub(super) fn facts(decision: &Decision) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Rollout", decision.rollout.to_string()), ("Revision", decision.revision.to_string())];
    facts.extend(decision.step.map(|step| ("Step", step.to_string())));
    facts.push(("Weight", format!("{} %", (decision.weight * 1_000.0).round() / 1_000.0)));
    if let Grounds::Limit(limit) = &decision.grounds {
        facts.extend(limit_facts(limit));
    }
    if decision.requests > 0 {
        facts.push(("Failed requests", format!("{} of {}", decision.failed, decision.requests)));
    }
    facts
}

fn limit_facts(limit: &LimitRecord) -> impl Iterator<Item = (&'static str, String)> {
    let value = |value: Option<f64>| value.map(|value| limit.unit.text(value));
    let stable = value(limit.stable_value).filter(|_| limit.unit != Unit::Number);
    let facts = [
        ("Limit", Some(format!("{} {} over {}", limit.metric, limit.bound(), limit.window))),
        ("Value", value(limit.value)),
        ("Stable", stable),
        ("Samples", Some(limit.samples.to_string())),
        ("Since", limit.since.map(|since| since.to_string())),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?)))
}
