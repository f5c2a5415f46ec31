//! The files under `config/`.

use serin::cli::check;
use serin::config::{load, schema};
use std::path::Path;

#[test]
fn the_examples_are_right() {
    for file in ["config/minimal.yaml", "config/rollout.yaml", "config/full.yaml"] {
        load(Path::new(file)).unwrap_or_else(|error| panic!("{}", error.report(false)));
    }
}

#[test]
fn the_full_example_has_every_key_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let text = std::fs::read_to_string("config/full.yaml").unwrap();
    let mut keys = Vec::new();
    properties(&schema, &mut keys);
    assert!(keys.len() > 90, "the schema has been walked: {keys:?}");
    for key in keys {
        assert!(text.contains(&format!("{key}:")) || text.contains(&format!("{{ {key}: ")), "`{key}` is missing");
    }
}

fn properties(schema: &serde_json::Value, keys: &mut Vec<String>) {
    if let Some(object) = schema.get("properties").and_then(|properties| properties.as_object()) {
        keys.extend(object.keys().cloned());
    }
    match schema {
        serde_json::Value::Object(object) => object.values().for_each(|value| properties(value, keys)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| properties(value, keys)),
        _ => {}
    }
}

#[test]
fn the_checked_in_schema_is_the_one_of_the_types() {
    let written = std::fs::read_to_string("config/serin.schema.json").unwrap_or_default();
    assert!(written == schema(), "out of step with the types: run `serin schema > config/serin.schema.json`");
}

#[test]
fn a_right_file_is_summed_up_with_exit_code_0() {
    for name in ["minimal", "rollout", "full"] {
        let outcome = check::run(Path::new(&format!("config/{name}.yaml")), false);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
        insta::assert_snapshot!(format!("summary-{name}"), outcome.stdout);
    }
}

#[test]
fn a_wrong_file_is_reported_with_exit_code_2() {
    let outcome = check::run(Path::new("tests/config/wrong/many.yaml"), false);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    assert!(outcome.stderr.contains("many.yaml:2:1"), "{}", outcome.stderr);
}

#[test]
fn a_file_that_cannot_be_read_says_which_and_why() {
    let outcome = check::run(Path::new("config/nowhere.yaml"), false);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.starts_with("error: cannot read config/nowhere.yaml: No such file"), "{}", outcome.stderr);
}

#[test]
fn a_summary_says_what_differs_from_the_defaults_and_hides_a_webhooks_path() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("serin.yaml");
    std::fs::write(&file, super::with("timeouts: { idle: 20s, connect: off }\nstore: { file: /var/lib/serin }"))
        .unwrap();
    let summary = check::run(&file, false).stdout;
    for expected in ["timeouts.idle", "20s  (default 1m15s)", "timeouts.connect", "off", "/var/lib/serin"] {
        assert!(summary.contains(expected), "{expected} in {summary}");
    }
    assert!(!summary.contains("example.com/x"), "{summary}");
}
