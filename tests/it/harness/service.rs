//! An ordinary HTTP service: quick, named, and as bad as it is told to be.

use super::backend::{Backend, Conn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A service that names itself in `x-backend`.
pub(crate) struct Service {
    backend: Backend,
    behaviour: Arc<Behaviour>,
}

#[derive(Default)]
struct Behaviour {
    name: String,
    failing_percent: AtomicU64,
    delay_ms: AtomicU64,
    requests: AtomicU64,
    served: Mutex<Vec<Served>>,
}

/// One request, in the order in which the responses were begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    /// When the request was there.
    pub(crate) came: Instant,
    /// When the response was sent.
    pub(crate) answered: Instant,
    pub(crate) failed: bool,
}

impl Service {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), name)
    }

    pub(crate) fn start_at(address: SocketAddr, name: &str) -> Self {
        let behaviour = Arc::new(Behaviour { name: name.to_owned(), ..Behaviour::default() });
        let theirs = Arc::clone(&behaviour);
        Self { backend: Backend::start_at(address, move |conn| theirs.serve(conn)), behaviour }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.backend.address()
    }

    /// From now on this share of the requests gets 500: evenly spread, no chance in it.
    pub(crate) fn fail(&self, percent: u64) {
        self.behaviour.failing_percent.store(percent, SeqCst);
    }

    /// From now on every response takes this long.
    pub(crate) fn delay(&self, delay: Duration) {
        self.behaviour.delay_ms.store(u64::try_from(delay.as_millis()).expect("a short time"), SeqCst);
    }

    /// How many requests it has had.
    pub(crate) fn requests(&self) -> u64 {
        self.behaviour.requests.load(SeqCst)
    }

    /// Every request so far.
    pub(crate) fn served(&self) -> Vec<Served> {
        self.behaviour.served.lock().unwrap().clone()
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.backend.connections()
    }
}

impl Behaviour {
    fn serve(&self, conn: &mut Conn) {
        conn.forget();
        while let Ok(Some(head)) = conn.wire.head() {
            if conn.rest_of(head).is_none() {
                break;
            }
            let came = Instant::now();
            let before = self.requests.fetch_add(1, SeqCst);
            let percent = self.failing_percent.load(SeqCst);
            let failed = (before + 1) * percent / 100 > before * percent / 100;
            let delay = self.delay_ms.load(SeqCst);
            if delay > 0 {
                std::thread::sleep(Duration::from_millis(delay));
            }
            let (code, name) = (if failed { "500 Internal Server Error" } else { "200 OK" }, &self.name);
            self.served.lock().unwrap().push(Served { came, answered: Instant::now(), failed });
            if !conn.send(format!("HTTP/1.1 {code}\r\nx-backend: {name}\r\nContent-Length: 2\r\n\r\nok")) {
                break;
            }
        }
    }
}
