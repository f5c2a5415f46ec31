//! What the tests stand on: the real binary, backends that do as they are told, and a client that sends any bytes.
//!
//! Everything here blocks, with a time limit on every wait: a test that would hang fails instead, and says on what.

mod backend;
mod black_hole;
mod client;
mod dns;
pub(crate) mod frames;
mod free;
pub(crate) mod hpack;
mod load;
mod log;
mod metrics;
mod metronome;
mod nginx;
mod peer;
mod process;
mod programs;
mod serin;
mod service;
mod wire;

pub(crate) use backend::{Backend, Conn};
pub(crate) use black_hole::black_hole;
pub(crate) use client::{Client, Response};
pub(crate) use dns::Dns;
pub(crate) use frames::{Frame, FrameClient};
pub(crate) use free::free_address;
pub(crate) use load::{Load, Report};
pub(crate) use metronome::Metronome;
pub(crate) use nginx::Nginx;
pub(crate) use peer::{Peer, python};
pub(crate) use process::Process;
pub(crate) use programs::{has, no_peer, program, skipped};
pub(crate) use serin::{Layout, Serin, complete};
pub(crate) use service::{Served, Service};
pub(crate) use wire::Request;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long any one wait may take before the test fails. Nothing that works takes a tenth of it; a machine whose cores
/// and disk others have taken does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `holds`, looking every few milliseconds: what another process does can be seen, not awaited.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// A config's backends and routes that send everything to one address.
pub(crate) fn everything_to(backend: SocketAddr) -> String {
    format!(
        r#"
backends:
  - {{ name: stable, version: "1", endpoints: {{ static: ["{backend}"] }} }}
routes:
  - name: web
    rules:
      - name: everyone
        backendRefs: [{{ name: stable }}]
"#
    )
}

/// A backend that runs `script` on each connection, and a proxy in front of it.
pub(crate) fn front(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Serin, Backend) {
    front_with("", script)
}

/// The same with more config, such as `timeouts: { idle: 1s }`.
pub(crate) fn front_with(more: &str, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Serin, Backend) {
    let backend = Backend::start(script);
    let serin = Serin::start(&format!("{}{more}\n", everything_to(backend.address())));
    (serin, backend)
}
