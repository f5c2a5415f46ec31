//! How a connection through another proxy begins: with a PROXY header, which says whose it is.

use super::deadline::Deadline;
use super::worker::Worker;
use crate::net::proxy_protocol::{Addresses, Malformed, Progress, parse};
use crate::stats::Rejection;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;

/// How many bytes are looked at together: more than most headers have.
const LOOK: usize = 512;

/// Why there is no header.
enum NoHeader {
    Malformed(Malformed),
    /// The peer left before the end of it.
    Truncated,
    /// The peer left before the first byte.
    Silent,
    Timeout,
}

/// Reads the header that begins the connection: the ends that it tells, or `own` where it tells none. `None` when there
/// is nobody to serve. What follows the header stays in the socket.
pub(super) async fn read_header(
    worker: &Worker,
    deadline: &Deadline,
    socket: &TcpStream,
    own: Addresses,
) -> Option<Addresses> {
    deadline.set(worker.limits().1.header_read);
    let mut header = Vec::new();
    let read = poll_fn(|cx| match poll_header(cx, socket, &mut header) {
        Poll::Pending if deadline.passed() => Poll::Ready(Err(NoHeader::Timeout)),
        polled => polled,
    });
    let rejection = match read.await {
        Ok(told) => return Some(told.unwrap_or(own)),
        Err(NoHeader::Malformed(why)) => {
            worker.warn_proxy_header(own.source, why);
            Rejection::ProxyHeaderMalformed
        }
        Err(NoHeader::Truncated) => Rejection::ProxyHeaderTruncated,
        Err(NoHeader::Timeout) => Rejection::ProxyHeaderTimeout,
        Err(NoHeader::Silent) => return None,
    };
    worker.counters.rejected(rejection);
    None
}

/// Looks at what has come without taking it, and takes only what belongs to the header, which `header` holds so far.
fn poll_header(
    cx: &mut Context<'_>,
    socket: &TcpStream,
    header: &mut Vec<u8>,
) -> Poll<Result<Option<Addresses>, NoHeader>> {
    loop {
        let taken = header.len();
        header.resize(taken + LOOK, 0);
        let peeked = socket.poll_peek(cx, &mut ReadBuf::new(&mut header[taken..]));
        header.truncate(taken + if let Poll::Ready(Ok(seen)) = peeked { seen } else { 0 });
        let left = if taken == 0 { NoHeader::Silent } else { NoHeader::Truncated };
        if !ready!(peeked).is_ok_and(|seen| seen > 0) {
            return Poll::Ready(Err(left));
        }
        let progress = parse(header).map_err(NoHeader::Malformed)?;
        if let Progress::Complete(_, length) = progress {
            header.truncate(length);
        }
        // It has been seen there, and nobody else reads.
        if !matches!(socket.try_read(&mut header[taken..]), Ok(read) if read == header.len() - taken) {
            return Poll::Ready(Err(left));
        }
        if let Progress::Complete(told, _) = progress {
            return Poll::Ready(Ok(told));
        }
    }
}
