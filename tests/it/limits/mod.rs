//! What one client may have: connections, requests in a time, bytes of a body; and what slow ones cost.

mod bodies;
mod connections;
mod http2;
mod rates;
mod slow;

use crate::harness::{Backend, Response, Serin, everything_to};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Two workers with these limits, before a backend that answers everything.
fn front(limits: &str) -> (Serin, Backend) {
    let backend = Backend::replying(OK);
    (Serin::start(&limited(&backend, limits)), backend)
}

fn limited(backend: &Backend, limits: &str) -> String {
    format!("{}limits: {{ {limits} }}\n", everything_to(backend.address()))
}

#[track_caller]
fn assert_refused(response: &Response, status: u16, reason: &str) {
    assert_eq!((response.status, response.head.one("x-serin-reason")), (status, Some(reason)), "{response:?}");
}
