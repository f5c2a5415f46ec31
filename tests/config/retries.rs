//! What a rule's time-outs and retries mean, and how they are shown.

use super::{check_text, edited, with};
use serin::cli::check;
use serin::plan::{Plan, Retry, Rule};
use std::time::Duration;

fn plan(text: &str) -> Plan {
    check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)))
}

fn text(keys: &str) -> String {
    edited("      - name: everyone", &format!("      - name: everyone\n        {keys}"))
}

fn rule(text: &str) -> Rule {
    let mut plan = plan(text);
    let testers = &plan.rules[0];
    assert_eq!((testers.timeouts, testers.backend_request, &testers.retry), (plan.timeouts, None, &None));
    plan.rules.remove(1)
}

#[test]
fn a_rule_without_them_has_the_files() {
    let expected = plan(&with("timeouts: { request: 7s, connect: 2s }"));
    assert_eq!(expected.timeouts.request, Some(Duration::from_secs(7)));
    assert!(expected.rules.iter().all(|rule| rule.timeouts == expected.timeouts));
}

#[test]
fn a_rules_own_request_time_is_in_place_of_the_files_and_0_is_for_ever() {
    let file = "timeouts: { request: 7s, connect: 2s }\n";
    let longer = rule(&text("timeouts: { request: 9s, backendRequest: 9s }"));
    assert_eq!(
        (longer.timeouts.request, longer.backend_request),
        (Some(Duration::from_secs(9)), Some(Duration::from_secs(9)))
    );
    let own = plan(&format!("{}{file}", text("timeouts: { request: 0s, backendRequest: 1h }")));
    assert_eq!(own.rules[1].timeouts.request, None);
    assert_eq!(own.rules[1].timeouts.connect, Some(Duration::from_secs(2)), "the rest is the file's");
    assert_eq!(own.rules[1].backend_request, Some(Duration::from_secs(3_600)));
    assert_eq!(own.rules[0].timeouts.request, Some(Duration::from_secs(7)));
    let off = plan(&format!("{}{file}", text("timeouts: { backendRequest: 0s }")));
    assert_eq!((off.rules[1].timeouts.request, off.rules[1].backend_request), (Some(Duration::from_secs(7)), None));
}

#[test]
fn retry_needs_nothing_said() {
    let retry = rule(&text("retry: {}")).retry.unwrap();
    let expected = Retry {
        attempts: 1,
        codes: [].into_iter().collect(),
        backoff: Duration::from_millis(25),
        per_try_timeout: None,
    };
    assert_eq!(retry, expected);
    let retry =
        rule(&text("retry: { attempts: 10, codes: [599, 400, 503], backoff: 0s, perTryTimeout: 1500ms }")).retry;
    let retry = retry.unwrap();
    assert_eq!(retry.codes.iter().collect::<Vec<_>>(), [400, 503, 599]);
    assert_eq!((retry.attempts, retry.backoff), (10, Duration::ZERO));
    assert_eq!(retry.per_try_timeout, Some(Duration::from_millis(1_500)));
    assert_eq!(rule(&text("retry: { perTryTimeout: 0s }")).retry.unwrap().per_try_timeout, None);
}

#[test]
fn check_tells_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("serin.yaml");
    let keys = "timeouts: { request: 9s, backendRequest: 5s }\n        retry: { attempts: 2, codes: [503, 502], perTryTimeout: 2s }";
    std::fs::write(&file, text(keys)).unwrap();
    let outcome = check::run(&file, false);
    for line in [
        "rule shop/everyone\n",
        "9s for a request, with every attempt\n",
        "5s for one attempt\n",
        "2 times at most, when there is no response, or a response with 502, 503\n",
        "after 25ms or longer; each try 2s to the response's head\n",
    ] {
        assert!(outcome.stdout.contains(line), "{line}{}{}", outcome.stdout, outcome.stderr);
    }
    assert_eq!(outcome.code, 0);
}
