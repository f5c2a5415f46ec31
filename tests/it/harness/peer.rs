//! Peers that are written in Python, each in a script beside its test.

use super::PATIENCE;
use super::programs::no_peer;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A Python that can import `module`: the one that `SERIN_TEST_PYTHON` names, or else CI's, or else the system's.
/// Where none has it, the test says so and is skipped; one that is named must have it.
#[track_caller]
pub(crate) fn python(module: &str) -> Option<String> {
    let has = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if let Ok(named) = std::env::var("SERIN_TEST_PYTHON") {
        assert!(has(&named), "SERIN_TEST_PYTHON is {named}, which has no `{module}`");
        return Some(named);
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    let found = [installed.to_str().expect("a plain path"), "python3"].into_iter().find(|python| has(python));
    if found.is_none() {
        no_peer(&format!("no Python with `{module}` (SERIN_TEST_PYTHON, target/peers/bin/python, python3)"));
    }
    found.map(str::to_owned)
}

/// A peer in one of its roles; killed when it is dropped.
pub(crate) struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Peer {
    /// Runs `script`, a path below the package, with these arguments.
    pub(crate) fn start(python: &str, script: &str, args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut command = Command::new(python);
        command.arg("-B").arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("there is a Python");
        let (sender, lines) = channel();
        let stdout: BufReader<ChildStdout> = BufReader::new(child.stdout.take().expect("it is piped"));
        // Ends with the peer.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).unwrap_or_default();
        });
        let stdin = child.stdin.take().expect("it is piped");
        Self { child, stdin, lines }
    }

    /// The next line that it prints; empty when it has ended.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE * 6) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => String::new(),
            Err(error) => panic!("the peer says nothing: {error}"),
        }
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the peer listens");
    }

    /// Waits for its end; whether it was a good one.
    pub(crate) fn ends_well(mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
