//! Other people's implementations: curl as the proxy in front, `HAProxy` in front and behind, nginx behind.

use super::{OK, front};
use crate::harness::{Backend, Client, Nginx, Serin, eventually, everything_to, free_address, has, program};
use crate::tls::peers::run;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program that runs until it is dropped.
struct Running(Child);

impl Running {
    /// Starts it, and waits until somebody accepts at `address`.
    fn start(name: &str, arguments: &[&str], address: SocketAddr) -> Self {
        let mut command = Command::new(program(name).expect("it is installed"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let running = Self(command.spawn().expect("it is installed"));
        eventually(&format!("{name} accepts"), || TcpStream::connect(address).is_ok());
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a plain path")
}

/// `HAProxy` between two addresses, with these options at its listener and at its server.
fn haproxy(directory: &Path, listens: SocketAddr, bind: &str, server: SocketAddr, options: &str) -> Running {
    let config = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         listen web\n bind {listens} {bind}\n option forwardfor\n server one {server} {options}\n"
    );
    let file = directory.join("haproxy.cfg");
    std::fs::write(&file, config).expect("a directory of ours");
    Running::start("haproxy", &["-db", "-f", path(&file)], listens)
}

#[test]
fn curl_is_a_proxy_in_front() {
    if !has(&["curl"]) {
        return;
    }
    let (mut serin, backend) = front("127.0.0.1", "");
    let url = format!("http://{}/", serin.address());
    for protocol in ["--http1.1", "--http2-prior-knowledge"] {
        let ran = run("curl", &["--silent", "--max-time", "20", "--haproxy-protocol", protocol, &url], b"");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "ok"), "{protocol}: {ran:?}");
    }
    let seen: Vec<_> = backend.requests().iter().map(|r| r.head.one("x-forwarded-for").map(str::to_owned)).collect();
    assert_eq!(seen, ["127.0.0.1", "127.0.0.1"].map(|ip| Some(ip.to_owned())));
}

#[test]
fn haproxy_in_front_tells_its_clients_address_in_both_versions() {
    if !has(&["haproxy"]) {
        return;
    }
    let (mut serin, backend) = front("127.0.0.1", "");
    for option in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"] {
        let (directory, listens) = (tempfile::tempdir().expect("a directory can be made"), free_address());
        let _haproxy = haproxy(directory.path(), listens, "", serin.address(), option);
        let mut client = Client::connect_from("127.0.6.1".parse().unwrap(), listens);
        assert_eq!(client.get("/").status, 200, "{option}");
        let request = backend.requests().pop().expect("it came");
        assert_eq!(request.head.one("x-forwarded-for"), Some("127.0.6.1, 127.0.6.1"), "{option}: HAProxy's, then ours");
    }
}

#[test]
fn haproxy_behind_takes_both_versions() {
    if !has(&["haproxy"]) {
        return;
    }
    let backend = Backend::replying(OK);
    for version in ["v1", "v2"] {
        let (directory, listens) = (tempfile::tempdir().expect("a directory can be made"), free_address());
        let _haproxy = haproxy(directory.path(), listens, "accept-proxy", backend.address(), "");
        let keys = format!(", proxyProtocol: {version} }}\nroutes");
        let mut serin = Serin::start(&format!(
            "{}headers: {{ forwarded: false }}\n",
            everything_to(listens).replace(" }\nroutes", &keys)
        ));
        let mut client = Client::connect_from("127.0.6.2".parse().unwrap(), serin.address());
        assert_eq!(client.get("/").status, 200, "{version}");
        let request = backend.requests().pop().expect("it came");
        assert_eq!(request.head.one("x-forwarded-for"), Some("127.0.6.2"), "{version}: HAProxy says whom it saw");
    }
}

#[test]
fn nginx_behind_takes_both_versions() {
    let says = "return 200 \"$proxy_protocol_addr:$proxy_protocol_port\";";
    let Some(nginx) = Nginx::start("", "proxy_protocol", says) else { return };
    for version in ["v1", "v2"] {
        let keys = format!(", proxyProtocol: {version} }}\nroutes");
        let mut serin = Serin::start(&everything_to(nginx.address).replace(" }\nroutes", &keys));
        let mut client = Client::connect_from("127.0.6.3".parse().unwrap(), serin.address());
        let own = client.wire.stream().local_addr().unwrap();
        assert_eq!(client.get("/").text(), own.to_string(), "{version}");
    }
}
