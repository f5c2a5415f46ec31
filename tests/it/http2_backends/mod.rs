//! Backends that speak HTTP/2, before clients that speak HTTP/1.1.

mod connections;
mod departures;
mod flow;
mod frames;
mod lives;
mod messages;
mod mirrors;
mod nginx;
mod peer;
mod secure;
mod strict;
mod through;
mod websocket;

use crate::harness::{Serin, everything_to};
use std::net::SocketAddr;

/// The config of a proxy that sends everything to `backend` over HTTP/2, with these settings of the backend.
fn over_http2(backend: SocketAddr, settings: &str) -> String {
    let comma = if settings.is_empty() { "" } else { ", " };
    let config = everything_to(backend)
        .replace("version: \"1\",", &format!("version: \"1\", protocol: http2{comma}{settings},"));
    // A connection is open when its peer has said its settings, for which a busy machine may need its time.
    format!("{config}timeouts: {{ connect: 10s }}\n")
}

/// Such a proxy with one worker: connections are each worker's own.
fn front(backend: SocketAddr, settings: &str) -> Serin {
    front_with(backend, settings, "")
}

/// The same with more config.
fn front_with(backend: SocketAddr, settings: &str, more: &str) -> Serin {
    Serin::start_with(&format!("{}{more}\n", over_http2(backend, settings)), &["--workers", "1"], &[])
}
