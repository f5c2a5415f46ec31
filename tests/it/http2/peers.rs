//! Clients of HTTP/2 that people use. A test whose client is not installed says that it is skipped, and why.

use crate::harness::{Backend, Conn, Serin, everything_to, front, front_with, no_peer, program};
use crate::tls::authority::Authority;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What `curl` prints: the content, and behind it the version and the code.
fn curl(args: &[&str], content: &[u8], address: SocketAddr) -> Option<String> {
    curl_to(&format!("http://{address}/path?query"), args, content)
}

pub(super) fn curl_to(url: &str, args: &[&str], content: &[u8]) -> Option<String> {
    let knows = Command::new(program("curl")?).arg("--version").output().expect("it runs");
    if !String::from_utf8_lossy(&knows.stdout).contains("HTTP2") {
        no_peer("there is no curl with HTTP/2");
        return None;
    }
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "|%{http_version}|%{http_code}"]).args(args);
    command.arg(url);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was there just now");
    child.stdin.take().expect("it is piped").write_all(content).expect("curl reads it");
    Some(String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text"))
}

#[test]
fn curl_gets_and_posts_over_http2() {
    let (mut serin, backend) = front_with("headers: { via: true }", |conn| {
        while let Some(request) = conn.request() {
            conn.reply(&format!("{} {}", request.head.start, request.body.len()));
        }
    });
    let address = serin.address();
    let Some(got) = curl(&["--http2-prior-knowledge", "-b", "a=1"], b"", address) else { return };
    assert_eq!(got, "GET /path?query HTTP/1.1 0|2|200");
    let request = backend.only_request();
    assert_eq!(request.head.one("host"), Some(&*address.to_string()));
    assert_eq!(request.head.one("via"), Some("2.0 serin"));
    assert_eq!(request.head.one("cookie"), Some("a=1"));
    let content = vec![b'x'; 200_000];
    let args = ["--http2-prior-knowledge", "--data-binary", "@-"];
    assert_eq!(curl(&args, &content, address).unwrap(), "POST /path?query HTTP/1.1 200000|2|200");
    let args = ["--http2-prior-knowledge", "-X", "POST", "-T", "-"];
    assert_eq!(curl(&args, &content, address).unwrap(), "POST /path?query HTTP/1.1 200000|2|200");
    let chunked = &backend.requests()[2];
    assert_eq!((chunked.head.one("transfer-encoding"), chunked.head.one("content-length")), (Some("chunked"), None));
    assert_eq!(serin.count("serin_requests_total", &[("code", "200")]), 3);
}

#[test]
fn http1_goes_on_beside_it_on_the_same_port() {
    let (mut serin, _backend) = front(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let address = serin.address();
    let Some(got) = curl(&["--http2-prior-knowledge"], b"", address) else { return };
    assert_eq!(got, "ok|2|200");
    assert_eq!(curl(&["--http1.1"], b"", address).unwrap(), "ok|1.1|200");
}

#[test]
fn curl_agrees_on_http2_over_tls_and_may_insist_on_http1() {
    let Some(authority) = Authority::new() else { return };
    let files = authority.issue("web", "IP:127.0.0.1");
    let backend = Backend::start(|conn| conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    let listeners = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: {{ {} }} }}]", files.yaml());
    let mut serin = Serin::start(&format!("{listeners}\n{}", everything_to(backend.address())));
    let url = format!("https://{}/", serin.address());
    let ca = authority.certificate().display().to_string();
    let Some(got) = curl_to(&url, &["--http2", "--cacert", &ca], b"") else { return };
    assert_eq!(got, "ok|2|200");
    assert_eq!(backend.only_request().head.one("x-forwarded-proto"), Some("https"));
    assert_eq!(curl_to(&url, &["--http1.1", "--cacert", &ca], b"").unwrap(), "ok|1.1|200");
    // Over TLS it is agreed upon or not spoken.
    let insists = ["--no-alpn", "--http2-prior-knowledge", "--cacert", &ca];
    assert_ne!(curl_to(&url, &insists, b"").unwrap(), "ok|2|200");
    assert_eq!(backend.requests().len(), 2);
}

/// The output of a program of nghttp2's.
pub(super) fn nghttp2(name: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program(name)?).args(args).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

fn lengths(conn: &mut Conn) {
    conn.forget();
    while let Some(request) = conn.request() {
        let length = if request.head.start.starts_with("POST") { request.body.len() } else { 10_000_000 };
        if !conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")) || !conn.send(vec![b'x'; length])
        {
            break;
        }
    }
}

#[test]
fn nghttp_gets_and_posts_ten_megabytes() {
    let (mut serin, backend) = front(lengths);
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("content");
    std::fs::write(&file, vec![b'y'; 10_000_000]).expect("it can be written");
    let url = format!("http://{}/", serin.address());
    let Some(got) = nghttp2("nghttp", &[&url]) else { return };
    assert_eq!(got.len(), 10_000_000);
    let file = file.display().to_string();
    for more in [&["--no-content-length"][..], &["--no-content-length", "--trailer", "x-sum: 7"], &[]] {
        let got = nghttp2("nghttp", &[&["-d", &file][..], more, &[&url]].concat()).expect("it is there");
        assert_eq!(got.len(), 10_000_000);
    }
    let requests = backend.requests();
    assert!(requests[1..].iter().all(|request| request.body.len() == 10_000_000));
    assert_eq!(requests[2].trailers, [("x-sum".to_owned(), "7".to_owned())]);
    assert_eq!(requests[3].head.one("content-length"), Some("10000000"));
}

#[test]
fn h2load_has_many_streams_under_way_and_every_one_is_answered() {
    let (mut serin, _backend) = front(|conn| {
        conn.forget();
        conn.reply_to_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let url = format!("http://{}/", serin.address());
    let Some(report) = nghttp2("h2load", &["-n", "3000", "-c", "3", "-m", "80", &url]) else { return };
    assert!(report.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
    assert_eq!(serin.count("serin_requests_total", &[("code", "200")]), 3_000);
    assert_eq!(serin.count("serin_connections_opened_total", &[("side", "client")]), 3);
}
