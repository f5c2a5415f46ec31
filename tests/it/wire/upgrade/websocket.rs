//! Real WebSocket peers on both sides: Python's `websockets`.

use crate::harness::{PATIENCE, Serin, everything_to};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/wire/upgrade/websocket.py");

/// A Python that has `websockets`: the one that `SERIN_TEST_PYTHON` names, or else CI's, or else the system's. Where
/// none has, the test says so and is skipped; one that is named must have it.
fn python() -> Option<String> {
    let has = |python: &str| {
        let mut command = Command::new(python);
        command.args(["-c", "import websockets.asyncio.client"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if let Ok(named) = std::env::var("SERIN_TEST_PYTHON") {
        assert!(has(&named), "SERIN_TEST_PYTHON is {named}, which has no `websockets`");
        return Some(named);
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    let found = [installed.to_str().expect("a plain path"), "python3"].into_iter().find(|python| has(python));
    if found.is_none() {
        // Not by a macro: their output is kept back while a test passes.
        let why = "skipped: no Python with `websockets` (SERIN_TEST_PYTHON, target/peers/bin/python, python3)";
        let _ = writeln!(std::io::stderr(), "test {} ... {why}", module_path!());
    }
    found.map(str::to_owned)
}

/// The peer in one of its roles; killed when it is dropped.
struct Peer(Child, BufReader<ChildStdout>);

impl Peer {
    fn start(python: &str, args: &[&str]) -> Self {
        let mut command = Command::new(python);
        command.arg("-B").arg(PEER).args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("there is a Python");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Self(child, stdout)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn websocket_peers_meet_through_the_proxy() {
    let Some(python) = python() else { return };
    let mut server = Peer::start(&python, &["serve"]);
    let address = server.line().parse().expect("it says where it listens");
    let mut serin = Serin::start(&everything_to(address));
    let limit = PATIENCE.as_secs() * 3;
    let mut client = Peer::start(&python, &["talk", &format!("ws://{}/chat", serin.address()), &limit.to_string()]);
    // Each line is one thing that the client has seen to work; what does not work ends it with an error instead.
    let expected = [
        "1000 messages both ways",
        "1000 messages at once",
        "large messages",
        "ping and pong",
        "close codes",
        "refusal",
    ];
    for what in expected {
        assert_eq!(client.line(), what);
    }
    assert!(client.0.wait().expect("it ends").success());
    serin.await_count("serin_requests_total", &[("code", "101")], 7);
    serin.await_count("serin_requests_total", &[("code", "403")], 1);
    crate::harness::eventually("every tunnel is closed", || serin.count("serin_tunnels", &[]) == 0);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}
