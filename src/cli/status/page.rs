//! One rollout, with everything that it is judged by.

use super::figures::{age, bar, milliseconds, percent, phase_ink, seconds, verdict_ink, weight};
use crate::cli::table::{Cell, Ink, Table};
use crate::rollout::{Decision, LimitRecord, RolloutStatus, SideStatus, Timestamp};
use std::fmt::Write;
use std::sync::Arc;

/// So many of the last events are shown; `serin events` has them all.
const LAST: usize = 5;

/// The page.
pub(super) fn text(rollout: &RolloutStatus, colour: bool, now: Timestamp) -> String {
    let phase = phase_ink(rollout.phase).on(rollout.phase.name(), colour);
    let mut sections = vec![format!(
        "Name:      {}\nRule:      {}\nPhase:     {phase}, for {}\nRevision:  {}\nMessage:   {}\n",
        rollout.name,
        rollout.rule,
        age(now.since(rollout.since)),
        rollout.revision,
        rollout.message,
    )];
    if !rollout.steps.is_empty() {
        sections.push(steps(rollout, colour));
    }
    sections.push(sides(rollout, colour));
    sections.push(limits(rollout, colour));
    if !rollout.webhooks.is_empty() {
        sections.push(webhooks(rollout, colour));
    }
    if let Some(decision) = &rollout.last_decision {
        let heading = Ink::Bold.on("Last rollback", colour);
        sections.push(format!("{heading}\n  {} ago: {decision}\n", age(now.since(decision.at))));
    }
    if !rollout.history.is_empty() {
        sections.push(history(&rollout.history, colour, now));
    }
    let mut text = String::new();
    for (number, section) in sections.iter().enumerate() {
        write!(text, "{}{section}", if number == 0 { "" } else { "\n" }).expect("a string takes everything");
    }
    text
}

fn steps(rollout: &RolloutStatus, colour: bool) -> String {
    let mut table = Table::headed(&["Steps", "WEIGHT", "FOR", "HELD"]);
    for (number, step) in rollout.steps.iter().enumerate().map(|(index, step)| (index + 1, step)) {
        let present = rollout.step == Some(number);
        let (mark, ink) = if present { ('>', Ink::Cyan) } else { (' ', Ink::Plain) };
        let held = if present { seconds(rollout.held_seconds) } else { String::new() };
        let cells = [format!("{mark} {number}"), format!("{}%", weight(step.weight)), seconds(step.hold_seconds), held];
        table.row(cells.map(|text| Cell::inked(text, ink)));
    }
    table.text(colour)
}

fn sides(rollout: &RolloutStatus, colour: bool) -> String {
    let over = format!("Over {}", rollout.window);
    let heading = [&over, "BACKEND", "VERSION", "WEIGHT", "READY", "REQUESTS", "FAILED", "ERRORS", "P50", "P99"];
    let mut table = Table::headed(&heading);
    let row = |name: &str, side: &SideStatus| -> [Cell; 10] {
        let ready = if side.ready { Cell::from("yes") } else { Cell::inked("no", Ink::Yellow) };
        [
            format!("  {name}").into(),
            (&*side.backend).into(),
            (&*side.version).into(),
            format!("{}%", weight(side.weight)).into(),
            ready,
            side.requests.to_string().into(),
            side.failed.to_string().into(),
            percent(side.error_rate, 2).into(),
            milliseconds(side.latency.p50_ms).into(),
            milliseconds(side.latency.p99_ms).into(),
        ]
    };
    table.row(row("stable", &rollout.stable));
    table.row(row("canary", &rollout.canary));
    table.text(colour)
}

fn limits(rollout: &RolloutStatus, colour: bool) -> String {
    let heading = ["Limits", "OF", "BOUND", "VALUE", "STABLE", "WINDOW", "SAMPLES", "EVIDENCE", "VERDICT", "WHY"];
    let mut table = Table::headed(&heading);
    let row = |of: &str, limit: &LimitRecord| -> [Cell; 10] {
        let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| limit.unit.text(value));
        let evidence = |evidence| format!("{} {evidence:.2}", bar(evidence));
        [
            format!("  {}", limit.metric).into(),
            of.into(),
            limit.bound().into(),
            value(limit.value).into(),
            value(limit.stable_value).into(),
            limit.window.as_str().into(),
            samples(limit).into(),
            limit.evidence.map_or_else(|| "-".to_owned(), evidence).into(),
            Cell::inked(format!("{:?}", limit.verdict), verdict_ink(limit.verdict)),
            limit.reason.as_ref().map(ToString::to_string).unwrap_or_default().into(),
        ]
    };
    rollout.limits.iter().for_each(|limit| table.row(row("rollback", limit)));
    rollout.promotion_limits.iter().for_each(|limit| table.row(row("promotion", limit)));
    table.text(colour)
}

fn webhooks(rollout: &RolloutStatus, colour: bool) -> String {
    let mut table = Table::headed(&["Webhooks", "TYPE", "ASKED", "ANSWER"]);
    for hook in &rollout.webhooks {
        let asked = if hook.asked { "yes" } else { "no" };
        let answer = hook.answer.as_deref().unwrap_or("-");
        table.row([format!("  {}", hook.name).into(), hook.kind.as_str().into(), asked.into(), answer.into()]);
    }
    table.text(colour)
}

fn history(history: &[Arc<Decision>], colour: bool, now: Timestamp) -> String {
    let mut table = Table::headed(&["History", "EVENT", "MESSAGE"]);
    for decision in &history[history.len().saturating_sub(LAST)..] {
        let ago = format!("  {} ago", age(now.since(decision.at)));
        table.row([ago.into(), decision.event.name().into(), decision.to_string().into()]);
    }
    table.text(colour)
}

/// How many there are, and how many it takes where they are not enough.
fn samples(limit: &LimitRecord) -> String {
    if limit.samples < limit.min_samples {
        return format!("{} of {}", limit.samples, limit.min_samples);
    }
    limit.samples.to_string()
}
