//! The admin listener over TLS.

use super::authority::{Authority, Files};
use super::peers::{Ran, curl, der, run, s_client};
use crate::harness::{Process, eventually, everything_to, has};
use std::net::{SocketAddr, TcpStream};
use tempfile::TempDir;

/// A proxy whose admin listener has this `tls`.
fn admin(tls: &str) -> (Process, TempDir, SocketAddr) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("serin.yaml");
    let admin = format!("admin: {{ address: \"127.0.0.1:0\", tls: {{ {tls} }} }}\n");
    let listener = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\n";
    let rest = everything_to("127.0.0.1:1".parse().unwrap());
    std::fs::write(&file, format!("{listener}{admin}{rest}")).unwrap();
    let process = Process::start(&["run", "--config", file.to_str().unwrap(), "--workers", "1"], &[]);
    let event = process.log.event("admin listening", |_| true).expect("it starts");
    let address = event["address"].as_str().unwrap().parse().unwrap();
    (process, directory, address)
}

/// Runs `serin status` against it.
fn status(address: SocketAddr, more: &[&str]) -> Ran {
    let url = format!("https://{address}");
    run(env!("CARGO_BIN_EXE_serin"), &[&["status", "--admin", &url], more].concat(), b"")
}

#[test]
fn an_admin_listener_with_an_authority_for_clients_lets_nobody_else_in() {
    let Some((authority, stranger)) = Authority::new().zip(Authority::new()).filter(|_| has(&["curl"])) else { return };
    let server = authority.issue("admin", "DNS:admin.test,IP:127.0.0.1");
    let trusted = authority.certificate();
    let (_process, _directory, address) = admin(&format!("{}, clientCaFile: \"{}\"", server.yaml(), trusted.display()));
    let known = authority.issue("operator", "DNS:operator.test");
    let unknown = stranger.issue("operator", "DNS:operator.test");
    let believe = ["--ca-file", trusted.to_str().unwrap()];
    let with = |files: &Files| {
        let shown =
            ["--certificate-file", files.certificate.to_str().unwrap(), "--key-file", files.key.to_str().unwrap()];
        status(address, &[&believe[..], &shown].concat())
    };
    eventually("it answers", || with(&known).code == Some(0));
    let without = status(address, &believe);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.stderr.contains("admin.tls.clientCaFile, give a certificate: --certificate-file"), "{without:?}");
    let refused = with(&unknown);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("is --certificate-file by an authority in its admin.tls.clientCaFile?"),
        "{refused:?}"
    );
    for version in ["1.2", "1.3"] {
        let curl = |more: &[&str]| {
            let url = format!("https://admin.test:{}/healthz", address.port());
            curl(&authority, address, "admin.test", &[&["--tls-max", version, "--url", &url], more].concat())
        };
        let shown = |files: &Files| {
            curl(&["--cert", files.certificate.to_str().unwrap(), "--key", files.key.to_str().unwrap()])
        };
        let answer = shown(&known);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stdout.contains("ok"), "{answer:?}");
        for refused in [curl(&[]), shown(&unknown)] {
            assert_ne!(refused.code, Some(0), "{refused:?}");
            assert_eq!(refused.stdout, "", "{refused:?}");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_shown_is_refused_before_anybody_is_asked() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("operator", "DNS:operator.test");
    let other = authority.issue("other", "DNS:other.test");
    let expired = authority.issue_for("expired", "DNS:operator.test", -1);
    let [own, key] = [&files.certificate, &files.key].map(|path| path.to_str().unwrap());
    let [other, late, late_key] = [&other.key, &expired.certificate, &expired.key].map(|path| path.to_str().unwrap());
    let nobody = "127.0.0.1:1".parse().unwrap();
    for (arguments, expected) in [
        (&["--certificate-file", own][..], &["--key-file"][..]),
        (&["--key-file", key], &["--certificate-file"]),
        (
            &["--certificate-file", "/no/such/file", "--key-file", key],
            &["certificateFile /no/such/file: cannot be read", "check the path"],
        ),
        (&["--certificate-file", own, "--key-file", "/no/such/file"], &["keyFile /no/such/file: cannot be read"]),
        (&["--certificate-file", key, "--key-file", key], &[key, "has no certificate in it"]),
        (&["--certificate-file", own, "--key-file", own], &[own, "has no private key in it"]),
        (&["--certificate-file", own, "--key-file", other], &[other, "put the two that were issued together"]),
        (&["--certificate-file", late, "--key-file", late_key], &[late, "has expired", "renew it"]),
    ] {
        let ran = status(nobody, arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(expected.iter().all(|text| ran.stderr.contains(text)), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn the_admin_listener_speaks_tls_alone_and_takes_up_renewed_certificates() {
    let Some(authority) = Authority::new().filter(|_| has(&["curl"])) else { return };
    let files = authority.issue("admin", "DNS:admin.test,IP:127.0.0.1");
    let (_process, _directory, address) = admin(&files.yaml());
    eventually("it answers", || curl(&authority, address, "admin.test", &[]).code == Some(0));
    let metrics =
        curl(&authority, address, "admin.test", &["--url", &format!("https://admin.test:{}/metrics", address.port())]);
    assert!(metrics.stdout.contains("serin_tls_certificate_expiry_seconds{listener=\"admin\""), "{metrics:?}");
    let believed = status(address, &["--ca-file", authority.certificate().to_str().unwrap()]);
    assert_eq!(believed.code, Some(0), "{believed:?}");
    let stranger = status(address, &[]);
    assert_eq!(stranger.code, Some(1), "{stranger:?}");
    assert!(
        stranger.stderr.contains("--ca-file names the authority") && !stranger.stderr.contains("--key-file"),
        "{stranger:?}"
    );
    let url = format!("http://{address}");
    let in_clear = std::process::Command::new(env!("CARGO_BIN_EXE_serin")).args(["status", "--admin", &url]).output();
    let said = in_clear.expect("it runs").stderr;
    assert!(String::from_utf8_lossy(&said).contains("its URL begins with https://"), "{said:?}");
    let clear = crate::harness::Client::try_connect(address).and_then(|mut client| {
        client.wire.send(b"GET /healthz HTTP/1.1\r\nHost: admin\r\n\r\n")?;
        client.wire.closed()
    });
    assert!(!clear.expect("it is closed").starts_with(b"HTTP"));
    let silent = TcpStream::connect(address).unwrap();
    let new = der(&authority.issue("admin", "DNS:admin.test"));
    eventually("the new certificate is shown", || {
        let shown = super::peers::SecureClient::connect(address, &authority, "admin.test");
        shown.is_ok_and(|client| client.peer_certificate() == new)
    });
    assert!(s_client(address, &[]).stdout.contains("HTTP/1.1"), "one that says nothing keeps nobody out");
    drop(silent);
}
