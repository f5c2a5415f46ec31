//! `RequestMirror`: copies for another backend, which the request itself never notices.

use super::OK;
use crate::harness::{Backend, Client, Serin, Service, black_hole, eventually, free_address};
use std::net::SocketAddr;

const MOST: usize = 64 << 10;

/// One worker, whose rule `shop` copies its requests, or a `part` of them, from `main` to `mirror`; the rule `last`
/// copies all of its requests.
fn mirroring(main: SocketAddr, mirror: SocketAddr, part: &str) -> Serin {
    let filter =
        |part: &str| format!("{{ type: RequestMirror, requestMirror: {{ backendRef: {{ name: mirror }}{part} }} }}");
    let config = format!(
        r#"
backends:
  - {{ name: main, version: "1", endpoints: {{ static: ["{main}"] }} }}
  - {{ name: mirror, version: "2", endpoints: {{ static: ["{mirror}"] }} }}
routes:
  - name: web
    rules:
      - name: shop
        matches: [{{ path: {{ value: /shop }} }}]
        filters:
          - {}
          - {{ type: RequestHeaderModifier, requestHeaderModifier: {{ set: [{{ name: x-tier, value: shop }}] }} }}
          - {{ type: URLRewrite, urlRewrite: {{ path: {{ type: ReplacePrefixMatch, replacePrefixMatch: / }} }} }}
        backendRefs: [{{ name: main }}]
      - {{ name: last, filters: [{}], backendRefs: [{{ name: main }}] }}
"#,
        filter(part),
        filter("")
    );
    Serin::start_with(&config, &["--workers", "1"], &[])
}

/// How many copies of the rule `shop` had this outcome.
fn copies(serin: &Serin, outcome: &str) -> u64 {
    serin.count("serin_mirrored_requests_total", &[("rule", "shop"), ("backend", "mirror"), ("outcome", outcome)])
}

fn await_copies(serin: &Serin, outcome: &str, count: u64) {
    eventually(&format!("{count} copies are {outcome}"), || copies(serin, outcome) >= count);
    assert_eq!(copies(serin, outcome), count, "{outcome}");
}

/// A request of the rule `last`, whose copy is answered after those of the requests before have been sent.
fn settle(serin: &mut Serin) {
    assert_eq!(serin.client().get("/last").status, 200);
    let last = [("rule", "last"), ("outcome", "answered")];
    eventually("the last copy is answered", || serin.count("serin_mirrored_requests_total", &last) == 1);
}

#[test]
fn a_copy_is_the_request_as_its_backend_gets_it_and_no_version_is_charged_with_it() {
    let main = Backend::replying(OK);
    let mirror = Backend::replying("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let mut client = serin.client();
    let host = "Host: shop.example";
    for (number, request) in (1..).zip([
        format!("GET /shop/items?page=2 HTTP/1.1\r\n{host}\r\nX-A: b\r\n\r\n"),
        format!("POST /shop HTTP/1.1\r\n{host}\r\nContent-Length: 5\r\n\r\nhello"),
        format!("PUT /shop HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n"),
        format!("POST /shop HTTP/1.1\r\n{host}\r\nContent-Length: 0\r\n\r\n"),
    ]) {
        client.send(request);
        assert_eq!(client.response().status, 200);
        await_copies(&serin, "answered", number);
    }
    assert_eq!(mirror.connections(), 1, "the connection is used again");
    let (main, mirror, crooked) = (main.requests(), mirror.requests(), mirror.crooked());
    assert!(crooked.is_empty(), "{crooked:?}");
    assert_eq!((main.len(), mirror.len()), (4, 4));
    for (request, copy) in main.iter().zip(&mirror) {
        assert_eq!((&request.head.start, &request.head.fields), (&copy.head.start, &copy.head.fields));
        assert_eq!((&request.body, &request.trailers), (&copy.body, &copy.trailers));
        assert_eq!(copy.head.one("x-tier"), Some("shop"));
    }
    assert_eq!(mirror[0].target(), "/items?page=2");
    serin.await_count("serin_requests_total", &[("backend", "main"), ("code", "200")], 4);
    assert_eq!(serin.count("serin_requests_total", &[]), 4);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_part_of_the_requests_is_copied() {
    let (main, mirror) = (Service::start("main"), Service::start("mirror"));
    let mut serin = mirroring(main.address(), mirror.address(), ", percent: 50");
    let mut client = serin.client();
    for _ in 0..400 {
        assert_eq!(client.get("/shop").backend(), "main");
    }
    settle(&mut serin);
    // Six standard deviations to either side. At most 64 may be on their way still.
    let counted = || serin.count("serin_mirrored_requests_total", &[("rule", "shop")]);
    eventually("half are copied", || counted() >= 140);
    assert!(counted() <= 260, "{}", counted());
}

#[test]
fn nothing_is_copied_at_0_percent() {
    let (main, mirror) = (Service::start("main"), Service::start("mirror"));
    let mut serin = mirroring(main.address(), mirror.address(), ", percent: 0");
    let mut client = serin.client();
    for _ in 0..100 {
        assert_eq!(client.get("/shop").backend(), "main");
    }
    settle(&mut serin);
    assert_eq!(serin.count("serin_mirrored_requests_total", &[("rule", "shop")]), 0);
    assert_eq!(mirror.requests(), 1);
}

/// Sends GETs and POSTs, `count` of each; every one of them is answered.
fn all_are_answered(client: &mut Client, count: usize) {
    for _ in 0..count {
        assert_eq!(client.get("/shop").status, 200);
        client.send("POST /shop HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_mirror_that_never_answers_holds_nobody_up_and_what_is_too_much_is_dropped() {
    let main = Service::start("main");
    // It takes requests, and keeps its connections open without a word.
    let mirror = Backend::start(|conn| while conn.request().is_some() {});
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let mut client = serin.client();
    all_are_answered(&mut client, 60);
    eventually("what is too much is dropped", || copies(&serin, "overload") > 0);
    assert_eq!(copies(&serin, "answered"), 0);
    all_are_answered(&mut client, 10);
    assert!(mirror.connections() <= 64, "{}", mirror.connections());
    serin.await_count("serin_requests_total", &[("backend", "main"), ("code", "200")], 140);
}

#[test]
fn a_mirror_that_cannot_be_reached_fails_nobody() {
    let main = Service::start("main");
    let mut serin = mirroring(main.address(), free_address(), "");
    all_are_answered(&mut serin.client(), 10);
    await_copies(&serin, "failed", 20);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);

    let (address, _socket, _held) = black_hole();
    let mut serin = mirroring(main.address(), address, "");
    all_are_answered(&mut serin.client(), 10);
    // Each has a second to connect.
    await_copies(&serin, "failed", 20);
}

#[test]
fn a_mirror_that_breaks_off_or_speaks_no_http_fails_nobody() {
    let main = Service::start("main");
    let mirror = Backend::start(|conn| {
        if conn.head().is_some() && conn.number % 2 == 0 {
            conn.send("no HTTP\r\n\r\n");
        }
    });
    let mut serin = mirroring(main.address(), mirror.address(), "");
    all_are_answered(&mut serin.client(), 10);
    await_copies(&serin, "failed", 20);
}

#[test]
fn a_body_is_copied_whole_or_not_at_all() {
    let (main, mirror) = (Backend::replying(OK), Backend::replying(OK));
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let mut client = serin.client();
    for (too_large, length) in [(0, MOST), (1, MOST + 1)] {
        let body = "b".repeat(length);
        client.send(format!("POST /shop HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert_eq!(client.response().status, 200);
        let half = length / 2;
        client.send(format!(
            "POST /shop HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{half:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            &body[..half],
            length - half,
            &body[half..]
        ));
        assert_eq!(client.response().status, 200);
        await_copies(&serin, "answered", 2);
        await_copies(&serin, "too-large", 2 * too_large);
    }
    assert!(main.requests().iter().map(|r| r.body.len()).eq([MOST, MOST, MOST + 1, MOST + 1]));
    assert!(mirror.requests().iter().all(|r| r.body.len() == MOST && r.body.iter().all(|&byte| byte == b'b')));
    assert!(mirror.crooked().is_empty(), "{:?}", mirror.crooked());
}

#[test]
fn no_more_than_so_many_bodies_are_kept_at_a_time() {
    const KEPT: usize = 256;
    let (main, mirror) = (Backend::replying(OK), Backend::replying(OK));
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let mut begun = Vec::new();
    for number in 1..=KEPT + 4 {
        let mut client = serin.client();
        client.send("POST /shop HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
        eventually("it is on its way", || main.connections() == number);
        begun.push(client);
    }
    for (number, client) in (1..).zip(&mut begun) {
        client.send("world");
        assert_eq!(client.response().status, 200);
        // No more than may be under way at a time.
        if number % 32 == 0 || number > KEPT as u64 {
            await_copies(&serin, "answered", number.min(KEPT as u64));
        }
    }
    await_copies(&serin, "overload", 4);
    // There is room again.
    all_are_answered(&mut begun[0], 1);
    await_copies(&serin, "answered", KEPT as u64 + 2);
    assert!(mirror.requests().iter().take(KEPT).all(|copy| copy.body == b"helloworld"));
}

#[test]
fn a_request_that_breaks_off_is_not_copied() {
    let (main, mirror) = (Backend::replying(OK), Backend::replying(OK));
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let mut client = serin.client();
    client.send("POST /shop HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
    eventually("it is on its way", || main.connections() == 1);
    drop(client);
    await_copies(&serin, "incomplete", 1);
    settle(&mut serin);
    assert_eq!(mirror.only_request().target(), "/last");
}

#[test]
fn an_offer_to_switch_protocols_is_not_copied() {
    let (main, mirror) = (Backend::replying(OK), Backend::replying(OK));
    let mut serin = mirroring(main.address(), mirror.address(), "");
    let answer = serin.client().get_with("/shop", "Connection: upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(answer.status, 200);
    settle(&mut serin);
    assert_eq!(mirror.only_request().target(), "/last");
}

#[test]
fn a_mirrors_circuit_breaker_holds_for_copies() {
    let main = Service::start("main");
    let mirror = Backend::start(|conn| while conn.request().is_some() {});
    let breaker = ", circuitBreaker: { maxRequests: 2 } }\nroutes";
    let config = format!(
        r#"
backends:
  - {{ name: main, version: "1", endpoints: {{ static: ["{}"] }} }}
  - {{ name: mirror, version: "2", endpoints: {{ static: ["{}"] }} }}
routes:
  - name: web
    rules:
      - name: shop
        filters: [{{ type: RequestMirror, requestMirror: {{ backendRef: {{ name: mirror }} }} }}]
        backendRefs: [{{ name: main }}]
"#,
        main.address(),
        mirror.address()
    );
    let config = config.replace(" }\nroutes", breaker);
    let mut serin = Serin::start_with(&config, &["--workers", "1"], &[]);
    all_are_answered(&mut serin.client(), 5);
    await_copies(&serin, "overload", 8);
    assert_eq!(mirror.connections(), 2);
}
