//! Operators' verbs, over HTTP and by the command line.

use super::*;
use crate::harness::Process;
use std::collections::BTreeMap;

#[test]
fn paused_it_stays_and_a_breach_reverts_all_the_same() {
    let scene = Scene::new();
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    until_step(&serin, 2);
    said(&serin, "pause");
    let before = weight(&serin);
    more_requests(&load, 800);
    assert!(is_in(&serin, "Paused") && (weight(&serin) - before).abs() < 1e-9);
    scene.canary.fail(100);
    until(&serin, "RolledBack");
    load.stop();
}

#[test]
fn each_verb_does_what_it_says_and_says_no_where_it_makes_no_sense() {
    let mut scene = Scene::new();
    scene.hold = "10m";
    scene.more = "    promotion: { auto: false }".into();
    let serin = Serin::start(&scene.config());
    until_step(&serin, 1);
    assert_eq!((say(&serin, "resume"), say(&serin, "retry"), say(&serin, "dance")), (409, 409, 404));
    said(&serin, "promote");
    assert_eq!(rollout(&serin)["step"], 2);
    assert_eq!((say(&serin, "promote"), &rollout(&serin)["step"]), (409, &2.into()), "it is done once");
    said(&serin, "set-weight?weight=12.5");
    eventually("the weight is set", || (weight(&serin) - 12.5).abs() < 1e-9);
    assert_eq!((say(&serin, "set-weight?weight=101"), say(&serin, "set-weight")), (400, 400));
    said(&serin, "resume");
    assert_eq!(rollout(&serin)["step"], 1, "the step that gives no more than what was set");
    said(&serin, "promote?full=true");
    until(&serin, "Promoting");
    said(&serin, "abort");
    assert!(is_in(&serin, "RolledBack") && say(&serin, "abort") == 409);
    eventually("it gets nothing", || weight(&serin) == 0.0);
    assert_eq!(serin.count("serin_rollbacks_total", &[("reason", "abort")]), 1);
    said(&serin, "retry");
    until_step(&serin, 1);
}

#[test]
fn the_command_line_does_the_same_and_waits() {
    let mut scene = Scene::new();
    scene.hold = "10m";
    let serin = Serin::start(&scene.config());
    let admin = serin.admin_address().to_string();
    let run = |args: &[&str]| {
        let exit = Process::start(&[args, &["--admin", &admin]].concat(), &[]).exit();
        exit.code
    };
    assert_eq!(run(&["wait", ROLLOUT, "--for", "progressing", "--timeout", "30s"]), Some(0));
    assert_eq!(run(&["promote", ROLLOUT, "--full"]), Some(0));
    assert_eq!(run(&["wait", ROLLOUT, "--for", "promoting", "--timeout", "30s"]), Some(0));
    assert_eq!((run(&["promote", ROLLOUT]), run(&["promote", ROLLOUT, "--full"])), (Some(1), Some(1)));
    assert_eq!(run(&["wait", ROLLOUT, "--for", "succeeded", "--timeout", "200ms"]), Some(4));
    assert_eq!(run(&["abort", ROLLOUT]), Some(0));
    assert_eq!(run(&["wait", ROLLOUT, "--for", "succeeded", "--timeout", "30s"]), Some(3));
    assert_eq!((run(&["status"]), run(&["status", ROLLOUT]), run(&["events"])), (Some(0), Some(0), Some(0)));
    assert_eq!((run(&["abort", ROLLOUT]), run(&["abort", "nobody"])), (Some(1), Some(1)));
}

#[test]
fn without_the_token_nothing_changes() {
    let directory = tempfile::tempdir().expect("a directory");
    let token = directory.path().join("token");
    std::fs::write(&token, "secret\n").expect("it can be written");
    let mut scene = Scene::new();
    scene.hold = "10m";
    let admin = format!("admin: {{ address: \"127.0.0.1:0\", tokenFile: \"{}\" }}\n", token.display());
    let serin = Serin::start(&(admin + &scene.config()));
    until_step(&serin, 1);
    let before = rollout(&serin)["history"].clone();
    for verb in ["promote", "promote?full=true", "abort", "pause", "resume", "retry", "set-weight?weight=50"] {
        assert_eq!(say(&serin, verb), 401, "{verb}");
    }
    let status = rollout(&serin);
    assert_eq!((&status["history"], &status["phase"]), (&before, &"Progressing".into()));
    let admin = serin.admin_address().to_string();
    let token = token.to_str().expect("a plain path");
    let exit = Process::start(&["pause", ROLLOUT, "--admin", &admin, "--token-file", token], &[]).exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(is_in(&serin, "Paused"));
}

#[test]
fn verbs_at_the_same_time_happen_one_after_the_other() {
    let mut scene = Scene::new();
    scene.hold = "10m";
    let serin = Serin::start(&scene.config());
    until_step(&serin, 1);
    let counts = std::thread::scope(|scope| {
        let serin = &serin;
        let verbs = (0..40).map(|n| scope.spawn(move || say(serin, if n % 2 == 0 { "pause" } else { "resume" })));
        let verbs: Vec<_> = verbs.collect();
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        for verb in verbs {
            *counts.entry(verb.join().expect("no panic")).or_default() += 1;
        }
        counts
    });
    // Pauses and resumes that were done alternate, whoever asked when; all others were refused.
    let done: Vec<String> = history(&serin)
        .into_iter()
        .map(|(event, _)| event)
        .filter(|event| event == "paused" || event == "resumed")
        .collect();
    assert!(
        done.chunks(2).all(|pair| pair[0] == "paused" && pair.get(1).is_none_or(|next| next == "resumed")),
        "{done:?}"
    );
    assert_eq!((counts.get(&200).copied().unwrap_or_default(), counts.values().sum::<usize>()), (done.len(), 40));
    assert!(counts.keys().all(|code| [200, 409].contains(code)), "{counts:?}");
}

#[test]
fn a_canary_that_passed_every_step_waits_for_the_operator_if_told_so() {
    let mut scene = Scene::new();
    (scene.weights, scene.hold) = ("[100]", "200ms");
    scene.more = "    promotion: { auto: false }".into();
    let mut serin = Serin::start(&scene.config());
    let load = load(&mut serin);
    eventually("it has passed", || rollout(&serin)["message"].as_str().unwrap().contains("serin promote"));
    assert!(is_in(&serin, "Progressing"));
    said(&serin, "promote");
    until(&serin, "Promoting");
    load.stop().assert_flawless();
}
