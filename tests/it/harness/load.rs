//! Clients that ask on and on, each over one connection that it never wants to lose.

use super::client::{Client, Response};
use super::eventually;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Running clients.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    pause: Duration,
    stop: AtomicBool,
    done: AtomicU64,
    /// How many requests each client has begun; `u64::MAX` from one that has ended.
    begun: Vec<AtomicU64>,
    limit: u64,
    report: Mutex<Report>,
}

/// What the clients saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Report {
    /// Answers with 200, by `x-backend`.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Answers with another code, by code and `x-backend`.
    pub(crate) refusals: BTreeMap<(u16, String), u64>,
    /// Connections that ended, and requests without an answer.
    pub(crate) losses: Vec<String>,
    /// When each request was sent and who answered it, in no order.
    pub(crate) sent: Vec<(Instant, String)>,
}

impl Load {
    /// `clients` connections; each waits `pause` between an answer and its next request.
    pub(crate) fn start(address: SocketAddr, clients: usize, pause: Duration) -> Self {
        Self::limited(address, clients, pause, u64::MAX)
    }

    /// The same, and together they send `limit` requests, then stop.
    pub(crate) fn limited(address: SocketAddr, clients: usize, pause: Duration, limit: u64) -> Self {
        let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let begun = (0..clients).map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new(Shared { address, pause, stop, done, begun, limit, report: Mutex::default() });
        let threads = (0..clients).map(|client| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                shared.run(client);
                shared.begun[client].store(u64::MAX, SeqCst);
            })
        });
        Self { threads: threads.collect(), shared }
    }

    /// How many requests were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.shared.done.load(SeqCst)
    }

    /// Waits until every client is at a later request than now: whatever was on its way has been answered, and what is
    /// on its way has been sent since.
    #[track_caller]
    pub(crate) fn turnover(&self) {
        let begun = || self.shared.begun.iter().map(|client| client.load(SeqCst));
        let before: Vec<_> = begun().collect();
        let is_past = |(before, now): (&u64, u64)| now > *before || now == u64::MAX;
        eventually("every client is at its next request", || before.iter().zip(begun()).all(is_past));
    }

    /// Lets every client finish its request, and tells what all saw.
    pub(crate) fn stop(self) -> Report {
        self.shared.stop.store(true, SeqCst);
        self.join()
    }

    /// Waits until the limit is reached.
    pub(crate) fn join(self) -> Report {
        for thread in self.threads {
            thread.join().expect("a client does not panic");
        }
        std::mem::take(&mut *self.shared.report.lock().unwrap())
    }
}

impl Shared {
    fn run(&self, client: usize) {
        let (mut mine, begun) = (Report::default(), &self.begun[client]);
        match Client::try_connect(self.address) {
            Ok(mut client) => {
                while !self.stop.load(SeqCst) && self.done.fetch_add(1, SeqCst) < self.limit {
                    begun.fetch_add(1, SeqCst);
                    let at = Instant::now();
                    match ask(&mut client) {
                        Ok(response) => mine.note(at, &response),
                        Err(e) => {
                            mine.losses.push(e.to_string());
                            match Client::try_connect(self.address) {
                                Ok(new) => client = new,
                                Err(e) => {
                                    mine.losses.push(format!("connect: {e}"));
                                    break;
                                }
                            }
                        }
                    }
                    if !self.pause.is_zero() {
                        std::thread::sleep(self.pause);
                    }
                }
            }
            Err(e) => mine.losses.push(format!("connect: {e}")),
        }
        self.report.lock().unwrap().add(mine);
    }
}

fn ask(client: &mut Client) -> std::io::Result<Response> {
    client.wire.send(b"GET /load HTTP/1.1\r\nHost: test\r\n\r\n")?;
    client.try_response("GET")
}

impl Report {
    fn note(&mut self, at: Instant, response: &Response) {
        let backend = response.backend().to_owned();
        self.sent.push((at, backend.clone()));
        match response.status {
            200 => *self.answers.entry(backend).or_default() += 1,
            code => *self.refusals.entry((code, backend)).or_default() += 1,
        }
    }

    fn add(&mut self, other: Self) {
        for (backend, count) in other.answers {
            *self.answers.entry(backend).or_default() += count;
        }
        for (key, count) in other.refusals {
            *self.refusals.entry(key).or_default() += count;
        }
        self.losses.extend(other.losses);
        self.sent.extend(other.sent);
    }

    /// Answers with 200 from this backend.
    pub(crate) fn from(&self, backend: &str) -> u64 {
        self.answers.get(backend).copied().unwrap_or_default()
    }

    /// All answers with 200.
    pub(crate) fn good(&self) -> u64 {
        self.answers.values().sum()
    }

    /// Asserts that every request was answered with 200 and no connection was lost.
    #[track_caller]
    pub(crate) fn assert_flawless(&self) {
        assert!(self.losses.is_empty(), "{} lost: {:?}", self.losses.len(), &self.losses[..self.losses.len().min(5)]);
        assert!(self.refusals.is_empty(), "refused: {:?}", self.refusals);
        assert!(self.good() > 0, "nothing was asked");
    }
}
