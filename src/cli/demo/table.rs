//! The live table and the line a second: what is known at one moment, as text. Pure.

use super::load::Rate;
use crate::cli::figures::{self, bar, milliseconds};
use crate::rollout::{LimitRecord, RolloutStatus, SideStatus};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// One moment of the demo.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) front: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) elapsed: Duration,
    pub(super) total: Duration,
    pub(super) canary: Canary,
    /// `None` while the admin API has not answered.
    pub(super) rollout: Option<&'a RolloutStatus>,
    pub(super) rates: Rate,
}

/// What the canary was told to do.
#[derive(Debug)]
pub(super) enum Canary {
    StaysHealthy,
    WillFail { at: Duration },
    Fails { share: f64, since: Duration },
}

/// The table, for a terminal that is at least 80 columns wide.
pub(super) fn table(frame: &Frame<'_>) -> String {
    let mut text = String::new();
    let out = &mut text;
    line_of(out, format_args!("serin demo   {:.1} s of {} s", frame.elapsed.as_secs_f64(), frame.total.as_secs()));
    line_of(out, format_args!("proxy http://{}   admin http://{}/metrics", frame.front, frame.admin));
    line_of(out, format_args!("the canary {}\n", frame.canary.deed()));
    let Some(rollout) = frame.rollout else {
        line_of(out, format_args!("waiting for the admin API"));
        return text;
    };
    let row = |cells: [&str; 6]| {
        let [name, share, rate, errors, p50, p99] = cells;
        format!("  {name:<16}{share:>8}{rate:>14}{errors:>9}{p50:>11}{p99:>11}")
    };
    line_of(out, format_args!("{}", row(["", "share", "requests/s", "errors", "p50", "p99"])));
    for (name, version, rate) in
        [("stable", &rollout.stable, frame.rates.stable), ("canary", &rollout.canary, frame.rates.canary)]
    {
        let cells = row([
            &format!("{name} {}", version.version),
            &percent(Some(version.weight / 100.0)),
            &format!("{rate:.0}"),
            &percent(version.error_rate),
            &milliseconds(version.latency.p50_ms),
            &milliseconds(version.latency.p99_ms),
        ]);
        line_of(out, format_args!("{cells}"));
    }
    line_of(out, format_args!("\n  {:<16}{:>8}   {:<28}  verdict", "limit", "samples", "evidence"));
    for limit in &rollout.limits {
        let LimitRecord { metric, samples, verdict, .. } = limit;
        let evidence = limit.evidence.unwrap_or(0.0);
        line_of(out, format_args!("  {metric:<16}{samples:>8}   {} {evidence:>6.2}   {verdict:?}", bar(evidence)));
    }
    line_of(out, format_args!("\n  phase {}", rollout.phase));
    text
}

/// The same in one line, for a log.
pub(super) fn line(frame: &Frame<'_>) -> String {
    let mut text = format!("{:>4.0} s", frame.elapsed.as_secs_f64());
    let Some(rollout) = frame.rollout else {
        text.push_str("  waiting for the admin API");
        return text;
    };
    let side = |name: &str, version: &SideStatus, rate: f64| {
        format!(
            "  {name} {} {:>6} {rate:>4.0}/s errors {:>6} p50 {} p99 {}",
            version.version,
            percent(Some(version.weight / 100.0)),
            percent(version.error_rate),
            milliseconds(version.latency.p50_ms),
            milliseconds(version.latency.p99_ms),
        )
    };
    text.push_str(&side("stable", &rollout.stable, frame.rates.stable));
    text.push_str(&side("canary", &rollout.canary, frame.rates.canary));
    let evidence = rollout.limits.iter().filter_map(|limit| limit.evidence).fold(0.0, f64::max);
    write!(text, "  evidence {evidence:.2}  {}", rollout.phase).expect("a string takes everything");
    text
}

impl Canary {
    fn deed(&self) -> String {
        match self {
            Self::StaysHealthy => "is healthy and stays so".into(),
            Self::WillFail { at } => format!("is healthy; it begins to fail at {:.1} s", at.as_secs_f64()),
            Self::Fails { share, since } => {
                format!("fails {} of its requests since {:.1} s", percent(Some(*share)), since.as_secs_f64())
            }
        }
    }
}

fn line_of(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn percent(share: Option<f64>) -> String {
    figures::percent(share, 1)
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::status;
    use super::*;

    fn rollout(phase: &str, weight: f64, errors: Option<f64>, evidence: f64) -> RolloutStatus {
        serde_json::from_value(status(phase, weight, errors, evidence)).unwrap()
    }

    fn frame(rollout: Option<&RolloutStatus>, seconds: f64, canary: Canary) -> Frame<'_> {
        Frame {
            front: "127.0.0.1:8080".parse().unwrap(),
            admin: "127.0.0.1:9900".parse().unwrap(),
            elapsed: Duration::from_secs_f64(seconds),
            total: Duration::from_secs(12),
            canary,
            rollout,
            rates: Rate { stable: 571.4, canary: 63.2 },
        }
    }

    #[test]
    fn the_table_shows_the_split_and_the_evidence() {
        let rollout = rollout("Progressing", 10.0, Some(0.123), 0.64);
        let fails = Canary::Fails { share: 0.5, since: Duration::from_secs(4) };
        insta::assert_snapshot!(table(&frame(Some(&rollout), 4.2, fails)));
    }

    #[test]
    fn the_table_shows_the_revert() {
        let rollout = rollout("RolledBack", 0.0, Some(0.5), 1.7);
        let fails = Canary::Fails { share: 0.5, since: Duration::from_secs(4) };
        insta::assert_snapshot!(table(&frame(Some(&rollout), 7.0, fails)));
    }

    #[test]
    fn before_the_first_answer_and_the_first_request_there_is_still_a_table() {
        let rollout = rollout("Waiting", 10.0, None, 0.0);
        let will = || Canary::WillFail { at: Duration::from_secs(4) };
        insta::assert_snapshot!(format!(
            "{}\n{}",
            table(&frame(None, 0.0, Canary::StaysHealthy)),
            table(&frame(Some(&rollout), 0.2, will()))
        ));
    }

    #[test]
    fn without_a_terminal_it_is_one_line() {
        let rollout = rollout("Progressing", 10.0, Some(0.123), 0.64);
        let will = Canary::WillFail { at: Duration::from_secs(4) };
        insta::assert_snapshot!(line(&frame(Some(&rollout), 3.0, will)));
    }

    #[test]
    fn no_line_of_the_table_wraps_on_a_terminal_of_80_columns() {
        let rollout = rollout("RolledBack", 0.0, Some(1.0), 123.4);
        let fails = Canary::Fails { share: 1.0, since: Duration::from_secs(1_200) };
        for line in table(&frame(Some(&rollout), 3_600.0, fails)).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
