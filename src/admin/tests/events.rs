//! What happened, as its readers see it: lists, streams, and streams that were lost and taken up again.

use super::{Rig, connect, json_of, start, start_with, view};
use crate::admin::EventLog;
use crate::rollout::{Decision, Grounds, Kind, Timestamp};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

fn decision(rollout: &str, event: Kind, at_ms: u64) -> Decision {
    Decision {
        rollout: rollout.into(),
        revision: "1.5.0".into(),
        at: Timestamp::from_duration(Duration::from_millis(at_ms)),
        event,
        step: None,
        weight: 10.0,
        requests: 0,
        failed: 0,
        grounds: Grounds::Plan,
        limits: Vec::new(),
    }
}

/// So many, a second apart.
fn steps(count: u64) -> Vec<Decision> {
    (1..=count).map(|n| decision("data-tier", Kind::Step, n * 1_000)).collect()
}

impl Rig {
    fn ids(&self, query: &str) -> Vec<u64> {
        let (status, _, body) = self.ask("GET", &format!("/api/v1/events{query}"), "");
        assert_eq!(status, 200, "{body}");
        json_of(&body)["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect()
    }

    fn follow(&self, query: &str, fields: &str) -> Stream {
        let address = self.server.local_addr();
        let mut stream = connect(address);
        write!(stream, "GET /api/v1/events{query} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n").unwrap();
        let mut stream = Stream(BufReader::new(stream));
        let head: Vec<_> = std::iter::from_fn(|| Some(stream.line()).filter(|line| !line.is_empty())).collect();
        assert!(head[0].ends_with("200 OK") && head.join("\n").contains("text/event-stream"), "{head:?}");
        stream
    }
}

/// An open stream; its chunks' framing is skipped, since every event is written whole.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event: its id, its name, its data.
    fn event(&mut self) -> (u64, String, Value) {
        let (mut id, mut name) = (0, String::new());
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("id", value)) => id = value.parse().unwrap(),
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => {
                    let data: Value = serde_json::from_str(value).unwrap();
                    // The fields come in any order, and a blank line ends them.
                    loop {
                        let line = self.line();
                        match line.split_once(": ") {
                            Some(("id", value)) => id = value.parse().unwrap(),
                            Some(("event", value)) => name = value.to_owned(),
                            _ => return (id, name, data),
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn an_event_is_the_decision_with_an_id_a_severity_and_a_sentence() {
    let rig = start_with(view(None), EventLog::new(vec![decision("data-tier", Kind::RolledBack, 5_000)]));
    let (_, _, body) = rig.ask("GET", "/api/v1/events", "");
    let event = &json_of(&body)["events"][0];
    assert_eq!(
        (&event["id"], &event["severity"], &event["event"]),
        (&json!(5_000), &json!("error"), &json!("rolled-back"))
    );
    assert_eq!((&event["rollout"], &event["at"]), (&json!("data-tier"), &json!("1970-01-01T00:00:05.000Z")));
    assert!(event["message"].as_str().unwrap().starts_with("rollout data-tier: canary 1.5.0 taken out"), "{event}");
}

#[test]
fn ids_grow_even_where_the_clock_does_not() {
    let rig = start_with(view(None), EventLog::new(vec![decision("a", Kind::Step, 9), decision("b", Kind::Step, 9)]));
    rig.events.add(vec![decision("a", Kind::Step, 3)]);
    assert_eq!(rig.ids(""), [9, 10, 11]);
}

#[test]
fn after_a_restart_the_past_has_the_ids_that_it_had() {
    let rig = start(view(None));
    rig.events.add(vec![decision("a", Kind::Started, 1_000), decision("b", Kind::Started, 1_000)]);
    rig.events.add(vec![decision("a", Kind::Step, 2_000)]);
    // As the states remember it: one rollout after the other.
    let [of_a, of_b] = [[1_000, 2_000].as_slice(), &[1_000]];
    let remembered = |name, times: &[u64]| times.iter().map(|at| decision(name, Kind::Step, *at)).collect::<Vec<_>>();
    let again = start_with(view(None), EventLog::new([remembered("a", of_a), remembered("b", of_b)].concat()));
    assert_eq!(again.ids(""), rig.ids(""));
}

#[test]
fn a_list_is_the_last_ones_or_those_after_an_id() {
    let mut all = steps(150);
    all.push(decision("other", Kind::Step, 200_000));
    let rig = start_with(view(None), EventLog::new(all));
    let ids = rig.ids("");
    assert_eq!((ids.len(), ids[0], ids[99]), (100, 52_000, 200_000));
    assert_eq!(rig.ids("?limit=2"), [150_000, 200_000]);
    assert_eq!(rig.ids("?limit=2&rollout=data-tier"), [149_000, 150_000]);
    assert_eq!(rig.ids("?since=148000"), [149_000, 150_000, 200_000]);
    assert_eq!(rig.ids("?since=5000&limit=2"), [6_000, 7_000], "so that one page follows the other");
    assert_eq!(rig.ids("?rollout=other"), [200_000], "a rollout that the config has no more");
    assert_eq!(rig.ids("?limit=0"), [] as [u64; 0]);
    let (status, _, body) = rig.ask("GET", "/api/v1/events?rollout=data-teir", "");
    assert_eq!((status, body.contains("data-tier")), (404, true), "{body}");
    for bad in ["?limit=x", "?limit=1001", "?since=now", "?follow=1", "?rollouts=a"] {
        assert_eq!(rig.ask("GET", &format!("/api/v1/events{bad}"), "").0, 400, "{bad}");
    }
    assert_eq!(rig.ask("GET", "/api/v1/events?follow=true", "Last-Event-ID: x\r\n").0, 400);
}

#[test]
fn a_stream_begins_with_the_past_and_goes_on_with_what_happens() {
    let rig = start_with(view(None), EventLog::new(steps(3)));
    let mut stream = rig.follow("?limit=2", "Accept: text/event-stream\r\n");
    let (id, name, data) = stream.event();
    assert_eq!((id, name.as_str(), &data["id"]), (2_000, "step", &json!(2_000)));
    assert_eq!(stream.event().0, 3_000);
    rig.events.add(vec![decision("other", Kind::Step, 4_000), decision("data-tier", Kind::Paused, 5_000)]);
    assert_eq!((stream.event().0, stream.event().1), (4_000, "paused".to_owned()));
    let mut filtered = rig.follow("?follow=true&limit=0&rollout=data-tier", "");
    rig.events.add(vec![decision("other", Kind::Step, 6_000), decision("data-tier", Kind::Resumed, 7_000)]);
    assert_eq!(filtered.event().0, 7_000, "the past was not asked for, and others are not either");
}

#[test]
fn a_lost_stream_is_taken_up_where_it_was() {
    let rig = start_with(view(None), EventLog::new(steps(5)));
    assert_eq!(rig.follow("?follow=true", "Last-Event-ID: 3000\r\n").event().0, 4_000);
    assert_eq!(rig.follow("?follow=true&since=4000", "").event().0, 5_000);
    let mut stream = rig.follow("?follow=true", "Last-Event-ID: 5000\r\n");
    rig.events.add(vec![decision("data-tier", Kind::Promoting, 6_000)]);
    assert_eq!(stream.event().0, 6_000);
}

#[test]
fn a_reader_that_lags_is_told_and_goes_on_with_what_is_kept() {
    let rig = start_with(view(None), EventLog::new(steps(EventLog::MOST as u64 + 10)));
    assert_eq!(rig.ids("?limit=1000").len(), EventLog::MOST);
    let mut stream = rig.follow("?follow=true", "Last-Event-ID: 4000\r\n");
    assert_eq!(stream.event(), (10_000, "lagged".to_owned(), json!({ "after": 4_000, "until": 10_000 })));
    assert_eq!(stream.event().0, 11_000);
    let mut current = rig.follow("?follow=true", "Last-Event-ID: 10000\r\n");
    assert_eq!(current.event().0, 11_000, "nothing was missed");
}

#[test]
fn a_reader_that_never_reads_holds_up_nobody() {
    let rig = start(view(None));
    let stuck: Vec<_> = (0..20).map(|_| rig.follow("?follow=true", "")).collect();
    for second in 0..200 {
        let hundred = (0..100).map(|n| decision("data-tier", Kind::Step, second * 1_000 + n));
        rig.events.add(hundred.collect());
    }
    assert_eq!(rig.ids("?limit=1"), [199_099]);
    drop(stuck);
}

#[test]
fn a_stream_ends_with_its_server() {
    let rig = start_with(view(None), EventLog::new(steps(1)));
    let mut stream = rig.follow("?follow=true", "");
    assert_eq!(stream.event().0, 1_000);
    drop(rig.server);
    let mut rest = String::new();
    while stream.0.read_line(&mut rest).is_ok_and(|read| read > 0) {}
    assert!(!rest.contains("data"), "{rest}");
}
