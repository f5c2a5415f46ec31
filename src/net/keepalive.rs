//! Finds out that a peer has gone without a word: its machine lost power, or the network between was cut.
//!
//! Whoever waits for a peer that it sends nothing to, for the rest of a response or in a silent tunnel, would wait for
//! ever. No time limit can tell such a peer from one that has nothing to say; the peer's kernel can.

use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// A connection that has been silent for so long is probed, and is broken when three probes go unanswered: a minute.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);

/// Has the kernel probe the peer when the connection is silent. What a listener is told holds for what it accepts.
///
/// # Errors
/// When the system refuses.
pub fn keep_alive(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_keepalive(&KEEPALIVE)
}
