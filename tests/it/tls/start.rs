//! Files that cannot be used at the start: exit code 2, with the file, whose it is, and what to do.

use super::authority::{Authority, Files};
use crate::harness::{Process, complete, everything_to};
use std::path::Path;

/// What a process says that is started with this config and ends.
#[track_caller]
fn refusal(config: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("serin.yaml");
    std::fs::write(&file, complete(config)).unwrap();
    let mut process = Process::start(&["run", "--config", file.to_str().unwrap()], &[]);
    let exit = process.exit();
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    exit.stderr
}

fn everything() -> String {
    everything_to("127.0.0.1:1".parse().unwrap())
}

#[track_caller]
fn refused(tls: &str, expected: &[&str]) {
    let listeners = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}]\n");
    let said = refusal(&format!("{listeners}{}", everything()));
    for part in expected {
        assert!(said.contains(part), "{part}\nis not in\n{said}");
    }
}

#[test]
fn what_is_wrong_with_a_listeners_files_is_said_with_what_to_do() {
    let Some(authority) = Authority::new() else { return };
    let good = authority.issue("good", "DNS:web.test");
    let expired = authority.issue_for("expired", "DNS:web.test", -1);
    let path = |file: &Path| file.display().to_string();
    refused(
        &expired.yaml(),
        &["listener `web`: certificateFile", &path(&expired.certificate), "has expired, on", "renew it"],
    );
    let mismatched = Files { certificate: good.certificate.clone(), key: expired.key.clone() };
    refused(
        &mismatched.yaml(),
        &[&path(&good.certificate), &path(&expired.key), "put the two that were issued together"],
    );
    let nowhere = Files { certificate: "/nowhere/tls.crt".into(), key: good.key.clone() };
    refused(&nowhere.yaml(), &["certificateFile /nowhere/tls.crt: cannot be read: No such file", "check the path"]);
    let swapped = Files { certificate: good.key.clone(), key: good.certificate.clone() };
    refused(&swapped.yaml(), &["has no certificate in it"]);
    let no_key = Files { certificate: good.certificate.clone(), key: good.certificate.clone() };
    refused(&no_key.yaml(), &["keyFile", "has no private key in it", "without a passphrase"]);
    let no_authority = format!("{}, clientCaFile: \"{}\"", good.yaml(), path(&good.key));
    refused(&no_authority, &["clientCaFile", "has no certificate in it"]);
}

#[test]
fn what_is_wrong_with_a_backends_and_the_admin_listeners_files_is_said_too() {
    let Some(authority) = Authority::new() else { return };
    let expired = authority.issue_for("expired", "DNS:web.test", -1);
    let backend = everything().replace("version: \"1\",", &format!("version: \"1\", tls: {{ {} }},", expired.yaml()));
    let said = refusal(&backend);
    assert!(said.contains("backend `stable`: certificateFile") && said.contains("has expired"), "{said}");
    let admin = format!("admin: {{ address: \"127.0.0.1:0\", tls: {{ {} }} }}\n", expired.yaml());
    let said = refusal(&format!("{admin}{}", everything()));
    assert!(said.contains("the admin listener: certificateFile") && said.contains("has expired"), "{said}");
}
