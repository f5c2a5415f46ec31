//! The tables, as the README can show them.

use crate::interval::poisson;
use crate::scenario::{LENGTH, Scenario};
use crate::trial::{self, Tally};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many streams there are of one rate.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Requests a second.
    rate: f64,
    /// Of each fault.
    faults: u64,
    /// Of each in which the canary is well.
    healthy: u64,
}

const FULL: [Size; 3] = [
    Size { rate: 0.2, faults: 51, healthy: 200 },
    Size { rate: 10.0, faults: 21, healthy: 40 },
    Size { rate: 1_000.0, faults: 3, healthy: 2 },
];

const QUICK: [Size; 3] = [
    Size { rate: 0.2, faults: 3, healthy: 3 },
    Size { rate: 10.0, faults: 1, healthy: 1 },
    Size { rate: 1_000.0, faults: 1, healthy: 1 },
];

/// Marks what was not decided by what the requests did.
const BLIND: &str = " †";

/// A quick run looks no further.
const QUICK_LENGTH: Duration = Duration::from_secs(180);

/// How long a canary was at fault before it was out; in the order of how good that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Took {
    /// It was taken out before anything was wrong.
    Early,
    After(Duration),
    Never,
}

/// What all streams of one scenario and rate came to: a list of tallies for each judge.
struct Row {
    scenario: Scenario,
    rate: f64,
    /// The first stream's.
    seed: u64,
    judges: Vec<Vec<Tally>>,
}

/// Runs everything and prints it.
pub(crate) fn print(seed: u64, quick: bool) {
    let (sizes, length) = if quick { (QUICK, QUICK_LENGTH) } else { (FULL, LENGTH) };
    let run = |scenarios: &[Scenario], streams: fn(&Size) -> u64| -> Vec<Row> {
        let all = scenarios.iter().flat_map(|scenario| sizes.iter().map(move |size| (*scenario, size)));
        all.map(|(scenario, size)| Row::run(scenario, size.rate, seed, streams(size), length)).collect()
    };
    let faults = run(&Scenario::FAULTS, |size| size.faults);
    println!("Requests hurt by the canary that stable would have served well / time from the fault to weight 0:\n");
    table(&faults, |row, tallies| format!("{} / {}", number(median(tallies, |t| t.excess)), took(row, tallies)));
    println!("\nAll requests hurt by the canary, whoever's fault:\n");
    table(&faults, |_, tallies| number(median(tallies, |t| t.hurt)));
    println!(
        "\nA request is hurt when it fails or takes longer than 500 ms. Medians of {}.\n† For want of traffic.",
        listed(&sizes, |size| size.faults)
    );

    let healthy = run(&Scenario::HEALTHY, |size| size.healthy);
    println!(
        "\nCanaries that were taken out though they were as good as stable, of so many rollouts; and how many that"
    );
    println!("is for a million requests to the canary, with its 95 % interval:\n");
    table(&healthy, |_, tallies| false_reverts(tallies));
    println!(
        "\nEach judge has the limits of its own documentation: more than 5 failures, a success rate of 99 % (Flagger), of"
    );
    println!(
        "95 % (Argo Rollouts), an error rate of 5 % (Serin). So at 1 % and 4 % errors Flagger does what it is told to; that"
    );
    println!("stable is no better, it does not ask.");
    println!("\nRollouts: {}. What for:\n", listed(&sizes, |size| size.healthy));
    reasons(&healthy);
    println!("\nSeed {seed}; a row's streams have the seeds from there on. The same seed gives the same numbers.");
}

impl Row {
    fn run(scenario: Scenario, rate: f64, seed: u64, streams: u64, length: Duration) -> Self {
        let mut judges = vec![Vec::new(); trial::names().len()];
        for stream in 0..streams {
            let tallies = trial::run(scenario, rate, seed.wrapping_add(stream), length);
            judges.iter_mut().zip(tallies).for_each(|(all, tally)| all.push(tally));
        }
        Self { scenario, rate, seed, judges }
    }
}

/// A table with a column for each judge and a row for each of `rows`.
fn table(rows: &[Row], cell: impl Fn(&Row, &[Tally]) -> String) {
    let names = trial::names();
    println!("| stream | requests/s | {} |", names.join(" | "));
    println!("|---|---:|{}", "---:|".repeat(names.len()));
    for row in rows {
        let cells: Vec<_> = row.judges.iter().map(|tallies| cell(row, tallies)).collect();
        println!("| {} | {} | {} |", row.scenario.name(), rate(row.rate), cells.join(" | "));
    }
}

/// What the canaries that were well were taken out for, with the first seeds of each.
fn reasons(rows: &[Row]) {
    let mut all = BTreeMap::<(usize, &str), Vec<String>>::new();
    for row in rows {
        for (judge, tallies) in row.judges.iter().enumerate() {
            for (stream, tally) in (0..).zip(tallies) {
                if let Some(reverted) = &tally.reverted {
                    let place = format!(
                        "{} at {}/s, seed {}, after {}",
                        row.scenario.name(),
                        rate(row.rate),
                        row.seed.wrapping_add(stream),
                        time(reverted.at)
                    );
                    all.entry((judge, &reverted.why)).or_default().push(place);
                }
            }
        }
    }
    let names = trial::names();
    for ((judge, why), places) in all {
        println!("- {}: {why}: {} times, first in: {}", names[judge], places.len(), places[0]);
    }
}

fn took(row: &Row, tallies: &[Tally]) -> String {
    let onset = row.scenario.onset();
    let took = median(tallies, |tally| match &tally.reverted {
        None => Took::Never,
        Some(reverted) => reverted.at.checked_sub(onset).map_or(Took::Early, Took::After),
    });
    let text = match took {
        Took::Early => "out before".to_owned(),
        Took::After(duration) => time(duration),
        Took::Never => "never".to_owned(),
    };
    if is_blind(tallies) { text + BLIND } else { text }
}

/// Whether most of the reverts were for want of traffic.
fn is_blind(tallies: &[Tally]) -> bool {
    let reverts = || tallies.iter().filter_map(|tally| tally.reverted.as_ref());
    2 * reverts().filter(|reverted| reverted.blind).count() > reverts().count()
}

fn false_reverts(tallies: &[Tally]) -> String {
    let reverts = tallies.iter().filter(|tally| tally.reverted.is_some()).count();
    let requests: u64 = tallies.iter().map(|tally| tally.requests).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let millions = requests.max(1) as f64 / 1e6;
    let count = u64::try_from(reverts).expect("a count");
    let (low, high) = poisson(count);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let each = count as f64 / millions;
    let all = tallies.len();
    if count == 0 {
        return format!("0 of {all}; 0 (< {})", figure(high / millions));
    }
    let blind = if is_blind(tallies) { BLIND } else { "" };
    format!("{count} of {all}; {} ({}–{}){blind}", figure(each), figure(low / millions), figure(high / millions))
}

/// The middle one of what `of` makes of the tallies.
fn median<T: Ord + Copy>(tallies: &[Tally], of: impl Fn(&Tally) -> T) -> T {
    let mut all: Vec<T> = tallies.iter().map(of).collect();
    all.sort_unstable();
    all[(all.len() - 1) / 2]
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

/// Two significant digits.
fn figure(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.1}");
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above 0, far below 2^53")]
    number(((value / unit).round() * unit).round() as u64)
}

fn number(value: u64) -> String {
    let digits = value.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the rates of the sizes")]
fn rate(rate: f64) -> String {
    if rate < 1.0 { rate.to_string() } else { number(rate as u64) }
}

fn listed(sizes: &[Size], streams: fn(&Size) -> u64) -> String {
    let all: Vec<_> = sizes.iter().map(|size| format!("{} streams at {}/s", streams(size), rate(size.rate))).collect();
    all.join(", ")
}
