//! Clients that ask on and on, whatever happens behind the proxy, and check every response to its last byte.

use super::endpoint::content;
use crate::harness::{Client, Response};
use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Running clients, each with a connection of its own. Every fourth request is a `POST`.
pub(super) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Tally>>,
}

struct Shared {
    address: SocketAddr,
    stop: AtomicBool,
    answered: AtomicU64,
    /// Good answers by the name of who gave them.
    served: Mutex<BTreeMap<String, u64>>,
}

/// What clients saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    /// Idempotent requests without a good answer, by what they got instead.
    pub(super) lost: BTreeMap<String, u64>,
    /// The same for `POST` requests.
    pub(super) posts_lost: BTreeMap<String, u64>,
    /// The targets of `POST` requests that were answered.
    pub(super) posted: HashSet<String>,
    /// From sending a request until its answer was whole, or would not come.
    pub(super) longest: Duration,
}

/// Small enough to be sent in one piece, which a process that is killed does or does not do.
const LENGTHS: [usize; 4] = [2, 0, 300, 1_400];
/// After this long a client does not count on its connection any more.
const LONGEST_IDLE: Duration = Duration::from_secs(1);

impl Clients {
    pub(super) fn start(address: SocketAddr, count: usize) -> Self {
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { address, stop, answered, served: Mutex::default() });
        let threads = (0..count).map(|id| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.ask_on(id))
        });
        Self { threads: threads.collect(), shared }
    }

    /// How many good answers there have been.
    pub(super) fn answered(&self) -> u64 {
        self.shared.answered.load(SeqCst)
    }

    /// How many of them the endpoint with this name gave.
    pub(super) fn served(&self, name: &str) -> u64 {
        self.shared.served.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    /// Lets every client finish its request, and tells what all saw.
    pub(super) fn stop(self) -> Tally {
        self.shared.stop.store(true, SeqCst);
        let tallies = self.threads.into_iter().map(|thread| thread.join().expect("a client does not panic"));
        tallies.fold(Tally::default(), Tally::and)
    }
}

impl Shared {
    fn ask_on(&self, id: usize) -> Tally {
        let mut tally = Tally::default();
        let mut client = Client::connect(self.address);
        let mut idle_since = Instant::now();
        for number in 0.. {
            if self.stop.load(SeqCst) {
                break;
            }
            let target = format!("/{id}-{number}/{}", LENGTHS[number % LENGTHS.len()]);
            let is_post = number % 4 == 3;
            let began = Instant::now();
            // On a busy machine a client may not get its turn for as long as the proxy keeps an idle connection.
            if began - idle_since > LONGEST_IDLE {
                client = Client::connect(self.address);
            }
            let answer = ask(&mut client, &target, is_post);
            tally.requests += 1;
            idle_since = Instant::now();
            tally.longest = tally.longest.max(idle_since - began);
            match answer {
                Ok(name) => {
                    self.answered.fetch_add(1, SeqCst);
                    *self.served.lock().unwrap().entry(name).or_default() += 1;
                    if is_post {
                        tally.posted.insert(target);
                    }
                }
                Err((why, keeps)) => {
                    let lost = if is_post { &mut tally.posts_lost } else { &mut tally.lost };
                    *lost.entry(why).or_default() += 1;
                    if !keeps {
                        client = Client::connect(self.address);
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        tally
    }
}

/// Asks once: who answered, or what was wrong and whether the connection goes on.
fn ask(client: &mut Client, target: &str, is_post: bool) -> Result<String, (String, bool)> {
    let (method, body) = if is_post { ("POST", "Content-Length: 4\r\n\r\npay!") } else { ("GET", "\r\n") };
    let sent = client.wire.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{body}").as_bytes());
    let response = sent.and_then(|()| client.try_response(method)).map_err(|error| (lost(&error), false))?;
    let keeps = !response.head.lists("connection", "close");
    check(&response, target).map_err(|why| (why, keeps))?;
    if keeps { Ok(response.backend().to_owned()) } else { Err(("closed after a good answer".to_owned(), false)) }
}

/// Whether it is the answer to this very target.
pub(super) fn check(response: &Response, target: &str) -> Result<(), String> {
    match response.status {
        200 if response.body == content(target) => Ok(()),
        200 => Err("the answer to something else".to_owned()),
        code => Err(format!("{code} {}", response.head.one("x-serin-reason").unwrap_or("from an endpoint"))),
    }
}

fn lost(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "cut off".to_owned(),
        _ => error.to_string(),
    }
}

impl Tally {
    pub(super) fn and(mut self, other: Self) -> Self {
        self.requests += other.requests;
        for (mine, theirs) in [(&mut self.lost, other.lost), (&mut self.posts_lost, other.posts_lost)] {
            theirs.into_iter().for_each(|(why, count)| *mine.entry(why).or_default() += count);
        }
        self.posted.extend(other.posted);
        self.longest = self.longest.max(other.longest);
        self
    }

    /// Asserts that no more `POST` requests were lost than that, and none in another way than `ways`.
    #[track_caller]
    pub(super) fn assert_posts_lost_at_most(&self, most: usize, ways: &[&str]) {
        assert!(self.posts_lost.keys().all(|why| ways.contains(&why.as_str())), "{:?}", self.posts_lost);
        assert!(self.posts_lost.values().sum::<u64>() <= most as u64, "{:?}", self.posts_lost);
    }

    /// Asserts that no idempotent request was lost.
    #[track_caller]
    pub(super) fn assert_none_lost(&self) {
        assert!(self.lost.is_empty(), "of {} requests were lost: {:?}", self.requests, self.lost);
        assert!(self.requests > 0, "nothing was asked");
    }

    /// Asserts that of the `POST` requests that arrived at endpoints, each did once, and every answered one did.
    #[track_caller]
    pub(super) fn assert_posted_once(&self, arrived: impl IntoIterator<Item = String>) {
        let mut once = HashSet::new();
        for target in arrived {
            assert!(once.insert(target.clone()), "POST {target} arrived twice");
        }
        let made_up: Vec<_> = self.posted.difference(&once).collect();
        assert!(made_up.is_empty(), "answered, and never arrived: {made_up:?}");
    }
}
