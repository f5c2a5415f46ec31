//! What a rollout does, in words.

use super::limits::{advances_if, out_if};
use super::table::Table;
use super::webhooks::{alert, webhook};
use crate::config::format_duration;
use crate::plan::{Plan, Progression, Rollout, Stickiness, Then};

/// The whole rollout, its parts in the order in which a trial meets them.
pub(super) fn rollout(plan: &Plan, rollout: &Rollout) -> String {
    let mut parts = vec![subject(plan, rollout)];
    if let Some(progression) = &rollout.progression {
        parts.extend([steps(progression), between(plan, rollout, progression)]);
    }
    let mut limits = Table::default();
    for limit in rollout.progression.iter().flat_map(|progression| &progression.promotion.limits) {
        limits.row("  on if", advances_if(limit).each_ref().map(String::as_str));
    }
    for limit in &rollout.rollback {
        limits.row("  out if", out_if(limit).each_ref().map(String::as_str));
    }
    let mut webhooks = Table::default();
    for hook in &rollout.webhooks {
        webhooks.row("  webhooks", webhook(hook).each_ref().map(String::as_str));
    }
    let mut alerts = Table::default();
    for receiver in &rollout.alerts {
        alerts.row("  alerts", alert(receiver).each_ref().map(String::as_str));
    }
    parts.extend([limits.to_string(), webhooks.to_string(), alerts.to_string()]);
    format!("rollout {}\n{}", rollout.name, parts.concat())
}

/// Which rule, between which backends, and for whom.
fn subject(plan: &Plan, rollout: &Rollout) -> String {
    let rule = &plan.rules[rollout.rule.index()];
    let (stable, canary) = (&plan.backends[rollout.stable.index()].name, &plan.backends[rollout.canary.index()].name);
    let mut table = Table::default();
    let revision =
        if rollout.revision.is_empty() { String::new() } else { format!(" (revision {})", rollout.revision) };
    let guards =
        format!("{}/{}, between {stable} and {canary}{revision}", plan.routes[rule.route.index()].name, rule.name);
    table.row("  guards", [&guards]);
    let by = match &rollout.stickiness {
        None => "nothing: every request is drawn anew".into(),
        Some(Stickiness::Header(name)) => format!("the header {name}"),
        Some(Stickiness::Cookie(name)) => format!("the cookie {name}"),
        Some(Stickiness::ClientIp) => "the client's address".into(),
    };
    table.row("  sticks by", [&by]);
    table.to_string()
}

fn steps(progression: &Progression) -> String {
    let mut table = Table::default();
    for step in &progression.steps {
        table.row("  steps", [&format!("{}%", step.weight), &format!("for {}", format_duration(step.hold))]);
    }
    table.to_string()
}

/// What happens before, between and after the steps.
fn between(plan: &Plan, rollout: &Rollout, progression: &Progression) -> String {
    let mut table = Table::default();
    let version = &plan.backends[rollout.canary.index()].version;
    if rollout.stable_caught_up {
        table.row("  now", [&format!("nothing to try: stable is {version} already")]);
    }
    let deadline = format_duration(progression.progress_deadline);
    table.row("  waits", [&format!("{deadline} for a ready canary, then it is out")]);
    let then = match progression.inconclusive.then {
        Then::Hold => "it holds on, and people are told",
        Then::Rollback => "the canary is out",
    };
    table.row(
        "  stuck",
        [&format!("{} in which not every limit is healthy: {then}", format_duration(progression.inconclusive.after))],
    );
    let promotion = &progression.promotion;
    let start = if promotion.auto { "promotes by itself" } else { "waits for `serin promote`" };
    let back = match promotion.return_over {
        over if over.is_zero() => "at once".into(),
        over => format!("over {}", format_duration(over)),
    };
    table.row("  then", [&format!("{start}: once stable is {version} and ready, the traffic returns to it {back}")]);
    table.to_string()
}
