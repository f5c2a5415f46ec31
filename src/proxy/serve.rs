//! Serves a client's connection: one request after the other, until either side has had enough.

use super::client::{Client, Ended};
use super::forward::{Next, forward};
use super::worker::Worker;
use crate::http::Reason;
use crate::net::Stream;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;

/// Serves `stream` until it is closed.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    // A socket that has no address any more was reset before its turn came.
    let Ok(local) = stream.local_addr() else { return };
    let deadline = worker.deadlines.register();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let stream = Stream::Plain(stream);
    let mut client = Client { stream, peer, local, input: None, deadline };
    poll_fn(|cx| {
        client.deadline.watch(cx);
        Poll::Ready(())
    })
    .await;
    loop {
        let next = match client.read_head(&worker).await {
            Ok(length) => forward(&worker, &mut client, length).await,
            Err(Ended::Closed) => break,
            Err(Ended::Refused(refusal)) => {
                worker.counters.refused(refusal.code());
                client.reply(&worker, Reason::Refused(refusal), true, false).await;
                Next::Linger
            }
        };
        client.deadline.bound(None);
        match next {
            Next::Request => {}
            Next::Close => break,
            Next::Linger => {
                client.linger(&worker.buffers).await;
                break;
            }
            Next::Cut => {
                // Not an orderly end: a body that ends with its connection would look whole.
                client.stream.cut();
                break;
            }
        }
    }
    client.input.take().into_iter().for_each(|buffer| worker.buffers.give(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<F>(_: fn(Rc<Worker>, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// This is nearly all that an idle connection costs: what the task needs for a request, it holds all the time.
    #[test]
    fn a_connections_task_is_small() {
        let size = size_of_output(serve);
        assert!(size <= 1_600, "{size} bytes");
    }
}
