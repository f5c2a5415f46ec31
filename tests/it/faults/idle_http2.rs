//! A thousand HTTP/2 connections that have had their answer and are kept.

use super::backend;
use super::clients::{Clients, check};
use super::crowd::{fits, open};
use super::endpoint::{Endpoint, content};
use super::figures::{Memory, record};
use crate::harness::frames::{END_STREAM, HEADERS, request};
use crate::harness::{Frame, FrameClient, Serin, eventually};

const COUNT: usize = 1_000;
/// What one of them may add to resident memory; the kernel's part is not in it.
const BYTES_EACH: u64 = 12 << 10;
const ROUNDS: usize = 5;

#[test]
fn a_thousand_idle_http2_connections_cost_little_disturb_nobody_and_leave_nothing() {
    if !fits(COUNT) {
        return;
    }
    let endpoint = Endpoint::start("endpoint");
    let mut serin = Serin::start(&backend([endpoint.address()], ""));
    let address = serin.address();
    assert_eq!(check(&serin.client().get("/first/10"), "/first/10"), Ok(()));
    let mut memory = Memory::watch(&serin);
    let mut each = 0;
    for round in 0..ROUNDS {
        let mut idle: Vec<FrameClient> = (0..COUNT).map(|_| FrameClient::connect(address)).collect();
        idle.iter_mut().for_each(|client| ask_once(client, 1));
        eventually("all are open", || open(&serin) >= COUNT);
        memory.look(&serin);
        if round == 0 {
            each = memory.after.saturating_sub(memory.before) / COUNT as u64;
            assert!(each <= BYTES_EACH, "{each} bytes an idle HTTP/2 connection");
        }
        let clients = Clients::start(address, 4);
        eventually("others are served", || clients.answered() > 200);
        let tally = clients.stop();
        // Each of them is as good as on its first request.
        idle.iter_mut().step_by(10).for_each(|client| ask_once(client, 3));
        drop(idle);
        eventually("all are closed", || open(&serin) == 0);
        memory.look(&serin);
        let beside = format!("{each} bytes a connection");
        record("1,000 idle HTTP/2 connections", &tally, &serin, &memory, &beside);
        tally.assert_none_lost();
    }
    // Later ones take what the first have left; but the kernel gives each worker another part of them every time.
    memory.assert_grew_at_most(((2 * COUNT as u64 * BYTES_EACH) >> 20) + 8);
}

/// One whole exchange, on this stream.
fn ask_once(client: &mut FrameClient, stream: u32) {
    client.send(&Frame::headers(stream, &request("GET", "/1/9"), true));
    assert!(!client.until(|frame| frame.is(HEADERS)).expect("an answer").has(END_STREAM));
    let body = client.until(|frame| frame.stream == stream).expect("content");
    assert_eq!(body.payload, content("/1/9"));
}
