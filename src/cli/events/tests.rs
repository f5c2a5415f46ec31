//! What is shown of events, and how a lost stream is taken up.

use super::*;
use crate::cli::stub::{Stub, status};
use serde_json::{Value, json};
use std::io;

fn event(id: u64, kind: &str, severity: &str) -> Value {
    let mut event = status("Paused", 2)["history"][0].clone();
    event["id"] = json!(id);
    event["event"] = json!(kind);
    event["severity"] = json!(severity);
    event["message"] = json!(format!("it was {kind}"));
    event
}

fn args(stub: &Stub, follow: bool, output: Output) -> EventsArgs {
    EventsArgs { name: Some("data tier".into()), follow, limit: 100, output, admin: stub.admin() }
}

/// What is written before the reader, who takes `lines` lines, hangs up.
fn shown(args: &EventsArgs, lines: usize, colour: bool) -> (Result<u8, Failure>, String, String) {
    struct Pipe {
        text: String,
        lines: usize,
    }
    impl io::Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.text.matches('\n').count() >= self.lines {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.text.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (mut out, mut err) = (Pipe { text: String::new(), lines }, Vec::new());
    let mut screen = Screen { out: &mut out, err: &mut err, colour, err_colour: false, size: || None };
    let ended = run(args, &mut screen);
    (ended, out.text, String::from_utf8(err).unwrap())
}

#[test]
fn events_line_up_and_colours_are_for_terminals() {
    let stub = Stub::json(200, &json!({ "events": [event(1, "step", "info"), event(2, "rolled-back", "error")] }));
    let (ended, out, _) = shown(&args(&stub, false, Output::Table), 9, false);
    assert_eq!(ended.unwrap(), 0);
    let expected = "2026-03-01T12:10:00.000Z  step              it was step\n\
                    2026-03-01T12:10:00.000Z  rolled-back       it was rolled-back\n";
    assert_eq!(out, expected);
    assert_eq!(stub.asked(), ["GET /api/v1/events?limit=100&rollout=data%20tier HTTP/1.1"]);
    let (_, coloured, _) = shown(&args(&stub, false, Output::Table), 9, true);
    assert!(coloured.contains("\x1b[31mrolled-back     \x1b[0m  it was"), "{coloured:?}");
}

#[test]
fn json_is_what_the_api_says() {
    let answer = json!({ "events": [event(1, "step", "info")] });
    let (_, out, _) = shown(&args(&Stub::json(200, &answer), false, Output::Json), 9, false);
    assert_eq!(out, format!("{answer}\n"));
}

#[test]
fn nothing_is_said_to_be_nothing_where_a_script_does_not_read() {
    let (ended, out, err) = shown(&args(&Stub::json(200, &json!({ "events": [] })), false, Output::Table), 9, false);
    assert_eq!((ended.unwrap(), out.as_str(), err.as_str()), (0, "", "nothing has happened yet\n"));
}

#[test]
fn a_lost_stream_is_taken_up_where_it_was_and_a_closed_pipe_ends_it() {
    let stream = |messages: &[(u64, &str, Value)]| {
        let told = messages.iter().map(|(id, event, data)| format!("id: {id}\nevent: {event}\ndata: {data}\n\n"));
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nretry: 1000\n\n{}", told.collect::<String>())
    };
    let stub = Stub::start(vec![
        stream(&[(7, "step", event(7, "step", "info"))]),
        stream(&[
            (8, "lagged", json!({})),
            (9, "paused", event(9, "paused", "info")),
            (10, "step", event(10, "step", "info")),
        ]),
    ]);
    let (ended, out, err) = shown(&args(&stub, true, Output::Json), 2, false);
    assert!(ended.unwrap_err().is_closed_pipe());
    let ids = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [7, 9]);
    assert!(err.contains("missed"), "{err}");
    let heads = stub.heads();
    assert!(!heads[0].contains("last-event-id") && heads[0].contains("accept: text/event-stream"), "{heads:?}");
    assert!(heads[1].contains("last-event-id: 7\r\n"), "{heads:?}");
}

#[test]
fn who_cannot_be_followed_at_first_is_not_waited_for() {
    let stub = Stub::json(404, &json!({ "error": "there is no rollout `data tier`" }));
    let (ended, _, _) = shown(&args(&stub, true, Output::Table), 9, false);
    assert_eq!(ended.unwrap_err().exit_code(), 1);
}
