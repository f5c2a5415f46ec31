//! All rollouts, a line each.

use super::figures::{age, milliseconds, percent, phase_ink, weight};
use crate::cli::table::{Cell, Table};
use crate::rollout::{RolloutStatus, Timestamp};

/// The table. No cell but the last holds a blank, so that a script can take it apart.
pub(super) fn text(rollouts: &[RolloutStatus], wide: bool, colour: bool, now: Timestamp) -> String {
    let common = ["NAME", "PHASE", "STEP", "WEIGHT", "REVISION", "CANARY-ERRORS", "STABLE-ERRORS", "SINCE"];
    let more = ["RULE", "STABLE", "CANARY-P99", "STABLE-P99", "REQUESTS", "EVIDENCE"];
    let more: &[&str] = if wide { &more } else { &[] };
    let mut table = Table::headed(&[&common, more, &["MESSAGE"]].concat());
    for rollout in rollouts {
        let mut cells = vec![
            Cell::from(&*rollout.name),
            Cell::inked(rollout.phase.name(), phase_ink(rollout.phase)),
            rollout.step.map_or_else(|| "-".to_owned(), |step| format!("{step}/{}", rollout.steps.len())).into(),
            format!("{}%", weight(rollout.canary.weight)).into(),
            (&*rollout.revision).into(),
            percent(rollout.canary.error_rate, 2).into(),
            percent(rollout.stable.error_rate, 2).into(),
            age(now.since(rollout.since)).into(),
        ];
        if wide {
            let p99 = |value| milliseconds(value).replace(' ', "");
            let limits = rollout.limits.iter().chain(&rollout.promotion_limits);
            let evidence = limits.filter_map(|limit| limit.evidence).reduce(f64::max);
            cells.extend([
                rollout.rule.as_str().into(),
                (&*rollout.stable.version).into(),
                p99(rollout.canary.latency.p99_ms).into(),
                p99(rollout.stable.latency.p99_ms).into(),
                rollout.canary.requests.to_string().into(),
                evidence.map_or_else(|| "-".to_owned(), |evidence| format!("{evidence:.2}")).into(),
            ]);
        }
        cells.push(rollout.message.as_str().into());
        table.row(cells);
    }
    table.text(colour)
}
