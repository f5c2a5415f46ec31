//! gRPC: real peers on both sides, Python's `grpcio`; and, by hand, what they would never send.

mod by_hand;
mod caller;
mod calls;
mod deadlines;
mod health;
mod judge;
mod secure;

use crate::harness::{PATIENCE, Peer, everything_to, python};
use crate::tls::authority::Files;
use std::net::SocketAddr;

const PEER: &str = "tests/it/grpc/peer.py";

/// A Python with `grpcio`.
#[track_caller]
fn grpcio() -> Option<String> {
    python("grpc.aio")
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
        Self::listen(python, &[&["serve"], args].concat())
    }

    /// The same over TLS.
    fn secure(python: &str, files: &Files) -> Self {
        let [certificate, key] = [&files.certificate, &files.key].map(|file| file.to_str().expect("a plain path"));
        Self::listen(python, &["serve-tls", certificate, key])
    }

    fn listen(python: &str, args: &[&str]) -> Self {
        let mut peer = Peer::start(python, PEER, args);
        let address = peer.line().parse().expect("it says where it listens");
        Self { peer, address }
    }
}

/// How long a caller may take for all of it, in seconds.
fn limit() -> String {
    (PATIENCE.as_secs() * 5).to_string()
}

/// Has a caller call in every way there is, with these arguments behind the limit.
#[track_caller]
fn assert_talks(python: &str, proxy: SocketAddr, more: &[&str]) {
    let (address, limit) = (proxy.to_string(), limit());
    let mut caller = Peer::start(python, PEER, &[&["talk", &address, &limit], more].concat());
    // Each line is one thing that the caller has seen to work; what does not work ends it with an error instead.
    let expected = [
        "unary calls",
        "server streaming",
        "client streaming",
        "streaming both ways",
        "metadata",
        "statuses",
        "deadline",
        "cancellation",
    ];
    for what in expected {
        assert_eq!(caller.line(), what);
    }
    assert!(caller.ends_well());
}
