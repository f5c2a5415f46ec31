//! The wait, told by statuses and by a stand-in for the admin server.

use super::*;
use crate::cli::args::{Args as CommandLine, Tool, Verb};
use crate::cli::stub::{Stub, answer, status};
use clap::Parser;
use serde_json::json;

fn parse(args: &[&str]) -> Result<WaitArgs, clap::Error> {
    let line = CommandLine::try_parse_from(["serin", "wait", "data-tier"].iter().chain(args))?;
    match line.verb {
        Verb::Tool(Tool::Wait(args)) => Ok(args),
        other => panic!("{other:?}"),
    }
}

fn rollout(phase: &str) -> RolloutStatus {
    serde_json::from_value(status(phase, 2)).unwrap()
}

/// `status` with one more event.
fn after(mut status: RolloutStatus, event: &str, second: u8) -> RolloutStatus {
    let mut decision = serde_json::to_value(&status.history[0]).unwrap();
    decision["event"] = json!(event);
    decision["at"] = json!(format!("2026-03-01T13:00:{second:02}.000Z"));
    status.history.push(serde_json::from_value(decision).unwrap());
    status
}

fn wait_for(wanted: Phase) -> Wait<'static> {
    Wait { wanted, revision: None, has_looked: false, past: None }
}

/// The exit code and what was said: on the standard output, on the standard error.
fn run_against(stub: &Stub, args: &[&str]) -> (u8, String, String) {
    let admin = stub.admin().admin;
    let args = parse(&[args, &["--admin", &admin]].concat()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut screen = Screen { out: &mut out, err: &mut err, colour: false, err_colour: false, size: || None };
    let code = match run(&args, &mut screen) {
        Ok(code) => code,
        Err(failure) => failure.exit_code(),
    };
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn a_phase_is_taken_as_the_api_and_as_a_shell_write_it() {
    for (text, phase) in [
        ("succeeded", Phase::Succeeded),
        ("rolled-back", Phase::RolledBack),
        ("RolledBack", Phase::RolledBack),
        ("PROGRESSING", Phase::Progressing),
        ("Waiting", Phase::Waiting),
        ("paused", Phase::Paused),
        ("promoting", Phase::Promoting),
    ] {
        assert_eq!(parse(&["--for", text]).unwrap().phase, phase, "{text}");
    }
    let error = parse(&["--for", "healthy"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("rolled-back"), "{error}");
    assert!(parse(&["--for", "paused", "--timeout", "soon"]).is_err() && parse(&[]).is_err());
}

#[test]
fn every_phase_is_the_wanted_one_an_end_or_not_there_yet() {
    for wanted in Phase::ALL {
        for phase in Phase::ALL {
            let seen = wait_for(wanted).look(&rollout(phase.name()));
            let ends = matches!(phase, Phase::Succeeded | Phase::RolledBack);
            let elsewhere = if ends { Seen::Over } else { Seen::NotYet };
            let expected = if phase == wanted { Seen::Reached } else { elsewhere };
            assert_eq!(seen, expected, "{phase} when {wanted} was wanted");
        }
    }
}

#[test]
fn a_phase_that_came_and_went_between_two_looks_has_come() {
    let mut wait = wait_for(Phase::Promoting);
    let before = after(rollout("Progressing"), "promoting", 1);
    assert_eq!(wait.look(&before), Seen::NotYet, "what was before the wait began does not count");
    let later = after(after(rollout("Succeeded"), "promoting", 2), "promoted", 3);
    assert_eq!(wait.look(&later), Seen::Reached);
}

#[test]
fn another_revision_neither_ends_the_wait_nor_fulfils_it() {
    let mut wait = Wait { wanted: Phase::Succeeded, revision: Some("1.6.0"), has_looked: false, past: None };
    assert_eq!(wait.look(&rollout("Succeeded")), Seen::NotYet);
    assert_eq!(wait.look(&after(rollout("RolledBack"), "promoted", 1)), Seen::NotYet);
    let mut newer = rollout("Succeeded");
    newer.revision = "1.6.0".into();
    assert_eq!(wait.look(&newer), Seen::Reached);
}

#[test]
fn the_exit_code_says_how_it_ended_and_the_standard_error_what_was_seen() {
    let ok = |phase: &str| answer(200, &status(phase, 2));
    let stub = Stub::start(vec![ok("Progressing"), ok("Progressing"), ok("Succeeded")]);
    let (code, out, err) = run_against(&stub, &["--for", "succeeded"]);
    assert_eq!((code, out.as_str()), (0, "rollout data-tier: Succeeded\n"));
    assert_eq!(err.lines().count(), 2, "a line a change: {err}");
    assert!(err.starts_with("rollout data-tier: progressing at step 2 of 5 (30 %): step 2 of 5"), "{err}");

    let (code, out, err) = run_against(&Stub::start(vec![ok("RolledBack")]), &["--for", "succeeded"]);
    assert_eq!((code, out.as_str()), (OVER, ""));
    assert!(err.contains("is RolledBack, and will not come to Succeeded"), "{err}");

    let (code, _, err) = run_against(&Stub::start(vec![ok("Paused")]), &["--for", "succeeded", "--timeout", "50ms"]);
    assert_eq!(code, TIMED_OUT);
    assert!(err.contains("Succeeded did not come in time; rollout data-tier: paused"), "{err}");
}

#[test]
fn a_restart_is_waited_out_and_a_name_that_nobody_has_is_not() {
    let not_yet = answer(503, &json!({ "error": "no config is loaded yet" }));
    let stub = Stub::start(vec![String::new(), not_yet, answer(200, &status("Paused", 2))]);
    let (code, _, err) = run_against(&stub, &["--for", "paused"]);
    assert_eq!((code, err.matches("still waiting").count()), (0, 1), "{err}");
    let stub = Stub::json(404, &json!({ "error": "there is no rollout `data-tier`" }));
    assert_eq!(run_against(&stub, &["--for", "paused"]).0, 1);
}
