//! Which gRPC statuses the config calls failures.

use super::{GOOD, check_text, with};
use serin::cli::check;
use serin::stats::{Cause, GrpcEnd, GrpcStatus};

/// The names of the statuses that count as failures.
fn failures(text: &str) -> Vec<&'static str> {
    let plan = check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)));
    assert_eq!(plan.grpc.cause(GrpcEnd::Missing), Some(Cause::GrpcNoStatus));
    plan.grpc.failures.iter().map(GrpcStatus::name).collect()
}

#[test]
fn the_statuses_of_a_server_in_trouble_are_failures_unless_others_are_named() {
    let default =
        ["UNKNOWN", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
    assert_eq!(failures(GOOD), default);
    assert_eq!(failures(&with("grpc: {}")), default);
    let named = failures(&with("grpc: { failureStatuses: [UNAVAILABLE, NOT_FOUND] }"));
    assert_eq!(named, ["NOT_FOUND", "UNAVAILABLE"]);
    assert!(failures(&with("grpc: { failureStatuses: [] }")).is_empty());
}

#[test]
fn what_is_no_error_status_is_refused_alone_with_what_was_meant() {
    for (statuses, expected) in [
        ("[UNAVAILABEL]", "gRPC has no status `UNAVAILABEL` (did you mean `UNAVAILABLE`?)"),
        ("[unavailable]", "gRPC has no status `unavailable` (did you mean `UNAVAILABLE`?)"),
        ("[DeadlineExceeded]", "gRPC has no status `DeadlineExceeded` (did you mean `DEADLINE_EXCEEDED`?)"),
        ("[14]", "gRPC has no status `14` (known here: `CANCELLED`, `UNKNOWN`, `INVALID_ARGUMENT`"),
        ("[OK]", "`OK` is no failure"),
        ("[INTERNAL, DATA_LOSS, INTERNAL]", "`INTERNAL` is there twice"),
        ("UNAVAILABLE", "expected a list"),
    ] {
        let lines = check_text(&with(&format!("grpc: {{ failureStatuses: {statuses} }}"))).expect_err(expected).lines();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{statuses}: {lines:#?}");
    }
    let lines = check_text(&with("grpc: { failures: [] }")).unwrap_err().lines();
    assert!(lines.len() == 1 && lines[0].contains("unknown key `failures`"), "{lines:#?}");
}

#[test]
fn the_summary_names_them_where_they_are_not_the_default() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("serin.yaml");
    for (text, expected) in [
        ("grpc: {}", None),
        ("grpc: { failureStatuses: [UNAVAILABLE, INTERNAL] }", Some("INTERNAL, UNAVAILABLE")),
        ("grpc: { failureStatuses: [] }", Some("none")),
    ] {
        std::fs::write(&file, with(text)).unwrap();
        let summary = check::run(&file, false).stdout;
        let line = summary.lines().find(|line| line.contains("grpc.failureStatuses"));
        assert_eq!(line.is_some(), expected.is_some(), "{summary}");
        assert!(line.is_none_or(|line| line.contains(expected.unwrap())), "{summary}");
    }
}
