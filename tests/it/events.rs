//! What happened is listed, followed and remembered, whoever did it.

use crate::harness::{Process, Serin, Service, eventually};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const ROLLOUT: &str = "data-tier";

fn config(stable: &Service, canary: &Service) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1.4.1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: canary, version: "1.5.0", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: data-tier
    rules:
      - {{ name: everyone, backendRefs: [{{ name: stable, weight: 90 }}, {{ name: canary, weight: 10 }}] }}
rollouts:
  - name: {ROLLOUT}
    rule: data-tier/everyone
    stable: stable
    canary: canary
    rollback: [{{ metric: error-rate, max: 5%, window: 5m }}]
"#,
        stable.address(),
        canary.address(),
    )
}

fn say(serin: &Serin, verb: &str) -> u16 {
    serin.admin("POST", &format!("/api/v1/rollouts/{ROLLOUT}/{verb}")).status
}

/// Each event's id and name.
fn events(serin: &Serin) -> Vec<(u64, String)> {
    let all = serin.api(&format!("/api/v1/events?rollout={ROLLOUT}"));
    let all = all["events"].as_array().expect("a list").clone();
    all.iter().map(|e| (e["id"].as_u64().expect("an id"), e["event"].as_str().expect("a name").to_owned())).collect()
}

/// The data of the events in a stream, after the event `last`, of what is done with a rollout.
fn follow(serin: &Serin, last: u64) -> impl Iterator<Item = Value> + use<> {
    let mut stream = TcpStream::connect(serin.admin_address()).expect("it accepts");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("the socket takes options");
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: {last}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it takes requests");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    // That an endpoint was found ready is told whenever it was.
    events.filter(|event| event["event"].as_str().is_some_and(|name| !name.starts_with("canary-")))
}

#[test]
fn what_an_operator_does_is_seen_at_once_and_after_a_restart() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let serin = Serin::start(&config(&stable, &canary));
    eventually("the canary has its share", || serin.api("/api/v1/rollouts")["rollouts"][0]["phase"] == "Progressing");
    let before = events(&serin).last().map_or(0, |(id, _)| *id);
    let mut stream = follow(&serin, before);
    assert_eq!(say(&serin, "abort"), 200);
    let status = serin.api(&format!("/api/v1/rollouts/{ROLLOUT}"));
    assert_eq!((&status["phase"], &status["canary"]["weight"]), (&"RolledBack".into(), &0.0.into()), "at once");
    let told = stream.next().expect("an event");
    assert_eq!((&told["event"], &told["severity"]), (&"rolled-back".into(), &"error".into()));
    assert_eq!(say(&serin, "abort"), 409);
    assert_eq!(say(&serin, "retry"), 200);
    assert_eq!(stream.next().expect("an event")["event"], "retried");
    let kept = |serin: &Serin| {
        let mut all = events(serin);
        all.retain(|(_, event)| !event.starts_with("canary-"));
        all
    };
    let (listed, of_old) = (events(&serin), kept(&serin));
    assert_eq!(listed.iter().find(|(_, event)| event == "rolled-back").map(|(id, _)| *id), told["id"].as_u64());

    eventually("the state is saved", || say(&serin, "abort") == 200);
    let last = follow(&serin, of_old.last().expect("an event").0).find(|event| event["event"] == "rolled-back");
    let last = last.expect("an event")["id"].as_u64().expect("an id");
    // Leaving saves what is not saved yet.
    let mut serin = serin;
    serin.signal("TERM");
    assert_eq!(serin.exit().code, Some(0));
    let serin = serin.restart();
    let again = kept(&serin);
    assert!(again.starts_with(&of_old) && again.iter().any(|(id, _)| *id == last), "{again:?} after {of_old:?}");
    assert_eq!(say(&serin, "retry"), 200);
    assert_eq!(follow(&serin, last).find(|event| event["event"] == "retried").expect("it goes on")["rollout"], ROLLOUT);
}

#[test]
fn a_stream_does_not_keep_the_process_from_leaving() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let config = format!("{}drain: {{ grace: 50ms, timeout: 9s }}\n", config(&stable, &canary));
    let mut serin = Serin::start(&config);
    let streams: Vec<_> = (0..10).map(|_| follow(&serin, 0)).collect();
    serin.signal("TERM");
    let exit = serin.exit();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.after < Duration::from_secs(6), "{:?}", exit.after);
    drop(streams);
}

#[test]
fn a_script_learns_how_it_ended_from_the_exit_code() {
    let (stable, canary) = (Service::start("stable"), Service::start("canary"));
    let serin = Serin::start(&config(&stable, &canary));
    let admin = serin.admin_address().to_string();
    let start = |args: &[&str]| Process::start(&[args, &["--admin", &admin]].concat(), &[]);
    let run = |args: &[&str]| start(args).exit().code;
    assert_eq!(run(&["wait", ROLLOUT, "--for", "progressing", "--timeout", "20s"]), Some(0));
    assert_eq!(run(&["wait", ROLLOUT, "--for", "succeeded", "--timeout", "100ms"]), Some(4));
    let mut waits = start(&["wait", ROLLOUT, "--for", "RolledBack", "--timeout", "20s"]);
    assert_eq!((run(&["abort", ROLLOUT]), run(&["abort", ROLLOUT])), (Some(0), Some(1)));
    assert_eq!(waits.exit().code, Some(0));
    assert_eq!(run(&["wait", ROLLOUT, "--for", "succeeded", "--timeout", "20s"]), Some(3));
    for args in [&["status"][..], &["status", ROLLOUT], &["status", "-o", "json"], &["events"], &["events", ROLLOUT]] {
        assert_eq!(run(args), Some(0), "{args:?}");
    }
    assert_eq!((run(&["status", "nobody"]), run(&["pause", ROLLOUT])), (Some(1), Some(1)));
    assert_eq!((run(&["set-weight", ROLLOUT, "101"]), run(&["wait", ROLLOUT])), (Some(2), Some(2)));
    let exit = start(&["retry", "data-teir"]).exit();
    assert!(exit.code == Some(1) && exit.stderr.contains("did you mean `data-tier`?"), "{exit:?}");
}
