//! Accepts connections, and evens them out between the workers.
//!
//! The kernel spreads connections over the workers' sockets by a hash, which for a few long-lived ones can be far from
//! even. A worker that has more than its share gives a new connection to the one that has the fewest.

use super::serve::serve;
use super::worker::{Command, Worker};
use crate::net::{Beginning, Entrance};
use crate::stats::Rejection;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How long accepting pauses when the process is out of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts on `listener` until `stop` is set or dropped, and then once more whoever is already connected.
pub(super) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    entrance: Arc<Entrance>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|&stopped| stopped) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => place(&worker, stream, entrance.of(peer), peer),
            // A connection that was reset while it waited is no reason to stop.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    // What the kernel has accepted already would be reset by closing the socket. The kernel is asked itself: the
    // runtime may not have heard of the last ones yet.
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            take(&worker, stream, entrance.of(peer), peer);
        }
    }
}

/// Serves a connection here, or gives it away.
fn place(worker: &Rc<Worker>, stream: TcpStream, beginning: Beginning, peer: SocketAddr) {
    let mine = worker.loads[worker.id].load(Relaxed);
    let (fewest, other) =
        worker.loads.iter().map(|load| load.load(Relaxed)).zip(0..).min().expect("there is at least one worker");
    // Above its limit a worker closes what it accepts, even while another one has room.
    if mine <= fewest + 2 + fewest / 8 && mine < worker.max_connections() {
        take(worker, stream, beginning, peer);
    } else if let Ok(stream) = stream.into_std()
        && let Err(gone) = worker.peers[other].send(Command::Serve(stream, beginning, peer))
        && let Command::Serve(stream, beginning, peer) = gone.0
        && let Ok(stream) = TcpStream::from_std(stream)
    {
        // A worker that has drained already takes nothing any more.
        take(worker, stream, beginning, peer);
    }
}

/// Serves a connection here, unless there are too many.
pub(super) fn take(worker: &Rc<Worker>, stream: TcpStream, beginning: Beginning, peer: SocketAddr) {
    let load = &worker.loads[worker.id];
    if load.load(Relaxed) >= worker.max_connections() {
        worker.counters.rejected(Rejection::ConnectionsPerWorker);
        worker.warn_full();
        return;
    }
    let open = Open::new(Rc::clone(worker));
    // A task keeps room for what it began with as long as it lives, so that is a pointer.
    let beginning = Box::new(beginning);
    tokio::task::spawn_local(serve(open, stream, beginning, peer));
}

/// Counts a connection for as long as it is open.
pub(super) struct Open(Rc<Worker>);

impl Open {
    /// Whose connection it is.
    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.0
    }

    pub(super) fn new(worker: Rc<Worker>) -> Self {
        worker.loads[worker.id].fetch_add(1, Relaxed);
        worker.counters.client_opened();
        Self(worker)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.client_closed();
        if self.0.loads[self.0.id].fetch_sub(1, Relaxed) == 1 {
            self.0.idle.notify_one();
        }
    }
}
