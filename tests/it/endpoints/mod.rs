//! Endpoints that fail, in every way that they do: they get no requests until they are well again.

mod checks;
mod connections;
mod ejections;
mod overload;
mod sides;

use crate::harness::{Backend, Conn, Serin, eventually};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst};

/// Asks often, and changes its mind on the second answer.
const HEALTH: &str =
    "health: { path: /healthz, interval: 100ms, timeout: 200ms, healthyThreshold: 2, unhealthyThreshold: 2 }";

/// An endpoint that is as well as it is told to be; it counts what is not a health check.
struct Shop {
    backend: Backend,
    told: Arc<Told>,
}

struct Told {
    name: String,
    /// What health checks are answered.
    health: AtomicU16,
    /// What everything else is answered.
    code: AtomicU16,
    /// Nothing is answered any more, and nothing closed: as a process that was stopped.
    frozen: AtomicBool,
    requests: AtomicU64,
    checks: AtomicU64,
}

impl Shop {
    fn open(name: &str) -> Self {
        let told = Arc::new(Told {
            name: name.to_owned(),
            health: AtomicU16::new(200),
            code: AtomicU16::new(200),
            frozen: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            checks: AtomicU64::new(0),
        });
        let theirs = Arc::clone(&told);
        Self { backend: Backend::start(move |conn| theirs.serve(conn)), told }
    }

    fn address(&self) -> SocketAddr {
        self.backend.address()
    }

    fn health(&self, code: u16) {
        self.told.health.store(code, SeqCst);
    }

    fn answer(&self, code: u16) {
        self.told.code.store(code, SeqCst);
    }

    fn freeze(&self, frozen: bool) {
        self.told.frozen.store(frozen, SeqCst);
    }

    fn requests(&self) -> u64 {
        self.told.requests.load(SeqCst)
    }

    fn checks(&self) -> u64 {
        self.told.checks.load(SeqCst)
    }
}

impl Told {
    fn serve(&self, conn: &mut Conn) {
        while let Ok(Some(head)) = conn.wire.head() {
            if self.frozen.load(SeqCst) {
                conn.await_close();
                return;
            }
            let is_check = head.start.contains(" /healthz ");
            let (count, code) = if is_check { (&self.checks, &self.health) } else { (&self.requests, &self.code) };
            count.fetch_add(1, SeqCst);
            let (code, name) = (code.load(SeqCst), &self.name);
            if !conn.send(format!("HTTP/1.1 {code} x\r\nx-backend: {name}\r\nContent-Length: 2\r\n\r\nok")) {
                return;
            }
        }
    }
}

/// One backend, with these settings, that gets everything.
fn one_backend(shops: &[Shop], settings: &str) -> String {
    let addresses: Vec<_> = shops.iter().map(Shop::address).collect();
    format!(
        "backends:\n  - {}\n{ROUTE}        backendRefs: [{{ name: shop }}]\n",
        backend("shop", &addresses, settings)
    )
}

const ROUTE: &str = "routes:\n  - name: web\n    rules:\n      - name: everyone\n";

fn backend(name: &str, addresses: &[SocketAddr], settings: &str) -> String {
    let list: Vec<_> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    let comma = if settings.is_empty() { "" } else { ", " };
    format!("{{ name: {name}, version: \"1\", endpoints: {{ static: [{}] }}{comma}{settings} }}", list.join(", "))
}

/// How many of the backend's endpoints are in this state.
#[track_caller]
fn endpoints(serin: &Serin, backend: &str, state: &str) -> u64 {
    serin.count("serin_endpoints", &[("backend", backend), ("state", state)])
}

#[track_caller]
fn await_endpoints(serin: &Serin, backend: &str, state: &str, count: u64) {
    eventually(&format!("{count} endpoints of {backend} are {state}"), || endpoints(serin, backend, state) == count);
}

/// The codes of `count` requests, one after the other on one connection.
fn codes(serin: &mut Serin, count: usize) -> Vec<u16> {
    let mut client = serin.client();
    (0..count).map(|_| client.get("/").status).collect()
}
