//! A rule's time-outs and retries.

use super::refused;
use crate::{edited, with};

fn rule(keys: &str) -> String {
    edited("      - name: everyone", &format!("      - name: everyone\n        {keys}"))
}

#[test]
fn how_long_a_rules_requests_may_take() {
    refused(&rule("timeouts: { request: 5 }"), "a duration needs a unit");
    refused(&rule("timeouts: { request: off }"), "`request` of a rule cannot be `off`");
    refused(&rule("timeouts: { request: 8d }"), "`request` cannot be");
    refused(&rule("timeouts: { backendRequest: -1s }"), "a duration is a number and a unit");
    refused(&rule("timeouts: { backendTimeout: 1s }"), "unknown key `backendTimeout`");
    refused(&rule("timeouts: { request: 5s, backendRequest: 5001ms }"), "`backendRequest` of 5.001s is longer than");
    let of_file = rule("timeouts: { backendRequest: 6s }") + "timeouts: { request: 5s }\n";
    refused(&of_file, "`backendRequest` of 6s is longer than the whole request may take");
}

#[test]
fn how_often_and_for_what_it_is_tried_again() {
    refused(&rule("retry: { attempts: 0 }"), "`attempts` cannot be 0");
    refused(&rule("retry: { attempts: 11 }"), "`attempts` cannot be 11");
    refused(&rule("retry: { attempts: -1 }"), "expected a whole number");
    for text in ["timeouts: { request: off }", "timeouts: { backendRequest: off }", "retry: { perTryTimeout: off }"] {
        refused(&rule(text), "of a rule cannot be `off` (`0s` waits for ever, as in HTTPRoute)");
    }
    for code in [0, 200, 399, 600, 70_000] {
        refused(
            &rule(&format!("retry: {{ codes: [503, {code}] }}")),
            &format!("a response with {code} cannot be tried again"),
        );
    }
    refused(&rule("retry: { codes: 503 }"), "expected a list");
    refused(&rule("retry: { backoff: 61s }"), "`backoff` cannot be 1m1s");
    refused(&rule("retry: { perTryTimeout: 1 }"), "a duration needs a unit");
    refused(&rule("retry: { budget: 20% }"), "unknown key `budget`");
}

#[test]
fn a_latency_that_no_attempt_can_have() {
    let limit = |text: String| {
        text.replace("{ metric: error-rate, max: 5%, window: 5m }", "{ metric: latency-p99, max: 500ms, window: 5m }")
    };
    refused(&limit(rule("timeouts: { backendRequest: 500ms }")), "no request can be slower than this limit");
    refused(&limit(rule("timeouts: { request: 400ms }")), "no request can be slower than this limit");
    let lifted = limit(rule("timeouts: { request: 0s }")) + "timeouts: { request: 400ms }\n";
    crate::check_text(&lifted).unwrap_or_else(|problems| panic!("{}", problems.report(false)));
    refused(&limit(with("timeouts: { request: 400ms }")), "no request can be slower than this limit");
}
