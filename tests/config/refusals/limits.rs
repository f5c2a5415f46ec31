//! Limits: on requests, beside stable, and on a query's answers.

use super::refused;
use crate::{edited, stepped};

#[test]
fn limits_on_requests() {
    let limit = |text: &str| edited("metric: error-rate, max: 5%, window: 5m", text);
    refused(&limit("metric: error_rate, max: 5%, window: 5m"), "did you mean `error-rate`?");
    refused(&limit("metric: latency-p100, max: 5s, window: 5m"), "no metric is called `latency-p100`");
    refused(&limit("metric: latency-p0, max: 5s, window: 5m"), "no metric is called `latency-p0`");
    refused(&limit("metric: latency-p99.9999, max: 5s, window: 5m"), "no metric is called `latency-p99.9999`");
    refused(&limit("metric: error-rate, max: 5, window: 5m"), "a ratio is written `5%` or `0.05`");
    refused(&limit("metric: error-rate, max: 500ms, window: 5m"), "a ratio is written `5%` or `0.05`");
    refused(&limit("metric: error-rate, max: 0%, window: 5m"), "one failure would breach it");
    refused(&limit("metric: error-rate, max: 100%, window: 5m"), "nothing could breach it");
    refused(&limit("metric: latency-p99, max: 5%, window: 5m"), "no unit of time is called `%`");
    refused(&limit("metric: latency-p99, max: 1234ms, window: 5m"), "`1.2s` or `1.3s`");
    refused(&limit("metric: latency-p99, max: 1500ns, window: 5m"), "`1us` or `2us`");
    refused(&limit("metric: latency-p99, max: 1h, window: 5m"), "exactly: `16m40s`");
    refused(&limit("metric: latency-mean, max: 0s, window: 5m"), "every request would breach it");
    refused(&limit("metric: latency-mean, max: 500, window: 5m"), "a duration needs a unit: `500s`, `500ms` or `500m`");
    refused(&limit("metric: error-rate, max: 5%, window: 100ms"), "`window` cannot be 100ms");
    refused(&limit("metric: error-rate, max: 5%, window: 2d"), "`window` cannot be 2d");
    refused(&limit("metric: error-rate, max: 5%, window: 5m, minRequests: 0"), "`minRequests` cannot be 0");
    refused(&limit("metric: error-rate, max: 5%, window: 5m, falseAlarmRate: 0"), "`falseAlarmRate` cannot be 0");
    refused(&limit("metric: error-rate, max: 5%, window: 5m, falseAlarmRate: 0.5"), "`falseAlarmRate` cannot be 0.5");
    refused(
        &limit("metric: latency-mean, max: 5s, window: 5m, falseAlarmRate: 1e-5"),
        "`falseAlarmRate` has no effect on `latency-mean`",
    );
    let twice = "metric: error-rate, max: 5%, window: 5m }\n      - { metric: error-rate, max: 6%, window: 300s";
    refused(&limit(twice), "two limits for `error-rate` over 5m");
    let slow = limit("metric: latency-p99, max: 5s, window: 5m") + "timeouts: { request: 5s }\n";
    refused(&slow, "no request can be slower than this limit");
}

#[test]
fn what_a_limit_is_about() {
    let limit = |text: &str| edited("metric: error-rate, max: 5%, window: 5m", text);
    refused(&limit("max: 5%, window: 5m"), "`metric` is missing");
    refused(&limit("name: cpu, max: 5%, window: 5m"), "`prometheus` is missing");
    refused(&stepped("        min: 99%", "        metric: error-rate"), "both `metric` and `prometheus`");
    for (key, value) in [("name", "a"), ("min", "1%"), ("interval", "5s"), ("minSamples", "3")] {
        let text = limit(&format!("metric: error-rate, max: 5%, window: 5m, {key}: {value}"));
        refused(&text, &format!("`{key}` has no effect on a `metric`"));
    }
    for (key, value) in [("comparedToStable", "2x"), ("minRequests", "9"), ("falseAlarmRate", "1e-3")] {
        let text = stepped("        min: 99%", &format!("        min: 99%\n        {key}: {value}"));
        refused(&text, &format!("`{key}` has no effect on a query"));
    }
    let alarm = stepped("metric: error-rate, max: 1%", "metric: error-rate, max: 1%, falseAlarmRate: 1e-5");
    refused(&alarm, "`falseAlarmRate` has no effect on a limit of `promotion`");
    let slow = stepped("metric: error-rate, max: 1%", "metric: latency-p99, max: 5s") + "timeouts: { request: 5s }\n";
    refused(&slow, "no request can be slower than this limit");
}

#[test]
fn limits_beside_stable() {
    let limit = |text: &str| stepped("metric: error-rate, comparedToStable: 2x", text);
    refused(&limit("metric: error-rate, max: 5%, comparedToStable: 2x"), "both `max` and `comparedToStable`");
    refused(&limit("metric: error-rate, comparedToStable: 2"), "compared to stable is `2x`");
    refused(&limit("metric: error-rate, comparedToStable: 1%"), "compared to stable is `2x`");
    refused(&limit("metric: error-rate, comparedToStable: 0.5x"), "0.5x asks the canary to be better than stable");
    refused(
        &limit("metric: error-rate, comparedToStable: +0%"),
        "`+0%` beside stable's is no limit (`1x` is as many as stable's)",
    );
    refused(&limit("metric: error-rate, comparedToStable: +100%"), "nothing could breach it");
    refused(&limit("metric: latency-p99, comparedToStable: +1%"), "`latency-p99` has no percentage points");
    refused(&limit("metric: latency-mean, comparedToStable: 2x"), "compare a quantile");
    let twice =
        "metric: error-rate, comparedToStable: 2x, window: 5m }\n      - { metric: error-rate, comparedToStable: 3x";
    refused(&limit(twice), "two limits for `error-rate` in multiples of stable's over 5m");
}

#[test]
fn limits_on_queries() {
    refused(&stepped("      - name: health\n        prometheus", "      - prometheus"), "`name` is missing");
    refused(&stepped("name: health", "name: \"a b\""), "`a b` is no name");
    refused(&stepped("name: health", "name: latency-p99"), "`latency-p99` is the name of a metric");
    let again = "{ metric: error-rate, max: 1%, window: 30m }\n        - { name: health, prometheus: { url: \"http://p\", query: up }, min: 1, window: 5m }";
    refused(&stepped("{ metric: error-rate, max: 1%, window: 30m }", again), "two query limits are called `health`");
    refused(&stepped("        min: 99%\n        max: 1.5\n", ""), "`min` and `max` are missing");
    refused(&stepped("min: 99%", "min: 2"), "`min` is above `max`");
    refused(&stepped("min: 99%", "min: much"), "a query's bound is a number or a percentage");
    refused(&stepped("        window: 5m\n", ""), "`window` is missing");
    refused(&stepped("        window: 5m\n", "        window: 2d\n"), "`window` cannot be 2d");
    refused(&stepped("interval: 20s", "interval: 99ms"), "`interval` cannot be 99ms");
    refused(&stepped("interval: 20s", "interval: 6m"), "`interval` is longer than the window");
    refused(&stepped("minSamples: 5", "minSamples: 0"), "`minSamples` cannot be 0");
    refused(&stepped("minSamples: 5", "minSamples: 16"), "a window of 5m never has 16 answers, one every 20s");
    refused(
        &stepped("        interval: 20s\n        minSamples: 5\n", "")
            .replace("1.5\n        window: 5m", "1.5\n        window: 2s"),
        "a window of 2s never has 3 answers, one every 1s",
    );
}

#[test]
fn whom_a_query_asks_and_what() {
    refused(&stepped("url: \"https://prometheus:9090\", ", ""), "`url` is missing");
    refused(&stepped("https://prometheus:9090", "prometheus:9090"), "is no address for a Prometheus server");
    refused(&stepped("https://prometheus:9090", "https://prometheus:9090/?a=b"), "`url` has a query of its own");
    refused(&stepped("https://prometheus:9090", "http://prometheus:9090"), "`caFile` has no effect without `https`");
    refused(&stepped("timeout: 2s", "timeout: 0s"), "`timeout` cannot be 0s");
    refused(&stepped("tokenFile: t", "tokenFile: \"\""), "`tokenFile` is an empty path");
    refused(&stepped("caFile: ca.pem", "caFile: \"\""), "`caFile` is an empty path");
    let query = |text: &str| stepped("\"h{v='{{canary}}'}\"", text);
    refused(&query("\" \""), "`query` is empty");
    refused(&query("\"up{v='{{canry}}'}\""), "nothing is filled in for `{{canry}}` (did you mean `canary`?)");
    refused(&query("\"up{v='{{namespace}}'}\""), "known here: `stable`, `canary`, `revision` and `window`");
    refused(&query("\"up{v='{{canary'}\""), "`{{` is never closed");
    let by_hand = edited(
        "metric: error-rate, max: 5%, window: 5m",
        "name: q, prometheus: { url: \"http://p\", query: \"up{v='{{stable}}'}\" }, min: 1, window: 5m",
    );
    refused(&by_hand.replace("version: \"1.4.1\", ", ""), "`{{stable}}` would be filled in with nothing");
}
