//! Flow control, end to end: whoever does not read stalls himself and nobody else.

use super::front;
use super::peer::{Call, Peer, response, send_all};
use crate::harness::eventually;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const PIECE: usize = 256 << 10;
/// More than all buffers on the way hold.
const ENDLESS: usize = 64 << 20;
const LARGE: usize = 10 << 20;

#[test]
fn a_client_that_does_not_read_stalls_its_own_stream_alone_and_in_bounded_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let theirs = Arc::clone(&sent);
    let backend = Peer::start(move |mut call: Call| {
        let sent = Arc::clone(&theirs);
        async move {
            let endless = call.head.uri.path() == "/endless";
            let mut sends = call.begin(response(200))?;
            let piece = Bytes::from(vec![b'x'; PIECE]);
            for _ in 0..(if endless { ENDLESS } else { LARGE }) / PIECE {
                send_all(&mut sends, piece.clone()).await?;
                if endless {
                    sent.fetch_add(PIECE, SeqCst);
                }
            }
            sends.send_data(Bytes::new(), true)
        }
    });
    let mut serin = front(backend.address(), "");
    let mut slow = serin.client();
    slow.send("GET /endless HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("its content is on the way", || sent.load(SeqCst) > 0);
    for _ in 0..3 {
        assert_eq!(serin.client().get("/large").body.len(), LARGE);
    }
    assert_eq!((backend.connections(), backend.streams()), (1, 1), "all on one connection, and one is not over");
    let before = serin.process.rss();
    assert!(sent.load(SeqCst) < ENDLESS);
    // It was never cut off: whoever reads again gets all of it.
    let mut total = 0;
    slow.head();
    while let Some(chunk) = slow.wire.chunk().expect("a whole chunk") {
        total += chunk.len();
    }
    assert_eq!(total, ENDLESS);
    let grown = serin.process.rss().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes more to pass {ENDLESS} on");
}

#[test]
fn a_backend_that_does_not_read_stalls_its_own_stream_alone() {
    let backend = Peer::start(async |mut call: Call| {
        if call.head.uri.path() == "/unread" {
            let reset = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
            return reset.map(|_| ());
        }
        let (content, _) = call.whole().await?;
        call.reply(200, content.len().to_string())
    });
    let mut serin = front(backend.address(), "");
    let mut stuck = serin.client();
    let content = "x".repeat(48 << 10);
    stuck.send(format!("POST /unread HTTP/1.1\r\nHost: test\r\nContent-Length: {ENDLESS}\r\n\r\n{content}"));
    eventually("it is at the backend", || backend.streams() == 1);
    let mut other = serin.client();
    for _ in 0..10 {
        other.send(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{content}", content.len()));
        assert_eq!(other.response().text(), content.len().to_string());
    }
    assert_eq!(backend.connections(), 1);
}
