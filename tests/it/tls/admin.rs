//! The admin listener over TLS.

use super::authority::Authority;
use super::peers::{curl, der, s_client};
use crate::harness::{Process, eventually, everything_to, has};
use std::net::{SocketAddr, TcpStream};

#[test]
fn the_admin_listener_speaks_tls_alone_and_takes_up_renewed_certificates() {
    let Some(authority) = Authority::new().filter(|_| has(&["curl"])) else { return };
    let files = authority.issue("admin", "DNS:admin.test,IP:127.0.0.1");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("serin.yaml");
    let admin = format!("admin: {{ address: \"127.0.0.1:0\", tls: {{ {} }} }}\n", files.yaml());
    let listener = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\n";
    let rest = everything_to("127.0.0.1:1".parse().unwrap());
    std::fs::write(&file, format!("{listener}{admin}{rest}")).unwrap();
    let process = Process::start(&["run", "--config", file.to_str().unwrap(), "--workers", "1"], &[]);
    let event = process.log.event("admin listening", |_| true).expect("it starts");
    let address: SocketAddr = event["address"].as_str().unwrap().parse().unwrap();
    eventually("it answers", || curl(&authority, address, "admin.test", &[]).code == Some(0));
    let metrics =
        curl(&authority, address, "admin.test", &["--url", &format!("https://admin.test:{}/metrics", address.port())]);
    assert!(metrics.stdout.contains("serin_tls_certificate_expiry_seconds{listener=\"admin\""), "{metrics:?}");
    let url = format!("https://{address}");
    let status = |arguments: &[&str]| {
        let arguments = [&["status", "--admin", &url], arguments].concat();
        std::process::Command::new(env!("CARGO_BIN_EXE_serin")).args(arguments).output().expect("it runs")
    };
    let believed = status(&["--ca-file", authority.certificate().to_str().unwrap()]);
    assert!(believed.status.success(), "{believed:?}");
    let stranger = status(&[]);
    assert_eq!(stranger.status.code(), Some(1), "{stranger:?}");
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("--ca-file names the authority"), "{stranger:?}");
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
