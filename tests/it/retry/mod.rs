//! Requests that are tried again: which, how often, where, and at whose charge.

mod bodies;
mod budget;
mod canary;
mod codes;
mod http2;
mod never;
mod times;

use crate::harness::{Backend, Conn, Serin, everything_to};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";

/// A rule with these keys, whose one backend has these endpoints.
fn rule(endpoints: &[SocketAddr], keys: &str) -> String {
    let list: Vec<_> = endpoints.iter().map(|address| format!("\"{address}\"")).collect();
    everything_to(endpoints[0])
        .replace(&format!("[\"{}\"]", endpoints[0]), &format!("[{}]", list.join(", ")))
        .replace("        backendRefs:", &format!("        {keys}\n        backendRefs:"))
}

/// A proxy whose one rule has these keys, and a backend that does `script` with each request it gets, which are counted
/// from 0 over all connections. A script that does not say that the connection goes on ends it.
fn front(keys: &str, script: impl Fn(&mut Conn, usize) -> bool + Send + Sync + 'static) -> (Serin, Backend) {
    let asked = AtomicUsize::new(0);
    let backend =
        Backend::start(move |conn| while conn.request().is_some() && script(conn, asked.fetch_add(1, SeqCst)) {});
    (Serin::start(&rule(&[backend.address()], keys)), backend)
}

/// An address that refuses connections.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port is free")
}
