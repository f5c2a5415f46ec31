//! Bodies larger than memory should ever see: backpressure, and what it costs.

use crate::harness::{Client, Serin, eventually, front};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What a proxy may hold for one body, on top of what it had before: buffers, and the allocator's slack.
const ALLOWANCE: u64 = 24 * MIB;

/// Samples the proxy's memory while `work` runs, and asserts that it never rose by more than the allowance.
fn in_constant_memory(serin: &Serin, work: impl FnOnce()) {
    let before = serin.process.rss();
    let done = AtomicBool::new(false);
    let highest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                highest.fetch_max(serin.process.rss(), SeqCst);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let _sampled = Done(&done);
        work();
    });
    let rise = highest.load(SeqCst).saturating_sub(before);
    assert!(rise < ALLOWANCE, "memory rose by {} KiB", rise / 1024);
}

/// Ends the sampling, also when the work panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn send_bytes(mut send: impl FnMut(&[u8]) -> bool, mut n: u64) {
    let piece = vec![b'x'; 256 * 1024];
    while n > 0 {
        let now = usize::try_from(n.min(piece.len() as u64)).expect("small");
        if !send(&piece[..now]) {
            return;
        }
        n -= now as u64;
    }
}

#[test]
fn a_gibibyte_comes_down_in_constant_memory() {
    let (mut serin, _backend) = front(|conn| {
        conn.request();
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n"));
        send_bytes(|piece| conn.send(piece), GIB);
    });
    let mut client = serin.client();
    in_constant_memory(&serin, || {
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(client.head().0, 200);
        client.wire.skip(GIB).expect("all of it");
    });
}

#[test]
fn a_gibibyte_goes_up_in_constant_memory() {
    let (mut serin, _backend) = front(|conn| {
        conn.head();
        conn.forget();
        // What came with the head is still in the reader's buffer, which the skipping goes on from.
        if conn.wire.skip(GIB).is_ok() {
            conn.reply("all");
        }
    });
    let mut client = serin.client();
    in_constant_memory(&serin, || {
        client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {GIB}\r\n\r\n"));
        send_bytes(|piece| client.wire.send(piece).is_ok(), GIB);
        assert_eq!(client.response().text(), "all");
    });
}

#[test]
fn a_slow_reader_holds_the_backend_back() {
    const WHOLE: u64 = 256 * MIB;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let (mut serin, _backend) = front(move |conn| {
        conn.request();
        conn.wire.stream().set_write_timeout(None).expect("the socket takes options");
        conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n"));
        send_bytes(
            |piece| {
                counter.fetch_add(piece.len() as u64, SeqCst);
                conn.send(piece)
            },
            WHOLE,
        );
    });
    let mut client = serin.client();
    let mut other: Client = serin.client();
    in_constant_memory(&serin, || {
        client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(client.head().0, 200);
        let (mut last, mut since) = (0, Instant::now());
        eventually("the backend is held back", || {
            let now = sent.load(SeqCst);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            now > 0 && since.elapsed() > Duration::from_millis(400)
        });
        // The kernel's own buffers on two connections hold some megabytes.
        assert!(last < 64 * MIB, "{} MiB were taken from the backend", last / MIB);
        client.wire.skip(WHOLE).expect("it is all there in the end");
    });
    // The slow one did not hold up the quick one, nor the count.
    other.send("GET /x HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(other.head().0, 200);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
}

#[test]
fn a_slow_backend_holds_the_client_back() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (mut serin, backend) = front(move |conn| {
        conn.head();
        // Reads nothing more until the test is over.
        let _ = released.lock().unwrap().recv();
    });
    let mut client = serin.client();
    client.wire.stream().set_write_timeout(Some(Duration::from_millis(500))).expect("the socket takes options");
    in_constant_memory(&serin, || {
        client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {GIB}\r\n\r\n"));
        let mut taken = 0;
        send_bytes(
            |piece| {
                let went = client.wire.send(piece).is_ok();
                taken += if went { piece.len() as u64 } else { 0 };
                went
            },
            GIB,
        );
        assert!(taken < 64 * MIB, "{} MiB were taken from the client", taken / MIB);
    });
    assert_eq!(backend.connections(), 1);
    drop(release);
}
