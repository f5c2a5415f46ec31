//! HTTP/2 clients that ask for much, open every window, and read nothing.

use super::backend;
use super::clients::Clients;
use super::crowd::{fits, open};
use super::endpoint::answer;
use super::figures::{Memory, record};
use crate::harness::frames::request;
use crate::harness::{Backend, Conn, Frame, FrameClient, Serin, eventually};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const COUNT: usize = 20;
/// What a connection may have under way, which is the default.
const STREAMS: u32 = 100;
/// What a stream may have waiting to be sent, 64 KiB; its buffer, its task and its connection to the endpoint.
const KIB_A_STREAM: u64 = 64 + 48;
const PIECE: usize = 1 << 16;

/// Sixteen times as much as may wait, which is counted, and for others what they expect.
fn serve(conn: &mut Conn, asked_for_much: &AtomicUsize) {
    conn.forget();
    while let Some(request) = conn.request() {
        let mut goes_on = if request.target() == "/much" {
            asked_for_much.fetch_add(1, SeqCst);
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 16 * PIECE))
        } else {
            conn.send(answer(request.target(), "endpoint"))
        };
        for _ in 0..if request.target() == "/much" { 16 } else { 0 } {
            goes_on = goes_on && conn.send(vec![b'x'; PIECE]);
        }
        if !goes_on {
            return;
        }
    }
}

#[test]
fn http2_clients_that_read_nothing_end_in_time_and_in_bounded_memory_while_others_are_served() {
    if !fits(COUNT * (1 + STREAMS as usize)) {
        return;
    }
    let asked_for_much = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked_for_much);
    let endpoint = Backend::start(move |conn| serve(conn, &counter));
    // The endpoint has a thread for each of them, and may take its time for everybody.
    let config = backend([endpoint.address()], "").replace("perTryTimeout: 300ms", "perTryTimeout: 20s");
    let mut serin = Serin::start(&format!("{config}timeouts: {{ idle: 5s }}\n"));
    let address = serin.address();
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(address, 4);
    // A window for all streams together, and for each of them.
    let deaf: Vec<FrameClient> = (0..COUNT)
        .map(|nth| {
            let mut client = FrameClient::with_settings(address, &[(4, 1 << 30)]);
            client.send(&Frame::window_update(0, 1 << 30));
            let heads = (0..STREAMS).map(|n| Frame::headers(1 + 2 * n, &request("GET", "/much"), true).bytes());
            client.raw(&heads.collect::<Vec<_>>().concat());
            // No more at once than an endpoint has room for in its queue.
            let so_far = (nth + 1) * STREAMS as usize;
            eventually("they are with the endpoint", || asked_for_much.load(SeqCst) >= so_far);
            client
        })
        .collect();
    let answered = clients.answered();
    eventually("others are served meanwhile", || clients.answered() > answered + 100);
    eventually("the deaf ones are closed", || open(&serin) <= 4);
    drop(deaf);
    let tally = clients.stop();
    memory.look(&serin);
    let each = (memory.peak - memory.before) / COUNT as u64;
    let beside = format!("{STREAMS} streams of each, {each} bytes a client");
    record("20 HTTP/2 clients that read nothing", &tally, &serin, &memory, &beside);
    tally.assert_none_lost();
    memory.assert_grew_at_most(((COUNT as u64 * u64::from(STREAMS) * KIB_A_STREAM) >> 10) + 8);
}
