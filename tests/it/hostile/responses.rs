//! Each response of the corpus through the proxy: 502, or passed on in exactly one reading, and nobody else's answer.

use super::corpus::{self, Case};
use super::peers::{End, Next, Reader, Recorder};
use super::strict::Message;
use crate::harness::{Serin, everything_to};

/// The words behind a verdict that are no part of a body.
const FLAGS: &[&str] = &["HEAD", "1.0", "POST", "closes"];

/// What became of a response.
#[derive(Debug)]
enum Outcome {
    /// The proxy's own 502.
    Bad,
    Passed(u16, Vec<u8>),
    /// It began with this code, and its connection was cut before its end.
    Cut(u16),
}

#[test]
fn a_response_is_a_502_or_passed_on_in_exactly_one_reading() {
    let cases = corpus::read("responses");
    assert!(cases.len() >= 60, "{} responses", cases.len());
    let answers: Vec<_> = cases.iter().map(|case| (case.bytes.clone(), case.says("closes"))).collect();
    let recorder = Recorder::start(move |request| match request.start[1].strip_prefix("/case/") {
        Some(number) => answers[number.parse::<usize>().expect("a number")].clone(),
        None => (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nafter".to_vec(), false),
    });
    let mut serin = Serin::start(&format!("{}timeouts: {{ responseHead: 5s }}\n", everything_to(recorder.address)));
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let mut reader = Reader::new(serin.client());
        if let Err(what) = judge(case, number, &mut reader) {
            wrong.push(format!("{} ({} {:?}): {what}", case.name, case.verdict, case.words));
        } else if reader.bytes().windows(8).any(|window| window == b"smuggled") {
            let all = String::from_utf8_lossy(reader.bytes());
            wrong.push(format!("{}: smuggled: {all:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(serin.client().get("/after").text(), "after", "the proxy is none the worse");
}

fn judge(case: &Case, number: usize, reader: &mut Reader) -> Result<(), String> {
    let method = ["HEAD", "POST"].into_iter().find(|method| case.says(method)).unwrap_or("GET");
    let (version, fields) = if case.says("1.0") { ("1.0", "Connection: keep-alive\r\n") } else { ("1.1", "") };
    reader.send(format!("{method} /case/{number} HTTP/{version}\r\nHost: t\r\n{fields}\r\n").as_bytes());
    let (outcome, response) = outcome(reader, method, version)?;
    let body: Vec<_> = case.words.iter().skip(1).filter(|word| !FLAGS.contains(&word.as_str())).cloned().collect();
    let body = body.join(" ");
    let first = case.codes().first().copied();
    let is_right = match (case.verdict.as_str(), &outcome) {
        ("bad" | "either", Outcome::Bad) => true,
        ("passed" | "either", Outcome::Passed(code, got)) => Some(*code) == first && got == body.as_bytes(),
        ("cut", Outcome::Cut(code)) => Some(*code) == first,
        ("cut", Outcome::Bad) => case.says("502"),
        _ => false,
    };
    if !is_right {
        return Err(format!("{outcome:?}: {:?}", String::from_utf8_lossy(reader.bytes())));
    }
    if matches!(outcome, Outcome::Cut(_)) {
        return Ok(());
    }
    // What comes next on the client's connection is the answer to what it asks next, and nothing else.
    if response.is_some_and(|response| response.all("connection") != [b"close"]) && reader.end() == End::Open {
        reader.send(b"GET /after HTTP/1.1\r\nHost: t\r\n\r\n");
        match reader.next(false)? {
            Next::Response(after) if after.start[1] == "200" && after.body == b"after" => {}
            other => return Err(format!("afterwards {other:?}")),
        }
    }
    reader.finish();
    match reader.next(false)? {
        Next::Nothing => Ok(()),
        more => Err(format!("more than was asked for: {more:?}")),
    }
}

/// Reads over interim responses to the last one, which is there if it is whole.
fn outcome(reader: &mut Reader, method: &str, version: &str) -> Result<(Outcome, Option<Message>), String> {
    loop {
        let response = match reader.next(method == "HEAD")? {
            Next::Response(response) => response,
            Next::Cut(Some(begun)) => return Ok((Outcome::Cut(code(&begun)?), None)),
            other => return Err(format!("no answer: {other:?}")),
        };
        match code(&response)? {
            100..=199 if version == "1.0" => return Err(format!("an interim response to HTTP/1.0: {response:?}")),
            100..=199 => {}
            502 if !response.all("x-serin-reason").is_empty() => return Ok((Outcome::Bad, Some(response))),
            code => return Ok((Outcome::Passed(code, response.body.clone()), Some(response))),
        }
    }
}

fn code(response: &Message) -> Result<u16, String> {
    response.start[1].parse().map_err(|_| format!("a code: {response:?}"))
}
