//! Addresses that stay free until a test uses them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// An address at which nobody listens, and nobody else will: all other listeners are at 127.0.0.1, where a port that was
/// looked up and let go may be another test's at the next moment. Each call has an IP address of its own.
pub(crate) fn free_address() -> SocketAddr {
    static TAKEN: AtomicU8 = AtomicU8::new(1);
    let number = TAKEN.fetch_add(1, SeqCst);
    let [.., high, low] = std::process::id().to_be_bytes();
    // Two runs of the tests on one machine have different process ids.
    let address = Ipv4Addr::new(127, 128 | high, low, number);
    TcpListener::bind((address, 0)).and_then(|probe| probe.local_addr()).expect("all of 127/8 is this machine")
}
