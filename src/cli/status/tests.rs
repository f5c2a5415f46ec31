//! The table, the page and the watch, from what the API says.

use super::*;
use crate::cli::screen::Size;
use crate::cli::stub::{Stub, answer, status};
use serde_json::{Value, json};
use std::time::Duration;

/// 12:35 on the day of the recorded statuses.
fn now() -> Timestamp {
    Timestamp::from_duration(Duration::from_secs(1_772_368_500))
}

fn rollout(value: Value) -> RolloutStatus {
    serde_json::from_value(value).unwrap()
}

fn rollouts() -> Vec<RolloutStatus> {
    let mut bare = status("RolledBack", 0);
    bare["name"] = json!("a-rollout-with-a-longer-name");
    bare["steps"] = json!([]);
    bare["canary"]["errorRate"] = Value::Null;
    bare["canary"]["latency"]["p99Ms"] = Value::Null;
    bare["message"] = json!("taken out: error-rate 50 % over 5m; `serin retry` tries it again");
    bare["since"] = json!("2026-02-27T08:00:00.000Z");
    vec![rollout(status("Progressing", 2)), rollout(bare)]
}

fn args(stub: &Stub, name: Option<&str>, output: Option<Output>, watch: bool) -> StatusArgs {
    StatusArgs { name: name.map(ToOwned::to_owned), watch, output, admin: stub.admin() }
}

fn shown(args: &StatusArgs, colour: bool, size: fn() -> Option<Size>) -> (Result<u8, Failure>, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen { out: &mut out, err: &mut err, colour, err_colour: false, size };
    let ended = run(args, &mut screen);
    (ended, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn all_rollouts_are_a_table_that_lines_up() {
    insta::assert_snapshot!(list::text(&rollouts(), false, false, now()));
}

#[test]
fn the_wide_table_has_more_columns() {
    insta::assert_snapshot!(list::text(&rollouts(), true, false, now()));
}

#[test]
fn one_rollout_is_a_page() {
    let mut status = status("Progressing", 2);
    let mut decision = status["history"][0].clone();
    decision["event"] = json!("rolled-back");
    decision["grounds"] = json!({ "limit": status["limits"][1] });
    status["lastDecision"] = decision;
    insta::assert_snapshot!(page::text(&rollout(status), false, now()));
}

#[test]
fn a_rollout_without_steps_has_a_page_without_them() {
    let page = page::text(&rollouts()[1], false, now());
    assert!(!page.contains("Steps") && page.contains("Limits"), "{page}");
}

#[test]
fn colours_say_what_is_well_and_move_nothing() {
    let plain = |text: &str| {
        let mut plain = String::new();
        for piece in text.split('\x1b') {
            plain.push_str(if text.starts_with(piece) { piece } else { piece.split_once('m').unwrap().1 });
        }
        plain
    };
    let coloured = list::text(&rollouts(), false, true, now());
    assert!(coloured.contains("\x1b[31mRolledBack\x1b[0m") && coloured.contains("\x1b[36mProgressing\x1b[0m"));
    assert_eq!(plain(&coloured), list::text(&rollouts(), false, false, now()));
    let page = page::text(&rollouts()[0], true, now());
    assert!(page.contains("\x1b[32mHealthy\x1b[0m") && page.contains("\x1b[33mInconclusive\x1b[0m"), "{page}");
}

#[test]
fn a_terminal_cuts_the_message_and_a_pipe_does_not() {
    let stub = Stub::json(200, &json!({ "rollouts": [status("Paused", 2)] }));
    let (_, pipe, _) = shown(&args(&stub, None, None, false), false, || None);
    assert!(pipe.contains("held 3m of 15m"), "{pipe}");
    let (_, terminal, _) = shown(&args(&stub, None, None, false), false, || Some(Size { columns: 100, rows: 5 }));
    assert!(terminal.lines().all(|line| line.chars().count() <= 100) && terminal.contains('…'), "{terminal}");
}

#[test]
fn json_is_what_the_api_says() {
    let body = status("Paused", 2);
    let stub = Stub::json(200, &body);
    let (ended, out, _) = shown(&args(&stub, Some("data-tier"), Some(Output::Json), false), false, || None);
    assert_eq!((ended.unwrap(), out), (0, format!("{body}\n")));
    assert_eq!(stub.asked(), ["GET /api/v1/rollouts/data-tier HTTP/1.1"]);
}

#[test]
fn a_failed_rollout_is_no_failure_of_the_look_at_it() {
    let stub = Stub::json(200, &status("RolledBack", 0));
    assert_eq!(shown(&args(&stub, Some("data-tier"), None, false), false, || None).0.unwrap(), 0);
    let stub = Stub::json(200, &json!({ "rollouts": [] }));
    let (ended, out, err) = shown(&args(&stub, None, None, false), false, || None);
    assert_eq!((ended.unwrap(), out.as_str()), (0, ""));
    assert!(err.contains("the config has none"), "{err}");
    let stub = Stub::json(404, &json!({ "error": "there is no rollout `x`" }));
    assert_eq!(shown(&args(&stub, Some("x"), None, false), false, || None).0.unwrap_err().exit_code(), 1);
}

/// Progress, the same with more seconds held, no answer, a pause, and then a no, which ends the watch.
fn watched() -> Stub {
    let mut later = status("Progressing", 2);
    later["message"] = json!("step 2 of 5, held 4m of 15m");
    let gone = answer(404, &json!({ "error": "there is no rollout" }));
    let told = [status("Progressing", 2), later].map(|status| answer(200, &status));
    Stub::start([&told[..], &[String::new(), answer(200, &status("Paused", 2)), gone]].concat())
}

#[test]
fn on_a_pipe_a_watch_is_a_line_a_change() {
    let (ended, out, err) = shown(&args(&watched(), Some("data-tier"), None, true), false, || None);
    assert_eq!(ended.unwrap_err().exit_code(), 1);
    let lines: Vec<_> = out.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with("rollout data-tier: progressing at step 2 of 5 (30 %)"), "{out}");
    assert!(lines[1].starts_with("rollout data-tier: paused at step 2 of 5 (30 %)"), "{out}");
    assert_eq!(err.matches("still trying").count(), 1, "{err}");
}

#[test]
fn on_a_terminal_a_watch_draws_over_itself() {
    let size = || Some(Size { columns: 60, rows: 12 });
    let (_, out, _) = shown(&args(&watched(), Some("data-tier"), None, true), true, size);
    assert_eq!(out.matches("\x1b[11A").count(), 3, "{out}");
    assert!(out.contains("held 4m of 15m") && out.contains("still trying: no answer from"), "{out}");
}
