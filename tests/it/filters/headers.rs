//! `RequestHeaderModifier` and `ResponseHeaderModifier`.

use super::{OK, config, filtering};
use crate::harness::{Backend, Serin};

fn request(changes: &str) -> String {
    format!("{{ type: RequestHeaderModifier, requestHeaderModifier: {{ {changes} }} }}")
}

fn response(changes: &str) -> String {
    format!("{{ type: ResponseHeaderModifier, responseHeaderModifier: {{ {changes} }} }}")
}

#[test]
fn fields_are_set_added_and_removed_on_both_ways() {
    let both = [
        request("set: [{ name: X-Tier, value: shop }], add: [{ name: x-more, value: b }], remove: [X-Internal]"),
        response(
            "set: [{ name: x-version, value: hidden }], add: [{ name: set-cookie, value: a=1 }], remove: [server]",
        ),
    ];
    let (mut serin, backend) = filtering(&both.join(", "));
    let mut client = serin.client();
    for _ in 0..2 {
        let answer = client.get_with("/shop", "x-tier: mine\r\nX-More: a\r\nx-internal: 1\r\nConnection: x-tier\r\n");
        assert_eq!((answer.head.one("x-version"), answer.head.one("set-cookie")), (Some("hidden"), Some("a=1")));
        assert!(answer.head.all("server").is_empty(), "{answer:?}");
    }
    let requests = backend.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.head.one("x-tier"), Some("shop"));
        assert_eq!(request.head.all("x-more"), ["a", "b"]);
        assert!(request.head.all("x-internal").is_empty(), "{request:?}");
    }
}

#[test]
fn a_body_passes_whole_under_changed_heads() {
    let (mut serin, backend) = filtering(&request("set: [{ name: x-tier, value: shop }]"));
    let mut client = serin.client();
    let body = "b".repeat(200_000);
    client.send(format!("POST /shop HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(client.response().status, 200);
    client.send("POST /shop HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let requests = backend.requests();
    assert_eq!((requests[0].body.len(), &requests[1].body[..]), (200_000, &b"hello"[..]));
    assert!(requests.iter().all(|request| request.head.one("x-tier") == Some("shop")));
    assert!(backend.crooked().is_empty(), "{:?}", backend.crooked());
}

#[test]
fn a_backend_refs_filters_are_for_its_own_requests_and_come_after_the_rules() {
    let of = |name: &str| request(&format!("set: [{{ name: x-side, value: {name} }}]"));
    let answer = response("set: [{ name: x-side, value: canary }]");
    let refs = format!("{{ name: stable }}, {{ name: canary, filters: [{}, {answer}] }}", of("canary"));
    let backend = Backend::replying(OK);
    let mut serin = Serin::start(&config(backend.address(), &of("rule"), &refs));
    let mut client = serin.client();
    let canaries = (0..100).filter(|_| {
        let answer = client.get("/shop");
        let request = backend.requests().pop().expect("it came");
        let side = request.head.one("x-side").map(str::to_owned);
        assert_eq!(answer.head.one("x-side"), side.as_deref().filter(|side| *side == "canary"));
        assert!(side.is_some(), "{request:?}");
        side.as_deref() == Some("canary")
    });
    let canaries = u64::try_from(canaries.count()).unwrap();
    serin.await_count("serin_requests_total", &[("backend", "canary")], canaries);
}

#[test]
fn answers_of_serins_own_are_changed_as_those_of_a_backend_are() {
    let changes = "set: [{ name: strict-transport-security, value: max-age=1 }], remove: [x-serin-reason]";
    // A backend that breaks every connection off.
    let backend = Backend::start(|conn| {
        conn.head();
    });
    let mut serin = Serin::start(&config(backend.address(), &response(changes), "{ name: stable }"));
    let answer = serin.client().get("/shop");
    assert_eq!((answer.status, answer.head.one("strict-transport-security")), (502, Some("max-age=1")));
    assert!(answer.head.all("x-serin-reason").is_empty(), "{answer:?}");
    let other = serin.client().get("/other");
    assert_eq!((other.status, other.head.one("x-serin-reason")), (404, Some("no-route")), "not the rule's");

    let mut serin = Serin::start(&config(backend.address(), &response(changes), "{ name: stable, weight: 0 }"));
    let answer = serin.client().get("/shop");
    assert_eq!((answer.status, answer.head.one("strict-transport-security")), (500, Some("max-age=1")));
}

#[test]
fn an_interim_response_is_left_alone() {
    let (mut serin, backend) = filtering(&response("set: [{ name: x-tier, value: shop }]"));
    let hints = Backend::start(|conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
            conn.send(OK);
        }
    });
    let text = config(hints.address(), &response("set: [{ name: x-tier, value: shop }]"), "{ name: stable }");
    serin.reload(&text);
    drop(backend);
    let mut client = serin.client();
    client.send("GET /shop HTTP/1.1\r\nHost: test\r\n\r\n");
    let (code, head) = client.head();
    assert_eq!((code, head.one("x-tier")), (103, None));
    assert_eq!(client.response().head.one("x-tier"), Some("shop"));
}

#[test]
fn an_edit_of_a_filter_takes_effect_on_the_next_request() {
    let (mut serin, backend) = filtering(&request("set: [{ name: x-tier, value: one }]"));
    let mut client = serin.client();
    client.get("/shop");
    serin.reload(&config(backend.address(), &request("set: [{ name: x-tier, value: two }]"), "{ name: stable }"));
    client.get("/shop");
    let tiers: Vec<_> = backend.requests().iter().map(|r| r.head.one("x-tier").unwrap().to_owned()).collect();
    assert_eq!(tiers, ["one", "two"]);
}
