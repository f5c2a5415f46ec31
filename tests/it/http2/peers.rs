//! Clients of HTTP/2 that people use. A test whose client is not installed says that it is skipped, and why.

use crate::harness::{front, front_with};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// What `curl` prints: the content, and behind it the version and the code.
fn curl(args: &[&str], content: &[u8], address: SocketAddr) -> Option<String> {
    let knows = Command::new("curl").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&knows.stdout).contains("HTTP2") {
        println!("skipped: there is no curl with HTTP/2 here");
        return None;
    }
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "-w", "|%{http_version}|%{http_code}"]).args(args);
    command.arg(format!("http://{address}/path?query"));
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
