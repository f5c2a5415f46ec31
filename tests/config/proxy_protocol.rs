//! The PROXY protocol in the file: from whom, to whom, and what is no address.

use super::{check_text, edited};
use serin::net::proxy_protocol::Version;

fn listener(value: &str) -> String {
    edited("address: \"127.0.0.1:8080\"", &format!("address: \"127.0.0.1:8080\", proxyProtocol: {value}"))
}

fn backend(value: &str) -> String {
    let canary = "endpoints: { static: [\"10.0.0.1:8004\"] }";
    edited(canary, &format!("{canary}, proxyProtocol: {value}"))
}

#[test]
fn nobody_is_believed_and_nobody_is_told_unless_that_is_said() {
    let plan = check_text(super::GOOD).unwrap();
    assert!(plan.listeners[0].proxies.is_empty());
    assert!(plan.backends.iter().all(|backend| backend.proxy_protocol.is_none()));
}

#[test]
fn networks_and_addresses_are_read() {
    let plan = check_text(&listener("{ from: [\"10.0.0.0/8\", \"192.168.1.7\", \"fd00::/64\", \"::1\"] }")).unwrap();
    let networks: Vec<_> = plan.listeners[0].proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.168.1.7/32", "fd00::/64", "::1/128"]);
    for (written, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let plan = check_text(&backend(written)).unwrap();
        assert_eq!((plan.backends[0].proxy_protocol, plan.backends[1].proxy_protocol), (None, Some(version)));
    }
}

#[test]
fn what_is_wrong_is_refused_alone() {
    for (text, expected) in [
        (listener("{}"), "`from` is missing"),
        (listener("true"), "expected a mapping"),
        (listener("{ from: [] }"), "`from` has nothing in it"),
        (listener("{ from: 10.0.0.0/8 }"), "expected a list"),
        (listener("{ from: [\"10.0.0.0/33\"] }"), "`10.0.0.0/33` is no address and no network"),
        (listener("{ from: [\"10.0.0.0:80\"] }"), "`10.0.0.0:80` is no address and no network"),
        (listener("{ from: [proxy.local] }"), "`proxy.local` is no address and no network"),
        (listener("{ from: [\"10.1.2.3/8\"] }"), "`10.1.2.3/8` has bits behind its prefix"),
        (listener("{ from: [\"::ffff:10.0.0.0/104\"] }"), "is an IPv4 address written as an IPv6 one"),
        (listener("{ from: [\"10.0.0.1\", \"10.0.0.1/32\"] }"), "`10.0.0.1/32` is there twice"),
        (listener("{ from: [\"::1\"], version: v2 }"), "unknown key `version`"),
        (backend("v3"), "unknown value `v3`"),
        (backend("true"), "unknown value `true`"),
    ] {
        let lines = check_text(&text).expect_err(expected).lines();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{expected}: {lines:#?}");
    }
    let report = check_text(&listener("{ from: [\"10.1.2.3/8\"] }")).unwrap_err().report(false);
    assert!(report.contains("`10.0.0.0/8` is the whole network, `10.1.2.3` the one address"), "{report}");
}
