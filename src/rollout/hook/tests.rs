//! Webhooks at real sockets, and what they receive.

use super::*;
use crate::net::https;
use crate::rollout::alert::tests::{breach, decision};
use crate::rollout::stub::{Stub, answer, nobody};
use serde_json::{Value, json};

fn call(url: &str, retries: u32) -> Call {
    let webhook = Webhook {
        name: "gate".into(),
        kind: WebhookKind::ConfirmRollout,
        url: url.into(),
        timeout: Duration::from_secs(30),
        interval: Duration::from_secs(10),
        retries,
        threshold: 1,
        metadata: vec![("team".into(), "data".into())],
    };
    Call { rollout: "data-tier".into(), revision: "1.5.0".into(), webhook }
}

fn namespace() -> String {
    std::env::var("POD_NAMESPACE").unwrap_or_default()
}

fn ask(call: &Call) -> HookAnswer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call.ask(&https::client(), Phase::Waiting))
}

#[test]
fn two_hundreds_are_yes_and_every_other_status_is_no_with_the_first_line_as_the_reason() {
    for (status, body, expected) in [
        ("200 OK", "whatever", HookAnswer::Yes),
        ("204 No Content", "", HookAnswer::Yes),
        ("403 Forbidden", "load test\nfailed", HookAnswer::No("403 Forbidden: load test".into())),
        ("302 Found", "", HookAnswer::No("302 Found".into())),
        ("500 Oh No", "\x1b[31mred", HookAnswer::No("500 Internal Server Error: [31mred".into())),
    ] {
        let stub = Stub::always(status, body);
        assert_eq!(ask(&call(&stub.url(), 0)), expected);
    }
}

#[test]
fn a_no_is_a_no_whatever_becomes_of_its_body() {
    let stub = Stub::start(|_| Some("HTTP/1.1 403 Forbidden\r\ncontent-length: 100\r\n\r\nload te".into()));
    assert_eq!(ask(&call(&stub.url(), 0)), HookAnswer::No("403 Forbidden: load te".into()));
}

#[test]
fn silence_is_asked_again_a_few_times_before_it_counts() {
    let after_two = || Stub::start(|number| Some(if number < 2 { String::new() } else { answer("200 OK", "") }));
    assert_eq!(ask(&call(&after_two().url(), 2)), HookAnswer::Yes);
    let stub = after_two();
    assert!(matches!(ask(&call(&stub.url(), 1)), HookAnswer::Silent(_)));
    assert_eq!(stub.rest().len(), 2);
}

#[test]
fn a_no_is_not_asked_again() {
    let stub = Stub::always("403 Forbidden", "");
    assert!(matches!(ask(&call(&stub.url(), 5)), HookAnswer::No(_)));
    assert_eq!(stub.rest().len(), 1);
}

#[test]
fn silence_says_whose_and_why_and_gives_no_secret_away() {
    let url = nobody();
    let host = url.trim_start_matches("http://");
    let silent = |why: &str| HookAnswer::Silent(format!("{host}: {why}"));
    assert_eq!(ask(&call(&format!("{url}/secret?token=secret"), 0)), silent("connection refused"));
    let stub = Stub::hanging();
    let mut hanging = call(&format!("{}/secret", stub.url()), 0);
    hanging.webhook.timeout = Duration::from_millis(50);
    assert_eq!(ask(&hanging), HookAnswer::Silent(format!("{}: no answer within 50ms", stub.address)));
}

#[test]
fn who_is_asked_gets_the_body_that_receivers_for_flagger_know() {
    let stub = Stub::always("200 OK", "");
    ask(&call(&stub.url(), 0));
    let got = stub.next();
    assert_eq!((got.line.as_str(), got.field("content-type")), ("POST /", Some("application/json")));
    assert_eq!(
        got.json(),
        json!({
            "name": "data-tier", "namespace": namespace(), "phase": "Waiting", "checksum": "1.5.0",
            "metadata": { "team": "data" },
        })
    );
}

#[test]
fn an_event_says_in_text_what_happened_and_has_the_record_beside_it() {
    let webhook = Webhook { kind: WebhookKind::Event, ..call("http://hook/", 0).webhook };
    let body = |decision: &Decision| {
        serde_json::from_slice::<Value>(&told(&webhook, Phase::RolledBack, decision).unwrap()).unwrap()
    };
    let rolled_back = decision(breach());
    assert_eq!(
        body(&rolled_back),
        json!({
            "name": "data-tier", "namespace": namespace(), "phase": "RolledBack", "checksum": "1.5.0",
            "metadata": {
                "team": "data", "eventMessage": rolled_back.to_string(), "eventType": "Warning", "timestamp": "0",
            },
            "decision": rolled_back,
        })
    );
    let started = Decision { event: Kind::Started, ..decision(Grounds::Plan) };
    assert_eq!(body(&started)["metadata"]["eventType"], "Normal");
}
