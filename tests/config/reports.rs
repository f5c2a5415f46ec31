//! How a report reads: each wrong file under `wrong/` beside its report under `snapshots/`.

use serin::config::{LoadError, check, load};
use std::path::Path;

fn report(name: &str) -> String {
    let file = format!("tests/config/wrong/{name}.yaml");
    load(Path::new(&file)).expect_err("the file is wrong").report(false)
}

#[test]
fn each_wrong_file_is_reported_as_recorded() {
    for name in [
        "aliases",
        "addresses",
        "dangling",
        "duplicates",
        "empty",
        "filters",
        "limits",
        "many",
        "matches",
        "missing",
        "not-yet",
        "queries",
        "retries",
        "rollout",
        "shapes",
        "steps",
        "syntax",
        "units",
        "unreachable",
        "webhooks",
    ] {
        insta::assert_snapshot!(name, report(name));
    }
}

#[test]
fn every_problem_of_a_file_is_reported_at_once_in_the_files_order() {
    let Err(LoadError::Invalid(problems)) = load(Path::new("tests/config/wrong/many.yaml")) else { panic!("wrong") };
    let kinds = |what: &str| problems.lines().iter().filter(|line| line.contains(what)).count();
    assert_eq!((kinds("unknown key"), kinds("a duration needs a unit"), kinds("no backend is called")), (3, 2, 1));
    let line_of = |line: &str| line.split(':').nth(1).and_then(|number| number.parse::<usize>().ok()).unwrap();
    assert!(problems.lines().iter().map(|line| line_of(line)).is_sorted());
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let problems = check("a: 1", Path::new("serin.yaml")).unwrap_err();
    assert!(problems.report(true).contains('\u{1b}'));
    assert!(!problems.report(false).contains('\u{1b}'));
}

#[test]
fn a_file_cannot_send_escape_sequences_to_the_terminal() {
    let problems = check("\"\\e[31m\": 1\n", Path::new("serin.yaml")).unwrap_err();
    assert!(!problems.report(false).contains('\u{1b}'));
    assert!(!problems.to_string().contains('\u{1b}'));
}
