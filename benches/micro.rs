//! The parts of a request's path, one by one: match, split, stickiness, header rewrite, record; and a step of the judge's detector.
//!
//! Everything here is pure and warm in cache, so these are lower bounds; what a request costs in all, system calls
//! included, is measured by `just peers`.

use criterion::{BenchmarkId, Criterion};
use serin::http::{
    BodyLength, HeadLimits, Inbound, Outbound, Progress, RequestHead, ResponseHead, Scan, Transfer, Version,
    compose_request, compose_response, slots,
};
use serin::plan::{
    BackendId, BackendRef, Fields, Headers, Hostname, Matcher, NameMatch, PathMatch, Request, RequestMatch, RuleId,
    Split, TextMatch, Wildcard, sticky_point,
};
use serin::rollout::Detector;
use serin::stats::{Exchange, Histogram, Shard};
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    matching(&mut criterion);
    splitting(&mut criterion);
    rewriting(&mut criterion);
    recording(&mut criterion);
    judging(&mut criterion);
    criterion.final_summary();
}

struct Lines(&'static [(&'static str, &'static str)]);

impl Fields for &Lines {
    fn any(&self, name: &str, mut found: impl FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && found(v.as_bytes()))
    }
}

const FIELDS: Lines = Lines(&[
    ("Host", "shop.example.com"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Cookie", "session=0123456789abcdef; theme=dark"),
    ("X-User-Id", "user-48151623"),
]);

/// From the config of the README (a header, then everyone) to a hundred rules of which the last one holds.
fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match");
    let testers = NameMatch { name: "x-canary".into(), value: TextMatch::Exact("always".into()) };
    let two = vec![
        (Hostname::Any, RequestMatch { headers: vec![testers], ..RequestMatch::everything() }, RuleId::new(0)),
        (Hostname::Any, RequestMatch::everything(), RuleId::new(1)),
    ];
    let hundred = (0..99).map(|number| {
        let path = PathMatch::Prefix(format!("/service-{number}"));
        (
            Hostname::Wildcard(Wildcard(".example.com".into())),
            RequestMatch { path, ..RequestMatch::everything() },
            RuleId::new(number),
        )
    });
    let everyone = (Hostname::Any, RequestMatch::everything(), RuleId::new(99));
    for (name, rules) in [("2 rules", two), ("100 rules, the last one", hundred.chain([everyone]).collect())] {
        let matcher = Matcher::new(rules);
        let request = Request {
            method: "GET",
            host: "shop.example.com",
            path: "/basket/items",
            query: "page=2",
            fields: &FIELDS,
        };
        group.bench_function(name, |b| b.iter(|| matcher.find(black_box(&request))));
    }
    group.finish();
}

fn splitting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("split");
    for backends in [2_usize, 8] {
        let refs: Vec<_> =
            (0..backends).map(|index| BackendRef { backend: BackendId::new(index), weight: 10 }).collect();
        let split = Split::guarded(&refs, BackendId::new(0), BackendId::new(1), Some(0.1));
        let mut point = 0_u64;
        group.bench_with_input(BenchmarkId::new("pick", backends), &split, |b, split| {
            b.iter(|| {
                // The golden ratio's multiples: a spread without a generator's cost.
                point = point.wrapping_add(0x9e37_79b9_7f4a_7c15);
                split.pick(black_box(point))
            });
        });
    }
    for key in ["user-48151623", "0c4c1c3a-6c40-4d5e-9a0b-2f6d7b6a5e11-and-a-long-session-token-behind-it"] {
        group.bench_with_input(BenchmarkId::new("sticky hash, bytes", key.len()), key, |b, key| {
            b.iter(|| sticky_point(black_box(key.as_bytes()), black_box(b"data-tier")));
        });
    }
    group.finish();
}

const REQUEST: &str = "GET /basket/items?page=2 HTTP/1.1\r\nHost: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nX-User-Id: user-48151623\r\nConnection: keep-alive\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nDate: Mon, 01 Jun 2026 00:00:00 GMT\r\nServer: shop\r\n\
    Content-Type: application/json\r\nContent-Length: 64\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n\r\n";

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 100 };

/// A head read and written anew, with everything that Serin adds by default.
fn rewriting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewrite");
    let inbound = Inbound {
        secure: false,
        client: IpAddr::from([10, 0, 0, 7]),
        local: SocketAddr::from(([10, 0, 0, 1], 80)),
        headers: Headers { via: false, request_id: true, forwarded: true },
        request_id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
    };
    let outbound = Outbound {
        version: Version::Http11,
        close: false,
        transfer: Transfer::of(BodyLength::Sized(64), Version::Http11),
        via: false,
        date: b"Mon, 01 Jun 2026 00:00:00 GMT",
    };
    let mut out = Vec::with_capacity(4_096);
    group.bench_function("request head", |b| {
        b.iter(|| {
            out.clear();
            let bytes = black_box(REQUEST.as_bytes());
            assert!(matches!(Scan::default().find_end(bytes), Ok(Some(_))));
            let mut slots = slots();
            let Ok(Progress::Complete(head, length)) = RequestHead::parse(bytes, &mut slots, LIMITS) else {
                unreachable!("a request as a browser writes it")
            };
            compose_request(&mut out, &head, &inbound);
            length + black_box(&out).len()
        });
    });
    group.bench_function("response head", |b| {
        b.iter(|| {
            out.clear();
            let bytes = black_box(RESPONSE.as_bytes());
            assert!(matches!(Scan::default().find_end(bytes), Ok(Some(_))));
            let mut slots = slots();
            let Ok(Progress::Complete(head, length)) = ResponseHead::parse(bytes, &mut slots, LIMITS, false) else {
                unreachable!("a response as a server writes it")
            };
            compose_response(&mut out, &head, &outbound);
            length + black_box(&out).len()
        });
    });
    group.finish();
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    let histogram = Histogram::default();
    let mut us = 0_u64;
    group.bench_function("histogram", |b| {
        b.iter(|| {
            us = (us + 977) % 1_000_000;
            histogram.record(black_box(Duration::from_micros(us)));
        });
    });
    let shard = Shard::default();
    group.bench_function("shard", |b| {
        b.iter(|| {
            us = (us + 977) % 1_000_000;
            let duration = Duration::from_micros(us);
            shard.record(black_box(&Exchange { code: 200, failure: None, grpc: None, head: Some(duration), duration }));
        });
    });
    group.finish();
}

/// What a limit costs a tick, whatever the number of requests in it.
fn judging(criterion: &mut Criterion) {
    let mut detector = Detector::new(0.05, 1e-5);
    criterion.bench_function("judge/detector step", |b| {
        b.iter(|| {
            detector.observe(black_box(2), black_box(98));
            detector.evidence()
        });
    });
}
