//! The figures of each scenario, and the table of them all.

use super::clients::Tally;
use crate::harness::Serin;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Mutex;

/// Resident memory of a proxy over a scenario, in bytes.
pub(super) struct Memory {
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
}

impl Memory {
    /// From now on the peak is the scenario's own.
    pub(super) fn watch(serin: &Serin) -> Self {
        // "5" sets the peak to what is resident now (Linux, proc_pid_clear_refs(5)).
        let _ = fs::write(format!("/proc/{}/clear_refs", serin.process.id()), "5");
        let before = serin.process.rss();
        Self { before, peak: before, after: before }
    }

    /// Looks at the peak so far, and at what is resident now.
    pub(super) fn look(&mut self, serin: &Serin) {
        self.peak = self.peak.max(serin.process.status("VmHWM:") * 1_024);
        self.after = serin.process.rss();
    }

    /// Asserts that it never took more than `mib` MiB over what it began with.
    #[track_caller]
    pub(super) fn assert_grew_at_most(&self, mib: u64) {
        let grew = self.peak.saturating_sub(self.before);
        assert!(grew <= mib << 20, "it grew by {}", Self::mib(grew));
    }

    #[expect(clippy::cast_precision_loss, reason = "less than 2^52 bytes")]
    fn mib(bytes: u64) -> String {
        format!("{:.1}", bytes as f64 / f64::from(1 << 20))
    }
}

const HEADING: &str = "\
| scenario | requests | lost, idempotent | lost, POST | retries | longest, ms | RSS before/peak/after, MiB | beside |
|---|--:|---|---|--:|--:|--:|---|
";

/// Puts a scenario into the table, as it is known so far by this process.
pub(super) fn record(scenario: &str, tally: &Tally, serin: &Serin, memory: &Memory, beside: &str) {
    static ROWS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let Memory { before, peak, after } = *memory;
    let memory = [before, peak, after].map(Memory::mib).join(" / ");
    let retries = serin.count("serin_retries_total", &[]);
    let (requests, longest) = (tally.requests, tally.longest.as_millis());
    let (lost, posts) = (causes(&tally.lost), causes(&tally.posts_lost));
    let row = format!("| {scenario} | {requests} | {lost} | {posts} | {retries} | {longest} | {memory} | {beside} |\n");
    let mut rows = ROWS.lock().unwrap();
    rows.insert(scenario.to_owned(), row);
    let table = HEADING.to_owned() + &rows.values().map(String::as_str).collect::<String>();
    fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/faults.md"), table).expect("the directory is for that");
}

/// How many of each kind; `0` where there is none.
fn causes(lost: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    for (why, count) in lost {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}{count} × {why}").expect("a string takes it");
    }
    if text.is_empty() { "0".to_owned() } else { text }
}
