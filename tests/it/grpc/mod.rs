//! gRPC: real peers on both sides, Python's `grpcio`; and, by hand, what they would never send.

mod by_hand;
mod caller;
mod calls;
mod deadlines;
mod health;
mod judge;

use crate::harness::{Peer, everything_to, python};
use std::net::SocketAddr;

const PEER: &str = "tests/it/grpc/peer.py";

/// A Python with `grpcio`; `test` is who is skipped without one.
fn grpcio(test: &str) -> Option<String> {
    python("grpc.aio", test)
}

/// Sends everything to a gRPC server.
fn config(server: SocketAddr) -> String {
    everything_to(server).replace("version: \"1\",", "version: \"1\", protocol: http2,")
}

/// A server, and where it listens.
struct Server {
    peer: Peer,
    address: SocketAddr,
}

impl Server {
    fn start(python: &str) -> Self {
        Self::with(python, &[])
    }

    fn with(python: &str, args: &[&str]) -> Self {
        let mut peer = Peer::start(python, PEER, &[&["serve"], args].concat());
        let address = peer.line().parse().expect("it says where it listens");
        Self { peer, address }
    }
}
