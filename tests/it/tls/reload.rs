//! Certificates that change under a running proxy.

use super::authority::{Authority, Files};
use super::handshakes::front;
use super::peers::{SecureClient, der};
use crate::harness::{Frame, FrameClient, Serin, eventually, everything_to};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// The certificate that a new connection is shown.
fn shown(serin: &mut Serin, authority: &Authority) -> Vec<u8> {
    let client = SecureClient::connect(serin.address(), authority, "web.test").expect("a handshake");
    client.peer_certificate()
}

fn in_force(serin: &Serin) -> bool {
    serin.count("serin_config_last_reload_successful", &[]) == 1
}

/// Clients that ask on and on; half of them over one connection each, half over a new one each time.
#[test]
fn a_renewal_under_load_loses_no_request_and_no_connection() {
    renew_under_load(|load| {
        let connect = || SecureClient::connect(load.address, &load.authority, "web.test").expect("a handshake");
        let mut client = connect();
        while !load.stop.load(SeqCst) {
            let (head, body) = client.get().expect("a response on a connection that stays");
            assert!(head.starts_with("HTTP/1.1 200") && body == b"ok", "{head}");
            load.asked.fetch_add(1, SeqCst);
            if load.renews {
                client = connect();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
}

/// The same over HTTP/2: each connection has a request besides that lasts as long as the connection, and that a client
/// sends content on all the while.
#[test]
fn a_renewal_under_load_loses_no_request_and_no_connection_of_http2() {
    renew_under_load(|load| {
        while !load.stop.load(SeqCst) {
            let client = SecureClient::connect_http2(load.address, &load.authority, "web.test").expect("a handshake");
            let mut client = FrameClient::over(client.0);
            client.send(&Frame::post(1));
            let expect_ok = |client: &mut FrameClient<_>, stream| {
                let answer = client.answer(stream);
                assert!(answer.whole && answer.status == 200 && answer.body == b"ok", "{stream}: {answer:?}");
                load.asked.fetch_add(1, SeqCst);
            };
            for stream in (3..).step_by(2) {
                client.send(&Frame::get(stream));
                expect_ok(&mut client, stream);
                client.send(&Frame::data(1, *b"x", false));
                if load.stop.load(SeqCst) || (load.renews && stream > 20) {
                    break;
                }
            }
            client.send(&Frame::data(1, [], true));
            expect_ok(&mut client, 1);
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

/// What a client under load has to know.
struct Load {
    address: SocketAddr,
    authority: Arc<Authority>,
    stop: Arc<AtomicBool>,
    /// How many requests were answered.
    asked: Arc<AtomicU64>,
    /// It takes new connections all the time, instead of keeping one.
    renews: bool,
}

/// Runs `client` on four threads, until the certificate has changed three times.
#[track_caller]
fn renew_under_load(client: fn(&Load)) {
    let Some(authority) = Authority::new() else { return };
    let authority = Arc::new(authority);
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, _service) = front(&files.yaml(), "");
    let (address, stop, asked) = (serin.address(), Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
    let clients: Vec<_> = [true, false, true, false]
        .into_iter()
        .map(|renews| {
            let (stop, asked, authority) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&authority));
            let load = Load { address, authority, stop, asked, renews };
            std::thread::spawn(move || client(&load))
        })
        .collect();
    for _ in 0..3 {
        let new = der(&authority.issue("web", "DNS:web.test"));
        let before = asked.load(SeqCst);
        eventually("the new certificate is shown", || shown(&mut serin, &authority) == new);
        eventually("requests go on", || asked.load(SeqCst) > before + 20);
    }
    stop.store(true, SeqCst);
    clients.into_iter().for_each(|client| client.join().expect("nothing was lost"));
    assert!(in_force(&serin));
}

#[test]
fn a_secret_volumes_swap_is_seen() {
    let Some(authority) = Authority::new() else { return };
    let volume = tempfile::tempdir().unwrap();
    // As the kubelet does it: write aside, link, rename, remove.
    let publish = |version: u32, files: &Files| {
        let (old, new) = (volume.path().join(format!("..{}", version - 1)), volume.path().join(format!("..{version}")));
        fs::create_dir(&new).unwrap();
        fs::copy(&files.certificate, new.join("tls.crt")).unwrap();
        fs::copy(&files.key, new.join("tls.key")).unwrap();
        symlink(new.file_name().unwrap(), volume.path().join("..data_tmp")).unwrap();
        fs::rename(volume.path().join("..data_tmp"), volume.path().join("..data")).unwrap();
        if old.exists() {
            fs::remove_dir_all(old).unwrap();
        }
    };
    publish(1, &authority.issue("web", "DNS:web.test"));
    let path = |name: &str| volume.path().join(name);
    for name in ["tls.crt", "tls.key"] {
        symlink(Path::new("..data").join(name), path(name)).unwrap();
    }
    let (mut serin, _service) = front(&Files { certificate: path("tls.crt"), key: path("tls.key") }.yaml(), "");
    for version in 2..4 {
        let new = authority.issue("web", "DNS:web.test");
        publish(version, &new);
        eventually("the new certificate is shown", || shown(&mut serin, &authority) == der(&new));
    }
}

#[test]
fn a_certificate_that_becomes_bad_keeps_the_one_before_and_says_so() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, _service) = front(&files.yaml(), "");
    let before = shown(&mut serin, &authority);
    let aside = |file: &Path| fs::read(file).unwrap();
    let (good, key) = (aside(&files.certificate), aside(&files.key));
    let expired = authority.issue_for("expired", "DNS:web.test", -1);
    let other = authority.issue("other", "DNS:web.test");
    let bad: [(&Path, Vec<u8>, &str); 5] = [
        (&files.certificate, aside(&other.certificate), "does not belong to the key"),
        (&files.certificate, b"nonsense".to_vec(), "has no certificate in it"),
        (&files.certificate, Vec::new(), "has no certificate in it"),
        (&files.key, aside(&other.key), "does not belong to the key"),
        (&files.key, b"nonsense".to_vec(), "has no private key in it"),
    ];
    for (file, content, why) in bad {
        fs::write(file, content).unwrap();
        eventually(why, || !in_force(&serin));
        let log = serin.process.log.event("a certificate was refused", |fields| {
            fields["problem"]
                .as_str()
                .is_some_and(|problem| problem.contains("listener `web`") && problem.contains(why))
        });
        assert!(log.is_some(), "{why} is not in the log:\n{}", serin.process.log.text());
        assert!(serin.api("/api/v1/config").to_string().contains(why), "{}", serin.api("/api/v1/config"));
        assert_eq!(shown(&mut serin, &authority), before);
        fs::write(&files.certificate, &good).unwrap();
        fs::write(&files.key, &key).unwrap();
        eventually("all is well again", || in_force(&serin));
    }
    // One that belongs to its key and is over.
    fs::write(&files.certificate, aside(&expired.certificate)).unwrap();
    fs::write(&files.key, aside(&expired.key)).unwrap();
    // Between the two writes it was refused for another reason.
    serin.process.log.tells("has expired, on ");
    eventually("it is refused", || !in_force(&serin));
    assert_eq!(shown(&mut serin, &authority), before);
}

#[test]
fn a_config_is_obeyed_although_a_certificate_is_bad_by_now() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, service) = front(&files.yaml(), "");
    let before = shown(&mut serin, &authority);
    fs::write(&files.certificate, "nonsense").unwrap();
    eventually("it is refused", || !in_force(&serin));
    let config = serin.api("/api/v1/config");
    let listener = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {} }} }}]\n", files.yaml());
    serin.write(&format!("{listener}{}# edited\n", everything_to(service.address())));
    eventually("the edit is in force", || serin.api("/api/v1/config") != config);
    eventually("it is counted", || serin.count("serin_config_reloads_total", &[("result", "success")]) == 1);
    assert!(!in_force(&serin), "the certificate's file is still bad");
    assert_eq!(shown(&mut serin, &authority), before);
}

#[test]
fn a_listener_turns_to_tls_and_back_without_closing() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("web", "DNS:web.test");
    let (mut serin, service) = front(&files.yaml(), "");
    let mut secure = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    let port = serin.address().port();
    serin.reload(&everything_to(service.address()));
    assert_eq!(serin.address().port(), port);
    assert_eq!(serin.client().get("/").text(), "ok");
    assert_eq!(secure.get().unwrap().1, b"ok", "what has begun stays as it is");
}

#[test]
fn the_certificates_end_is_a_metric() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue_for("web", "DNS:web.test", 7);
    let (serin, _service) = front(&files.yaml(), "");
    let labels = [("listener", "web"), ("file", files.certificate.to_str().unwrap())];
    let not_after = serin.count("serin_tls_certificate_expiry_seconds", &labels);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 7 * 86_400 - 60..=now + 7 * 86_400).contains(&not_after), "{not_after} at {now}");
}
