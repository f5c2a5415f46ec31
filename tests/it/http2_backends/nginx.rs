//! nginx as the backend: what people have.

use super::front;
use crate::harness::{Backend, Client, eventually, free_address};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running nginx that speaks HTTP/2 in clear, and passes everything on.
struct Nginx {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// Before `behind`, with these settings; `None` without nginx, which is said.
    fn start(behind: SocketAddr, settings: &str) -> Option<Self> {
        // Debian has it where only root looks.
        let runs = |name: &&str| Command::new(name).arg("-v").stderr(Stdio::null()).status().is_ok();
        let Some(program) = ["nginx", "/usr/sbin/nginx"].into_iter().find(runs) else {
            eprintln!("skipped: `nginx` is not installed");
            return None;
        };
        let directory = tempfile::tempdir().expect("a directory can be made");
        let address = free_address();
        let config = config(directory.path().to_str().expect("a plain path"), address, behind, settings);
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, config).expect("the directory can be written");
        let mut command = Command::new(program);
        command.arg("-p").arg(directory.path()).arg("-c").arg(&file).arg("-e").arg("stderr");
        let child = command.stderr(Stdio::null()).spawn().expect("it is installed");
        let nginx = Self { child, address, _directory: directory };
        eventually("nginx accepts", || TcpStream::connect(address).is_ok());
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One process, and every file that it writes in the directory.
fn config(directory: &str, address: SocketAddr, behind: SocketAddr, settings: &str) -> String {
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {directory}/{name};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {directory}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{settings}\n\
         client_max_body_size 0;\nserver {{ listen {address} http2;\nlocation / {{ proxy_pass http://{behind}; }} }} }}\n"
    )
}

/// Says back what it was sent.
fn echo() -> Backend {
    Backend::start(|conn| {
        while let Some(request) = conn.request() {
            let body = request.body;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            if !(conn.send(head) && conn.send(body)) {
                break;
            }
        }
    })
}

#[test]
fn content_comes_back_from_nginx_as_it_was_sent() {
    let echo = echo();
    let Some(nginx) = Nginx::start(echo.address(), "") else { return };
    let mut serin = front(nginx.address, "");
    let mut client = serin.client();
    for length in [0, 1, 1_000, 100_000, 3_000_000] {
        let content = "x".repeat(length);
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{content}"));
        let response = client.response();
        assert_eq!((response.status, response.body.len()), (200, length));
    }
    assert_eq!(serin.count("serin_connections", &[("side", "upstream")]), 1);
}

/// With few streams a connection and few requests a connection, so that it says `GOAWAY` again and again.
#[test]
fn nginx_loses_no_request_though_it_sends_its_clients_away() {
    let echo = echo();
    let Some(nginx) = Nginx::start(echo.address(), "http2_max_concurrent_streams 4; keepalive_requests 25;") else {
        return;
    };
    let mut serin = front(nginx.address, "");
    let address = serin.address();
    let clients: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for n in 0..50 {
                    let response = client.get(&format!("/{n}"));
                    assert_eq!(response.status, 200, "request {n}: {}", response.text());
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every response is right");
    }
    assert_eq!(serin.count("serin_failures_total", &[("backend", "stable")]), 0);
}
