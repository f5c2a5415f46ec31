//! Numbers for people: shares, times, evidence, and where a rollout stands in a few words.

use super::table::Ink;
use crate::rollout::{Phase, RolloutStatus, Verdict};
use std::time::Duration;

const BAR: usize = 20;

/// A share from 0 to 1, with so many decimals.
pub(super) fn percent(share: Option<f64>, decimals: usize) -> String {
    share.map_or_else(|| "-".into(), |share| format!("{:.decimals$}%", share * 100.0))
}

/// A weight, in percent, as short as it can be told: `30`, `12.5`, `0.1`.
pub(super) fn weight(percent: f64) -> String {
    format!("{}", (percent * 1_000.0).round() / 1_000.0)
}

pub(super) fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |ms| if ms < 100.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") })
}

/// Full when the canary is out.
pub(super) fn bar(evidence: f64) -> String {
    let filled = (1..=BAR).filter(|step| f64::from(u8::try_from(*step).expect("20")) <= evidence * 20.0).count();
    format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled))
}

/// How long ago, in the two largest units: `42s`, `5m3s`, `2h10m`, `3d4h`.
pub(super) fn age(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let told = units.iter().skip(first).take(2).filter(|(count, _)| *count > 0);
    let text = told.fold(String::new(), |text, (count, unit)| text + &count.to_string() + unit);
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Seconds as the config writes durations, without fractions.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX).as_secs();
    if whole == 0 { "0s".to_owned() } else { crate::rollout::duration_text(Duration::from_secs(whole)) }
}

/// Where a rollout stands: `paused at step 2 of 5 (30 %)`.
pub(super) fn standing(status: &RolloutStatus) -> String {
    let phase = match status.phase {
        Phase::Waiting => "waiting",
        Phase::Progressing => "progressing",
        Phase::Paused => "paused",
        Phase::Promoting => "promoting",
        Phase::Succeeded => "succeeded",
        Phase::RolledBack => "rolled back",
    };
    let step = status.step.map(|step| format!(" at step {step} of {}", status.steps.len())).unwrap_or_default();
    format!("{phase}{step} ({} %)", weight(status.canary.weight))
}

/// The same as a line, with what it waits for.
pub(super) fn line(status: &RolloutStatus) -> String {
    let message = if status.message.is_empty() { String::new() } else { format!(": {}", status.message) };
    format!("rollout {}: {}{message}", status.name, standing(status))
}

/// What people read along for. The seconds that a step has been held count up by themselves, and are no news.
pub(super) fn news(status: &RolloutStatus) -> impl PartialEq + use<> {
    let latest = status.history.last().map(|decision| (decision.event, decision.at));
    (status.phase, status.step, status.revision.clone(), latest)
}

/// A phase's ink.
pub(super) fn phase_ink(phase: Phase) -> Ink {
    match phase {
        Phase::Waiting => Ink::Dim,
        Phase::Progressing | Phase::Promoting => Ink::Cyan,
        Phase::Paused => Ink::Yellow,
        Phase::Succeeded => Ink::Green,
        Phase::RolledBack => Ink::Red,
    }
}

/// A verdict's ink.
pub(super) fn verdict_ink(verdict: Verdict) -> Ink {
    match verdict {
        Verdict::Healthy => Ink::Green,
        Verdict::Inconclusive => Ink::Yellow,
        Verdict::Breach => Ink::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_two_units() {
        for (seconds, text) in
            [(0, "0s"), (42, "42s"), (303, "5m3s"), (3_600, "1h"), (7_805, "2h10m"), (273_700, "3d4h"), (86_405, "1d")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_weight_is_as_short_as_it_can_be() {
        for (percent, text) in [(30.0, "30"), (12.5, "12.5"), (0.1, "0.1"), (33.333_333, "33.333"), (0.0, "0")] {
            assert_eq!(weight(percent), text);
        }
    }
}
