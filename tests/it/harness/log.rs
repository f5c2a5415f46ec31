//! What the proxy logs: JSON lines on its standard error, all of them kept.

use super::PATIENCE;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::ChildStderr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// The lines so far. A thread reads on until the process ends.
#[derive(Clone)]
pub(crate) struct Log {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    pub(crate) fn of(stderr: ChildStderr) -> Self {
        let log = Self { state: Arc::default() };
        let theirs = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                theirs.state.0.lock().unwrap().lines.push(line);
                theirs.state.1.notify_all();
            }
            theirs.state.0.lock().unwrap().ended = true;
            theirs.state.1.notify_all();
        });
        log
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.state.0.lock().unwrap().lines.join("\n")
    }

    /// Waits until it contains `part`: a line comes a moment after what it tells of.
    #[track_caller]
    pub(crate) fn tells(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.0.lock().unwrap();
        while !state.lines.iter().any(|line| line.contains(part)) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!state.ended && !left.is_zero(), "{part:?} is not in the log:\n{}", state.lines.join("\n"));
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Everything, once the process has closed its standard error.
    pub(crate) fn whole(&self) -> String {
        let state = self.state.0.lock().unwrap();
        let (state, _) = self.state.1.wait_timeout_while(state, PATIENCE, |s| !s.ended).unwrap();
        state.lines.join("\n")
    }

    /// The fields of the first event with this message for which `holds`; waits for it. `None` when the process ended
    /// without one.
    pub(crate) fn event(&self, message: &str, holds: impl Fn(&Value) -> bool) -> Option<Value> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.0.lock().unwrap();
        loop {
            if let Some(fields) = state.lines.iter().filter_map(|l| event(l, message)).find(&holds) {
                return Some(fields);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

fn event(line: &str, message: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(line).ok()?;
    let fields = value.get("fields").unwrap_or(&value);
    (fields.get("message")?.as_str()? == message).then(|| fields.clone())
}
