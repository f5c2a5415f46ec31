//! TLS in the file: which keys go together, what they default to, and that no file is read before the plan is taken up.

use super::{check_text, edited, with};
use serin::net::tls::ServerName;
use serin::plan::{CertificateFiles, Plan};
use std::path::PathBuf;

fn listener(tls: &str) -> String {
    edited("address: \"127.0.0.1:8080\"", &format!("address: \"127.0.0.1:8080\", tls: {tls}"))
}

/// The backend `stable`, by DNS, with this `tls`.
fn by_name(tls: &str) -> String {
    edited("{ dns: \"stable:8004\" }", &format!("{{ dns: \"Stable.shop.svc.:8004\" }}, tls: {tls}"))
}

#[track_caller]
fn good(text: &str) -> Plan {
    check_text(text).unwrap_or_else(|problems| panic!("{}", problems.report(false)))
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let problems = check_text(text).expect_err(expected);
    let lines = problems.lines();
    let report = problems.report(false);
    assert!(lines.len() == 1 && report.contains(expected), "expected `{expected}` alone, found {report}");
}

fn files(certificate: &str, key: &str) -> CertificateFiles {
    CertificateFiles { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
}

#[test]
fn one_certificate_is_a_list_of_one_and_paths_are_relative_to_the_file() {
    let plan = good(&listener("{ certificateFile: a.crt, keyFile: /b.key }"));
    let tls = plan.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.certificates, [files("/etc/serin/a.crt", "/b.key")]);
    assert_eq!(tls.client_ca, None);
    assert!(plan.admin.tls.is_none() && plan.backends.iter().all(|backend| backend.tls.is_none()));
}

#[test]
fn several_certificates_keep_their_order_since_the_first_is_the_default() {
    let pair = |name: &str| format!("{{ certificateFile: {name}.crt, keyFile: {name}.key }}");
    let plan = good(&listener(&format!("{{ certificates: [{}, {}], clientCaFile: ca.crt }}", pair("b"), pair("a"))));
    let tls = plan.listeners[0].tls.as_ref().unwrap();
    let expected = [files("/etc/serin/b.crt", "/etc/serin/b.key"), files("/etc/serin/a.crt", "/etc/serin/a.key")];
    assert_eq!(tls.certificates, expected);
    assert_eq!(tls.client_ca, Some("/etc/serin/ca.crt".into()));
    assert_eq!(tls.paths().count(), 5);
}

#[test]
fn the_admin_listener_has_the_same_keys() {
    let plan = good(&with("admin: { tls: { certificateFile: a.crt, keyFile: a.key } }"));
    assert_eq!(plan.admin.tls.unwrap().certificates, [files("/etc/serin/a.crt", "/etc/serin/a.key")]);
}

#[test]
fn a_backend_has_to_be_who_its_dns_name_says_unless_another_name_is_given() {
    let name = |text: &str| Some(ServerName::try_from(text.to_owned()).unwrap());
    let server_name = |text: &str| good(text).backends[0].tls.clone().unwrap().server_name;
    assert_eq!(server_name(&by_name("{}")), name("stable.shop.svc"));
    assert_eq!(server_name(&by_name("{ serverName: pay.example }")), name("pay.example"));
    assert_eq!(server_name(&by_name("{ serverName: 10.0.0.9 }")), name("10.0.0.9"));
    let by_address = edited("{ static: [\"10.0.0.1:8004\"] }", "{ static: [\"10.0.0.1:8004\"] }, tls: {}");
    let tls = good(&by_address).backends[1].tls.clone().unwrap();
    assert_eq!((tls.server_name, tls.ca, tls.certificate), (None, None, None));
}

#[test]
fn a_certificate_and_its_key_go_together() {
    refused(&listener("{ certificateFile: a }"), "`certificateFile` without `keyFile`");
    refused(&listener("{ keyFile: a }"), "`keyFile` without `certificateFile`");
    refused(&listener("{ certificates: [{ keyFile: a }] }"), "`certificateFile` is missing");
    refused(&by_name("{ certificateFile: a }"), "`certificateFile` without `keyFile`");
}

#[test]
fn a_listener_needs_a_certificate_written_in_one_way() {
    refused(&listener("{}"), "`tls` has no certificate");
    refused(&listener("{ clientCaFile: a }"), "`tls` has no certificate");
    refused(&listener("{ certificates: [] }"), "`certificates` has nothing in it");
    let both = "{ certificateFile: a, keyFile: b, certificates: [{ certificateFile: a, keyFile: b }] }";
    refused(&listener(both), "both `certificateFile` and `certificates`");
    refused(&listener("{ certificateFile: \"\", keyFile: b }"), "`certificateFile` is an empty path");
}

#[test]
fn a_server_name_is_one_that_a_certificate_can_have() {
    refused(&by_name("{ serverName: \"a b\" }"), "`a b` is no name of a server");
    refused(&by_name("{ serverName: \"https://a\" }"), "`https://a` is no name of a server");
}

#[test]
fn nothing_turns_verification_off() {
    for key in ["insecure", "insecureSkipVerify", "verify"] {
        refused(&by_name(&format!("{{ {key}: true }}")), &format!("unknown key `{key}`"));
    }
}
