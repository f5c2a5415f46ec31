//! What the fuzz targets call: the pure readers of what strangers send and people write, each with what must hold of it
//! whatever the bytes are. A function that returns has found nothing; one that panics has.
//!
//! Not for use by anybody else: the targets in `fuzz/` and the test that replays their corpus are all that needs it.

#![allow(missing_docs, reason = "each is told in TARGETS")]

mod http2;

pub use http2::http2;

use crate::http::{
    BodyLength, Decoder, HeadLimits, Inbound, Outbound, Progress, RequestHead, ResponseHead, Scan, Transfer, Version,
    compose_request, compose_response, slots,
};
use crate::net::proxy_protocol;
use crate::plan::{Headers, Hostname, Matcher, Plan, Request, RequestMatch};
use crate::{config, rollout, store};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::LazyLock;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus as well.
pub const TARGETS: &[(&str, Target)] = &[
    ("config", config),
    ("request_head", request_head),
    ("response_head", response_head),
    ("chunked", chunked),
    ("matcher", matcher),
    ("state_file", state_file),
    ("proxy_header", proxy_header),
    ("http2", http2),
];

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 100 };

/// A config file: a plan, or problems that can be told.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problems) = config::check(text, Path::new("serin.yaml")) {
        assert!(!problems.report(false).is_empty(), "a refusal says why");
    }
}

/// What a request says, as far as another reader must not read it differently.
#[derive(Debug, PartialEq, Eq)]
struct RequestReading {
    method: String,
    path: String,
    query: Option<String>,
    authority: Option<String>,
    body: BodyLength,
    expects_continue: bool,
    takes_trailers: bool,
    upgrades: bool,
}

impl RequestReading {
    fn of(head: &RequestHead<'_, '_>) -> Self {
        Self {
            method: head.method.to_owned(),
            path: head.path.to_owned(),
            query: head.query.map(str::to_owned),
            authority: head.authority.map(str::to_owned),
            body: head.body,
            expects_continue: head.expects_continue,
            takes_trailers: head.takes_trailers,
            upgrades: head.upgrades,
        }
    }
}

/// A request's head: refused, or composed so that the next hop reads the same.
pub fn request_head(bytes: &[u8]) {
    let Some((flags, bytes)) = bytes.split_first() else { return };
    let Ok(Some(length)) = Scan::default().find_end(bytes) else { return };
    let mut room = slots();
    let head = match RequestHead::parse(&bytes[..length], &mut room, LIMITS) {
        Ok(Progress::Complete(head, read)) => {
            assert_eq!(read, length, "both find the same end");
            head
        }
        _ => return,
    };
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let inbound = Inbound {
        filters: None,
        client: IpAddr::from([10, 0, 0, 7]),
        secure: flag(0),
        local: SocketAddr::from(([10, 0, 0, 1], 80)),
        headers: Headers { via: flag(1), request_id: flag(2), forwarded: flag(3) },
        request_id: 7,
    };
    let mut sent = Vec::new();
    compose_request(&mut sent, &head, &inbound);
    let mut expected = RequestReading::of(&head);
    expected.authority.get_or_insert_with(|| inbound.local.to_string());
    assert_eq!(read_request(&sent), expected, "{:?}", String::from_utf8_lossy(&sent));
    assert_one_framing(&sent);
}

/// As the next hop does it, which takes nothing that is not right.
fn read_request(sent: &[u8]) -> RequestReading {
    assert_eq!(Scan::default().find_end(sent), Ok(Some(sent.len())), "one head and nothing else");
    let mut room = slots();
    // The proxy adds some fields of its own.
    let limits = HeadLimits { bytes: usize::MAX, fields: LIMITS.fields + 20 };
    match RequestHead::parse(sent, &mut room, limits) {
        Ok(Progress::Complete(head, length)) if length == sent.len() => RequestReading::of(&head),
        other => panic!("it is not a request any more: {other:?}"),
    }
}

/// Asserts that `head` has one `Content-Length` or one `Transfer-Encoding` at most.
fn assert_one_framing(head: &[u8]) {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let framing = |line: &&str| line.starts_with("content-length:") || line.starts_with("transfer-encoding:");
    assert!(text.split("\r\n").filter(framing).count() < 2, "{text}");
}

/// A response's head: refused, or composed so that the client reads the same.
pub fn response_head(bytes: &[u8]) {
    let Some((flags, bytes)) = bytes.split_first() else { return };
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let (to_head, mut room) = (flag(0), slots());
    let Ok(Progress::Complete(head, _)) = ResponseHead::parse(bytes, &mut room, LIMITS, to_head) else { return };
    let version = if flag(1) { Version::Http10 } else { Version::Http11 };
    let transfer = if head.code < 200 { Transfer::AsIs } else { Transfer::of(head.body, version) };
    let outbound = Outbound { version, close: flag(2), transfer, via: flag(3), date: b"today", changes: None };
    let mut sent = Vec::new();
    compose_response(&mut sent, &head, &outbound);
    assert_one_framing(&sent);
    assert_eq!(Scan::default().find_end(&sent), Ok(Some(sent.len())), "{:?}", String::from_utf8_lossy(&sent));
    let (mut room, limits) = (slots(), HeadLimits { bytes: usize::MAX, fields: LIMITS.fields + 20 });
    let read = ResponseHead::parse(&sent, &mut room, limits, to_head);
    let Ok(Progress::Complete(read, length)) = read else { panic!("it is not a response any more: {read:?}") };
    let body = match transfer {
        Transfer::Chunked if !to_head => BodyLength::Chunked,
        Transfer::UntilClose if !to_head => BodyLength::UntilClose,
        _ => head.body,
    };
    assert_eq!((read.code, read.reason, read.body, length), (head.code, head.reason, body, sent.len()));
}

/// A chunked body: the same content however it arrives, and the same when it is written anew.
pub fn chunked(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = decode(bytes, usize::MAX);
    assert_eq!(decode(bytes, usize::from(*step).max(1)), whole, "in pieces of {step}");
    let Some((content, trailers)) = whole else { return };
    let mut again = Vec::new();
    if !content.is_empty() {
        again.extend_from_slice(format!("{:x}\r\n", content.len()).as_bytes());
        again.extend_from_slice(&content);
        again.extend_from_slice(b"\r\n");
    }
    again.extend_from_slice(b"0\r\n");
    again.extend_from_slice(&trailers);
    again.extend_from_slice(b"\r\n");
    assert_eq!(decode(&again, usize::MAX), Some((content, trailers)));
}

/// The content and the trailers that go on, of a body that is whole.
fn decode(bytes: &[u8], step: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut decoder, mut content) = (Decoder::new(LIMITS), Vec::new());
    for piece in bytes.chunks(step.min(bytes.len().max(1))) {
        let mut piece = piece.to_vec();
        let step = decoder.decode(&mut piece).ok()?;
        assert!(step.content <= step.consumed && step.consumed <= piece.len());
        content.extend_from_slice(&piece[..step.content]);
        if step.done {
            let mut trailers = Vec::new();
            decoder.compose_trailers(&mut trailers).ok()?;
            return Some((content, trailers));
        }
    }
    None
}

/// Rules of every kind.
static RULES: LazyLock<Plan> = LazyLock::new(|| {
    config::check(include_str!("fuzzing.yaml"), Path::new("serin.yaml"))
        .unwrap_or_else(|problems| panic!("{}", problems.report(false)))
});

/// A request under rules of every kind: the rule that is found is the first that holds by itself.
pub fn matcher(bytes: &[u8]) {
    let mut room = slots();
    let Ok(Progress::Complete(head, _)) = RequestHead::parse(bytes, &mut room, LIMITS) else { return };
    let request = Request {
        method: head.method,
        host: head.host,
        path: head.path,
        query: head.query.unwrap_or(""),
        fields: head.fields,
    };
    let holds = |(hostname, conditions, rule): (&Hostname, &RequestMatch, _)| {
        Matcher::new([(hostname.clone(), conditions.clone(), rule)]).find(&request)
    };
    assert_eq!(RULES.matcher.find(&request), RULES.matcher.entries().find_map(holds));
}

/// A state file: refused, or understood in a way that survives being written.
pub fn state_file(bytes: &[u8]) {
    let Ok(documents) = store::parse(bytes, Path::new("serin-state.json")) else { return };
    for document in documents.into_values() {
        let Ok(state) = serde_json::from_value::<rollout::State>(document) else { continue };
        let written = serde_json::to_value(&state).expect("a state can be written");
        let again: rollout::State = serde_json::from_value(written.clone()).expect("what was written can be read");
        assert_eq!(serde_json::to_value(&again).expect("a state can be written"), written);
    }
}

/// A PROXY header: refused, not whole, or read to its end; the end is the same with anything behind it.
pub fn proxy_header(bytes: &[u8]) {
    match proxy_protocol::parse(bytes) {
        Ok(proxy_protocol::Progress::Complete(addresses, length)) => {
            assert!(length <= bytes.len() && length <= proxy_protocol::MAX_HEADER);
            let alone = proxy_protocol::parse(&bytes[..length]);
            assert_eq!(alone, Ok(proxy_protocol::Progress::Complete(addresses, length)));
        }
        Ok(proxy_protocol::Progress::Partial) => assert!(bytes.len() < proxy_protocol::MAX_HEADER),
        // What is wrong stays wrong with more behind it.
        Err(_) => assert!(proxy_protocol::parse(&[bytes, b"\r\n"].concat()).is_err()),
    }
}
