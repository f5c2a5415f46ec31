//! Sessions are resumed: by clients at any worker, after a renewal, and by Serin at its backends.

use super::authority::Authority;
use super::handshakes::front;
use super::peers::{SecureBackend, SecureConn, s_client};
use crate::harness::{Serin, eventually, everything_to};
use std::net::SocketAddr;
use std::path::Path;

/// Whether a session in `file` is resumed.
fn resumes(address: SocketAddr, file: &Path, version: &str) -> bool {
    let ran = s_client(address, &[version, "-sess_in", file.to_str().unwrap()]);
    assert!(ran.stdout.contains("HTTP/1.1 200"), "{ran:?}");
    ran.stdout.contains("Reused, TLSv1")
}

fn begin(address: SocketAddr, file: &Path, version: &str) {
    let ran = s_client(address, &[version, "-sess_out", file.to_str().unwrap()]);
    assert!(ran.stdout.contains("New, TLSv1") && file.exists(), "{ran:?}");
}

#[test]
fn a_session_is_resumed_by_every_worker_and_after_a_renewal() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, _service) = front(&files.yaml(), "");
    let address = serin.address();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = authority.directory().join(version);
        begin(address, &session, version);
        // The kernel spreads the connections over two workers: that all of these reach one has a chance of 1 in 2,048.
        for attempt in 0..12 {
            assert!(resumes(address, &session, version), "{version}, attempt {attempt}");
        }
        let before = serin.metric("serin_tls_certificate_expiry_seconds", &[]);
        let days = if version == "-tls1_2" { 20 } else { 30 };
        authority.issue_for("web", "DNS:web.test", days);
        eventually("the certificate is renewed", || {
            serin.metric("serin_tls_certificate_expiry_seconds", &[]) > before + 86_400.0
        });
        assert!(resumes(address, &session, version), "{version}, after the renewal");
    }
}

#[test]
fn a_session_is_not_resumed_once_other_clients_are_believed() {
    let Some((authority, other)) = Authority::new().zip(Authority::new()) else { return };
    let files = authority.issue("web", "DNS:web.test");
    let trusted = authority.directory().join("clients.crt");
    std::fs::copy(authority.certificate(), &trusted).unwrap();
    let (mut serin, _service) = front(&format!("{}, clientCaFile: \"{}\"", files.yaml(), trusted.display()), "");
    let (address, session) = (serin.address(), authority.directory().join("session"));
    let client = authority.issue("client", "DNS:client.test");
    let ours = ["-cert", client.certificate.to_str().unwrap(), "-key", client.key.to_str().unwrap()];
    let with = |more: &[&str]| s_client(address, &[&ours[..], &["-tls1_3"], more].concat());
    let session = session.to_str().unwrap();
    assert!(with(&["-sess_out", session]).stdout.contains("HTTP/1.1 200"));
    assert!(with(&["-sess_in", session]).stdout.contains("Reused, TLSv1.3"));
    std::fs::copy(other.certificate(), &trusted).unwrap();
    eventually("the clients of before are not believed", || !with(&[]).stdout.contains("HTTP/1.1 200"));
    let ran = with(&["-sess_in", session]);
    assert!(!ran.stdout.contains("HTTP/1.1 200"), "{ran:?}");
}

#[test]
fn serin_resumes_its_sessions_with_a_backend() {
    let Some(authority) = Authority::new() else { return };
    // One request a connection.
    let once = |conn: &mut SecureConn| {
        conn.request()?;
        conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
        conn.say_goodbye()
    };
    let backend = SecureBackend::start(&authority.issue("backend", "DNS:backend.test"), None, once);
    let tls = format!("tls: {{ caFile: \"{}\", serverName: backend.test }}", authority.certificate().display());
    let config = everything_to(backend.address).replace("version: \"1\",", &format!("version: \"1\", {tls},"));
    let mut serin = Serin::start(&config);
    for _ in 0..5 {
        assert_eq!(serin.client().get("/").text(), "ok");
    }
    assert_eq!((backend.connections(), backend.resumed()), (5, 4));
}
