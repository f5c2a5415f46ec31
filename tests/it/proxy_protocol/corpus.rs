//! Every header of `headers.txt`: what the parser says of it, and what becomes of a connection that begins with it.

use super::{front, rejected};
use crate::harness::eventually;
use serin::net::proxy_protocol::{Addresses, Progress, parse};

/// A line of the corpus.
struct Case {
    line: &'static str,
    bytes: Vec<u8>,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Told(Addresses),
    Own,
    Wrong,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("headers.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let cases: Vec<_> = lines.map(case).collect();
    let of = |wanted: fn(&Expected) -> bool| cases.iter().filter(|case| wanted(&case.expected)).count();
    assert!(of(|e| matches!(e, Expected::Told(_))) > 10 && of(|e| *e == Expected::Own) > 10);
    assert!(of(|e| *e == Expected::Wrong) > 60);
    cases
}

fn case(line: &'static str) -> Case {
    let (expected, bytes) = line.split_once(" | ").unwrap_or_else(|| panic!("no bytes in {line}"));
    let expected = match expected {
        "own" => Expected::Own,
        "wrong" => Expected::Wrong,
        told => {
            let ends = told.strip_prefix("told ").and_then(|ends| ends.split_once(' '));
            let (source, destination) = ends.unwrap_or_else(|| panic!("{line}"));
            let address = |text: &str| text.parse().unwrap_or_else(|_| panic!("{line}"));
            Expected::Told(Addresses { source: address(source), destination: address(destination) })
        }
    };
    Case { line, bytes: unescaped(bytes), expected }
}

/// The bytes that a text of the corpus stands for.
fn unescaped(mut text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(first) = text.bytes().next() {
        if first != b'\\' {
            bytes.push(first);
            text = &text[1..];
            continue;
        }
        let (escape, rest) = text[1..].split_at(1);
        text = rest;
        match escape {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "x" => {
                bytes.push(u8::from_str_radix(&text[..2], 16).expect("two digits"));
                text = &text[2..];
            }
            "{" => {
                let (repeated, rest) = text.split_once('}').expect("its end");
                let (what, times) = repeated.rsplit_once('*').expect("how often");
                bytes.extend(unescaped(what).repeat(times.parse().expect("a number")));
                text = rest;
            }
            other => panic!("\\{other}"),
        }
    }
    bytes
}

/// What the parser says, in the corpus's words; `None` while it waits for more. The length is everything.
fn verdict(bytes: &[u8], length: usize) -> Option<Expected> {
    match parse(bytes) {
        Ok(Progress::Partial) => None,
        Ok(Progress::Complete(told, found)) => {
            assert_eq!(found, length);
            Some(told.map_or(Expected::Own, |told| Expected::Told(told.canonical())))
        }
        Err(_) => Some(Expected::Wrong),
    }
}

#[test]
fn every_header_is_what_the_corpus_says_and_nothing_before_its_last_byte() {
    for Case { line, bytes, expected } in cases() {
        for followed in [&b""[..], b"G", b"\r\n", b"PROXY TCP4 9.9.9.9 9.9.9.9 9 9\r\n"] {
            let whole = [&bytes[..], followed].concat();
            assert!(verdict(&whole, bytes.len()) == Some(expected), "{line}: {:?}", parse(&whole));
        }
        for length in 0..bytes.len() {
            let cut = verdict(&bytes[..length], length);
            assert!(cut.is_none() || (cut == Some(Expected::Wrong) && expected == Expected::Wrong), "{line}: {length}");
        }
    }
}

#[test]
fn a_connection_that_begins_with_it_is_served_or_closed_without_a_word() {
    let (mut serin, backend) = front("127.0.0.1", "");
    let address = serin.address();
    let (mut served, mut wrong) = (0, 0);
    for Case { line, bytes, expected } in cases() {
        let mut client = serin.client();
        client.send(&bytes);
        let seen = match expected {
            Expected::Wrong => {
                client.assert_closed();
                wrong += 1;
                continue;
            }
            Expected::Own => address.ip(),
            Expected::Told(told) => told.source.ip(),
        };
        assert_eq!(client.get("/").status, 200, "{line}");
        let requests = backend.requests();
        served += 1;
        assert_eq!(requests.len(), served);
        assert_eq!(requests[served - 1].head.one("x-forwarded-for"), Some(seen.to_string().as_str()), "{line}");
    }
    eventually("each is counted", || rejected(&serin, "proxy-header-malformed") == wrong);
    assert_eq!(serin.count("serin_rejected_connections_total", &[]), wrong);
    assert_eq!(serin.count("serin_refused_requests_total", &[]), 0);
}
