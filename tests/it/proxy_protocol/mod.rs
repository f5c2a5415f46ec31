//! The PROXY protocol, in and out: whose connection it is, told by those who may and by nobody else.

mod corpus;
mod inbound;
mod outbound;
mod peers;
mod tls;

use crate::harness::{Backend, Serin, everything_to};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A proxy whose listener takes PROXY headers from `from`, before a backend that answers everything.
fn front(from: &str, more: &str) -> (Serin, Backend) {
    let backend = Backend::replying(OK);
    let listener =
        format!("listeners: [{{ name: web, address: \"127.0.0.1:0\", proxyProtocol: {{ from: [\"{from}\"] }} }}]\n");
    (Serin::start(&format!("{listener}{}{more}\n", everything_to(backend.address()))), backend)
}

/// How many connections were closed for this cause.
fn rejected(serin: &Serin, cause: &str) -> u64 {
    serin.count("serin_rejected_connections_total", &[("cause", cause)])
}
