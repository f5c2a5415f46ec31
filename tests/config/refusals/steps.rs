//! Steps, and what comes after them.

use super::refused;
use crate::{STEPPED, edited, stepped};

/// [`STEPPED`] with other steps.
fn steps(text: &str) -> String {
    stepped("[{ weight: 10, for: 15m }, { weight: 30%, for: 1h }]", text)
}

#[test]
fn lists_of_steps() {
    refused(&steps("[]"), "`steps` has nothing in it");
    refused(&steps("10"), "expected a list or a mapping, found `10`");
    refused(&steps("[10]"), "expected a mapping with `weight` and `for`, found `10`");
    refused(&steps("[{ weight: 10 }]"), "`for` is missing");
    refused(&steps("[{ for: 15m }]"), "`weight` is missing");
    refused(&steps("[{ weight: ten, for: 15m }]"), "a step's weight is a percentage");
    refused(&steps("[{ weight: 0, for: 15m }]"), "above 0 and at most 100 percent");
    refused(&steps("[{ weight: 100.5, for: 15m }]"), "above 0 and at most 100 percent");
    refused(&steps("[{ weight: 0.0001, for: 15m }]"), "thousandths of a percent");
    refused(&steps("[{ weight: 10, for: 0s }]"), "`for` cannot be 0s");
    refused(&steps("[{ weight: 10, for: 99ms }]"), "`for` cannot be 99ms");
    refused(&steps("[{ weight: 10, for: 15 }]"), "a duration needs a unit");
    refused(&steps("[{ weight: 10, for: 1m }, { weight: 10, for: 1m }]"), "a step to 10% after one to 10%");
    refused(&steps("[{ weight: 30, for: 1m }, { weight: 10, for: 1m }]"), "a step to 10% after one to 30%");
}

#[test]
fn steps_in_short() {
    refused(&steps("{ weights: [], for: 15m }"), "`weights` has nothing in it");
    refused(&steps("{ weights: 10, for: 15m }"), "expected a list, found `10`");
    refused(&steps("{ weights: [10] }"), "`for` is missing");
    refused(&steps("{ for: 15m }"), "`weights` is missing");
    refused(&steps("{ weights: [10, 5], for: 15m }"), "a step to 5% after one to 10%");
    refused(&steps("{ weights: [10, ten], for: 15m }"), "a step's weight is a percentage");
    refused(&steps("{ weihgts: [10], for: 15m }"), "unknown key `weihgts` (did you mean `weights`?)");
}

#[test]
fn each_mistake_in_the_steps_is_a_problem_of_its_own() {
    let text = steps("[{ weight: 0, for: 0s }, { weigth: 10, for: 1m }, { weight: 20, for: soon }]");
    assert_eq!(crate::check_text(&text).unwrap_err().count(), 4);
}

#[test]
fn what_goes_with_steps() {
    refused(&stepped("progressDeadline: 20m", "progressDeadline: 0s"), "`progressDeadline` cannot be 0s");
    refused(&stepped("after: 2h", "after: 0s"), "`after` cannot be 0s");
    refused(&stepped("then: rollback", "then: rolback"), "unknown value `rolback` (did you mean `rollback`?)");
    refused(&stepped("auto: false", "auto: no"), "expected `true` or `false`");
    refused(&stepped("return: 1m", "return: 2d"), "`return` cannot be 2d");
    refused(&stepped("metric: error-rate, max: 1%", "metric: error-rate, max: 0%"), "one failure would breach it");
    refused(&stepped("{ name: stable }", "{ name: stable, weight: 1 }"), "both a `weight` and a rollout with `steps`");
    refused(&stepped("{ name: canary }", "{ name: canary, weight: 0 }"), "both a `weight` and a rollout with `steps`");
    let both =
        stepped("[{ name: stable }, { name: canary }]", "[{ name: stable, weight: 9 }, { name: canary, weight: 1 }]");
    refused(&both, "both a `weight` and a rollout with `steps`");
    refused(&stepped("version: \"1.5.0\", ", ""), "the canary has no version (give the backend a `version`)");
    refused(&stepped("version: \"1.4.1\", ", ""), "stable has no version (give the backend a `version`)");
    let revision = stepped("    canary: canary", "    canary: canary\n    revision: r");
    refused(&revision.replace("version: \"1.5.0\", ", ""), "the canary has no version");
}

#[test]
fn what_is_nothing_without_steps() {
    for (key, value) in
        [("progressDeadline", "10m"), ("inconclusive", "{ after: 1h }"), ("promotion", "{ auto: true }")]
    {
        let text = edited("    stable: stable\n", &format!("    stable: stable\n    {key}: {value}\n"));
        refused(&text, &format!("`{key}` has no effect without `steps`"));
    }
    let hook = |kind| format!("    stable: stable\n    webhooks: [{{ name: a, type: {kind}, url: \"http://a\" }}]\n");
    for kind in ["confirm-rollout", "pre-rollout", "confirm-traffic-increase", "confirm-promotion", "promotion"] {
        refused(&edited("    stable: stable\n", &hook(kind)), &format!("`{kind}` has no effect without `steps`"));
    }
    for kind in ["rollout", "post-rollout", "rollback", "event"] {
        crate::check_text(&edited("    stable: stable\n", &hook(kind))).unwrap();
    }
}

#[test]
fn a_rollout_with_steps_alone_has_something_to_do() {
    let from = STEPPED.find("    progressDeadline").unwrap();
    let alone = &STEPPED[..from];
    crate::check_text(alone).unwrap();
    crate::check_text(&format!("{alone}    alerts: [{{ webhook: {{ url: \"http://a\" }} }}]\n")).unwrap();
}
