//! Two thousand clients that send or read a byte now and then.

use super::backend;
use super::clients::Clients;
use super::crowd::{connect, fits, open};
use super::endpoint::answer;
use super::figures::{Memory, record};
use crate::harness::{Backend, Conn, Serin, eventually};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const OF_EACH_KIND: usize = 670;
const TOGETHER: usize = 67;
/// From one byte to the next.
const PAUSE: Duration = Duration::from_millis(250);
/// The buffers of one connection's two directions, and what the worker keeps for it.
const KIB_EACH: u64 = 24;

/// Much for those who read slowly, and for others what they expect. The slow ones are counted as they come.
fn serve(conn: &mut Conn, slow: &AtomicUsize) {
    conn.forget();
    while let Some(head) = conn.head() {
        if head.start.contains(" /much ") || head.start.contains(" /slow/0 ") {
            slow.fetch_add(1, SeqCst);
        }
        let Some(request) = conn.rest_of(head) else { return };
        if request.target() != "/much" {
            conn.send(answer(request.target(), "endpoint"));
            continue;
        }
        let piece = vec![b'x'; 1 << 16];
        let mut goes_on = conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 16));
        for _ in 0..64 {
            goes_on = goes_on && conn.send(&piece);
        }
    }
}

/// What a client is slow at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Body,
    Reading,
}

/// A client that is still there.
struct Slow {
    kind: Kind,
    stream: TcpStream,
    sent: usize,
}

#[test]
fn two_thousand_slow_clients_end_in_time_and_in_bounded_memory_while_others_are_served() {
    if !fits(4 * OF_EACH_KIND) {
        return;
    }
    let at_endpoint = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&at_endpoint);
    let endpoint = Backend::start(move |conn| serve(conn, &counter));
    let config = backend([endpoint.address()], "");
    let limits = "timeouts: { headerRead: 2s, idle: 3s, request: 5s }\n";
    let mut serin = Serin::start(&format!("{config}{limits}"));
    let address = serin.address();
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(address, 4);
    let began = Instant::now();
    let (mut crowd, mut all): (Vec<Slow>, usize) = (Vec::new(), 0);
    for kind in [Kind::Head, Kind::Body, Kind::Reading] {
        for _ in 0..OF_EACH_KIND / TOGETHER {
            let before = at_endpoint.load(SeqCst);
            crowd.extend(come(address, kind));
            all += TOGETHER;
            // No more at once than an endpoint has room for in its queue.
            eventually("they are with the endpoint", || {
                kind == Kind::Head || at_endpoint.load(SeqCst) >= before + TOGETHER
            });
            // Those that came first go on while the last ones come: they are slow, not silent.
            crowd.retain_mut(Slow::goes_on);
        }
    }
    let came = began.elapsed();
    let mut longest = Duration::ZERO;
    while !crowd.is_empty() {
        let step = Instant::now();
        crowd.retain_mut(Slow::goes_on);
        longest = began.elapsed();
        assert!(longest < came + Duration::from_secs(40), "{} of {all} are not cut off", crowd.len());
        std::thread::sleep(PAUSE.saturating_sub(step.elapsed()));
    }
    assert!(longest >= Duration::from_secs(5), "a body that comes on may take as long as a request: {longest:?}");
    let answered = clients.answered();
    eventually("others are served on", || clients.answered() > answered + 100);
    let tally = clients.stop();
    eventually("all are closed", || open(&serin) == 0);
    memory.look(&serin);
    let grown = (memory.peak - memory.before) / all as u64;
    let beside = format!("the last one cut off after {:.1} s, {grown} bytes a client", longest.as_secs_f64());
    record("2,000 slow clients", &tally, &serin, &memory, &beside);
    tally.assert_none_lost();
    memory.assert_grew_at_most(((all as u64 * KIB_EACH) >> 10) + 8);
}

fn come(address: SocketAddr, kind: Kind) -> impl Iterator<Item = Slow> {
    // A reader's buffer is small, so that the proxy notices soon.
    let receive = (kind == Kind::Reading).then_some(4_096);
    connect(address, TOGETHER, receive).into_iter().map(move |mut stream| {
        let whole = match kind {
            Kind::Head => "G",
            Kind::Body => "POST /slow/0 HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n",
            Kind::Reading => "GET /much HTTP/1.1\r\nHost: test\r\n\r\n",
        };
        stream.write_all(whole.as_bytes()).expect("the proxy takes it");
        stream.set_nonblocking(true).expect("the socket takes options");
        Slow { kind, stream, sent: 1 }
    })
}

impl Slow {
    /// Does its next byte; whether the proxy has not ended it.
    fn goes_on(&mut self) -> bool {
        const HEAD: &[u8] = b"GET /slow/0 HTTP/1.1\r\nHost: test\r\nx-slow: ";
        if !matches!(self.stream.take_error(), Ok(None)) {
            return false;
        }
        if self.kind != Kind::Reading {
            let byte = if self.kind == Kind::Head { *HEAD.get(self.sent).unwrap_or(&b'a') } else { b'b' };
            self.sent += 1;
            if self.stream.write_all(&[byte]).is_err() {
                return false;
            }
        }
        // Whoever is slow at sending reads what the proxy has to say to that.
        let most = if self.kind == Kind::Reading { 1 } else { 1_024 };
        match self.stream.read(&mut [0; 1_024][..most]) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
