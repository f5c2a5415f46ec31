//! Serves a client's connection: one request after the other, until either side has had enough.

use super::accept::Open;
use super::client::{Client, Ended};
use super::forward::{Next, forward};
use super::handshake::handshake;
use super::http2;
use super::proxy_header::read_header;
use super::request::Arrived;
use crate::http::{Asked, Refusal};
use crate::net::proxy_protocol::Addresses;
use crate::net::tls::Tls;
use crate::net::{Beginning, Stream};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves the client at the other end of `socket`, which begins as `beginning` says, until it is closed.
pub(super) async fn serve(open: Open, socket: TcpStream, beginning: Box<Beginning>, peer: SocketAddr) {
    let worker = Rc::clone(open.worker());
    // A socket that has no address any more was reset before its turn came.
    let Ok(local) = socket.local_addr() else { return };
    let deadline = worker.deadlines.register();
    deadline.watch_here().await;
    let mut ends = Addresses { source: peer, destination: local };
    let Beginning { proxied, tls } = *beginning;
    if proxied {
        let Some(told) = read_header(&worker, &deadline, &socket, ends).await else { return };
        ends = told;
    }
    let Addresses { source: peer, destination: local } = ends.canonical();
    let held = match worker.admits(peer.ip()) {
        Ok(held) => held,
        Err(rejection) => return worker.counters.rejected(rejection),
    };
    let stream = match tls {
        None => Stream::Plain(socket),
        Some(config) => {
            let tls = Tls::server(socket, config).expect("a config that was made can be served from");
            let Some(stream) = handshake(&worker, &deadline, tls).await else { return };
            stream
        }
    };
    let mut client = Client { stream, peer, local, input: None, deadline };
    let mut is_fresh = true;
    let mut next = Next::Request;
    if client.stream.agreed_on_http2() {
        return http2::begin(open, held, client);
    }
    loop {
        next = match next {
            Next::Request => match client.read_head(&worker).await {
                Ok(length) => {
                    is_fresh = false;
                    forward(&worker, &mut client, Arrived::Http1(length)).await
                }
                Err(Ended::Closed) => break,
                // Over TLS it is agreed upon in the handshake or not at all (RFC 9113 section 3.2).
                Err(Ended::Http2) if is_fresh && !client.stream.is_secure() => {
                    return http2::begin(open, held, client);
                }
                Err(ended) => {
                    let refusal = if let Ended::Refused(refusal) = ended { refusal } else { Refusal::Version };
                    worker.counters.refused(refusal.code());
                    let begun = client.begin_refusal(&worker, refusal, Asked::Plain, true);
                    client.send(&worker, begun).await;
                    Next::Linger
                }
            },
            Next::Tunnel(tunnel) => tunnel.carry(&worker, &mut client).await,
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
        };
        client.deadline.bound(None);
    }
    client.input.take().into_iter().for_each(|buffer| worker.buffers.give(buffer));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_output<F>(_: fn(Open, TcpStream, Box<Beginning>, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }

    /// This is nearly all that an idle connection costs: what the task needs for a request, it holds all the time.
    #[test]
    fn a_connections_task_is_small() {
        let size = size_of_output(serve);
        assert!(size <= 1_600, "{size} bytes");
    }
}
