//! Each request of the corpus through the proxy: refused, or forwarded in exactly one reading.
//!
//! Every case comes from an IP address of its own, which the proxy must write behind whatever else is in
//! `X-Forwarded-For`. So each request that a backend has tells whose it is, and one that does not is one that the proxy
//! does not know of.

use super::corpus::{self, Case, unescape};
use super::peers::{End, Next, Reader, Recorder, requests};
use super::strict::Message;
use crate::harness::{Client, Serin, everything_to};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: behind\r\n\r\n";
const CLIENTS: usize = 8;

/// What a client saw.
struct Seen {
    /// The final responses, in order.
    answers: Vec<Message>,
    end: End,
    /// What could not be read.
    crooked: Option<String>,
}

/// What a backend has of one case.
#[derive(Default)]
struct Arrived {
    whole: Vec<Message>,
    begun: Vec<Message>,
}

#[test]
fn a_request_is_refused_or_forwarded_in_exactly_one_reading() {
    let cases = corpus::read("requests");
    assert!(cases.len() >= 200, "{} requests", cases.len());
    let recorder = Recorder::start(|request| {
        let target = &request.start[1];
        (format!("HTTP/1.1 200 OK\r\nx-target: {target}\r\ncontent-length: 0\r\n\r\n").into_bytes(), false)
    });
    let more = "timeouts: { headerRead: 5s, idle: 5s }\ndrain: { grace: 10ms, timeout: 9s }\n";
    let mut serin = Serin::start(&format!("{}{more}", everything_to(recorder.address)));
    let seen = send_all(&cases, serin.address());
    serin.signal("TERM");
    assert_eq!(serin.exit().code, Some(0), "{}", serin.process.log.text());
    let (mut arrived, mut wrong) = (HashMap::<IpAddr, Arrived>::new(), Vec::new());
    for connection in recorder.finish() {
        match requests(&connection) {
            Ok((whole, begun)) => {
                whole.into_iter().for_each(|request| arrived.entry(sender(&request)).or_default().whole.push(request));
                begun.into_iter().for_each(|request| arrived.entry(sender(&request)).or_default().begun.push(request));
            }
            Err(crooked) => wrong.push(format!("the backend received {crooked}")),
        }
    }
    for (number, (case, seen)) in cases.iter().zip(&seen).enumerate() {
        let arrived = arrived.remove(&source(number)).unwrap_or_default();
        if let Err(what) = judge(case, seen, &arrived) {
            wrong.push(format!("{} ({} {:?}): {what}", case.name, case.verdict, case.words));
        }
    }
    wrong.extend(arrived.values().map(|strays| format!("from nobody: {:?} {:?}", strays.whole, strays.begun)));
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The address that a case comes from.
fn source(number: usize) -> IpAddr {
    let [.., high, low] = u32::try_from(number + 1).expect("not that many").to_be_bytes();
    Ipv4Addr::new(127, 64, high, low).into()
}

/// The client that the proxy has named last.
fn sender(request: &Message) -> IpAddr {
    let last = request.all("x-forwarded-for").last().map(|value| String::from_utf8_lossy(value).into_owned());
    let last = last.and_then(|value| value.rsplit(',').next().and_then(|member| member.trim().parse().ok()));
    last.unwrap_or(Ipv4Addr::UNSPECIFIED.into())
}

fn send_all(cases: &[Case], address: SocketAddr) -> Vec<Seen> {
    let seen = Mutex::new(HashMap::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    let Some(case) = cases.get(number) else { break };
                    let result = send(case, Client::connect_from(source(number), address));
                    seen.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    let mut seen = seen.into_inner().unwrap();
    (0..cases.len()).map(|number| seen.remove(&number).expect("each was sent")).collect()
}

/// Sends a case, and reads until its connection ends or what was sent behind it is answered.
fn send(case: &Case, client: Client) -> Seen {
    let mut reader = Reader::new(client);
    if case.says("alone") {
        reader.send(&case.bytes);
        reader.finish();
    } else {
        reader.send(&[&case.bytes[..], BEHIND.as_bytes()].concat());
    }
    let mut answers = Vec::new();
    let crooked = loop {
        match reader.next(false) {
            Ok(Next::Response(response)) if response.start[1].starts_with('1') => {}
            Ok(Next::Response(response)) => {
                let is_last = response.all("x-target") == [b"/behind"];
                answers.push(response);
                if is_last {
                    break None;
                }
            }
            Ok(Next::Nothing) => break None,
            Ok(Next::Cut(begun)) => break Some(format!("half an answer: {begun:?}")),
            Err(crooked) => break Some(crooked),
        }
    };
    Seen { answers, end: reader.end(), crooked }
}

fn judge(case: &Case, seen: &Seen, arrived: &Arrived) -> Result<(), String> {
    if let Some(crooked) = &seen.crooked {
        return Err(format!("{crooked}; the answers were {:?}", seen.answers));
    }
    let expected: Vec<_> = case.expected.iter().map(|line| Expected::of(line)).collect();
    let is_behind = |request: &Message| request.start[..2] == ["GET", "/behind"];
    // What was sent behind it is the last one, or none at all.
    let (own, behind) = match arrived.whole.split_last() {
        Some((last, rest)) if is_behind(last) => (rest, true),
        _ => (&arrived.whole[..], false),
    };
    let hidden = |request: &Message| is_behind(request) || request.start[1] == "/smuggled";
    if let Some(hidden) = own.iter().find(|r| hidden(r) && !expected.iter().any(|expected| expected.is(r))) {
        return Err(format!("smuggled: {hidden:?}"));
    }
    let are = |own: &[Message]| own.len() == expected.len() && own.iter().zip(&expected).all(|(r, e)| e.is(r));
    let outcome = format!("the backend has {own:?} and {:?}, the client {:?}", arrived.begun, seen.answers);
    let good = seen.answers.iter().take_while(|answer| answer.start[1] == "200").count();
    let refusal = match &seen.answers[good..] {
        [] => None,
        [refusal] => Some(refusal),
        _ => return Err(format!("something behind a refusal: {outcome}")),
    };
    let forwarded = |what: &[Message]| {
        let all = good == what.len() + usize::from(behind) && arrived.begun.is_empty() && refusal.is_none();
        let right = if expected.is_empty() { what.len() == 1 } else { are(what) };
        all && right && (behind || seen.end == End::Closed)
    };
    let refused = |before: &[Message]| {
        let codes = case.codes();
        let is_right = match refusal {
            Some(refusal) => {
                refusal.start[1].parse().is_ok_and(|code| codes.contains(&code))
                    && !refusal.all("x-serin-reason").is_empty()
            }
            // Somebody who has hung up is told nothing.
            None => case.says("alone"),
        };
        let is_silent = arrived.begun.is_empty() || (case.says("midway") && arrived.begun.len() == 1);
        // Somebody who has hung up may find the connection reset as well.
        let has_ended = seen.end == End::Closed || (refusal.is_none() && seen.end == End::Reset);
        is_right && !behind && is_silent && good == before.len() && has_ended
    };
    let is_right = match case.verdict.as_str() {
        "refused" => are(own) && refused(own),
        "forwarded" => forwarded(own),
        "either" => (own.is_empty() && refused(own)) || forwarded(own),
        other => return Err(format!("{other:?} is no verdict")),
    };
    if is_right { Ok(()) } else { Err(outcome) }
}

/// A request as a `>` line has it.
struct Expected {
    method: String,
    target: String,
    host: String,
    body: Vec<u8>,
}

impl Expected {
    fn of(line: &str) -> Self {
        let mut parts = line.splitn(4, ' ');
        let mut part = || unescape(parts.next().unwrap_or_default());
        let mut text = || String::from_utf8(part()).expect("text");
        Self { method: text(), target: text(), host: text(), body: part() }
    }

    fn is(&self, request: &Message) -> bool {
        request.start[..2] == [&*self.method, &*self.target]
            && request.all("host") == [self.host.as_bytes()]
            && request.body == self.body
    }
}
