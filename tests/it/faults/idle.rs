//! Ten thousand connections that have had their answer and are kept.

use super::clients::{Clients, check};
use super::crowd::{connect, fits, open};
use super::endpoint::{Endpoint, answer};
use super::figures::{Memory, record};
use super::{backend, factor};
use crate::harness::{Client, Serin, eventually};
use std::io::{Read, Write};
use std::net::TcpStream;

const COUNT: usize = 10_000;
/// What one of them may add to resident memory; the kernel's part is not in it.
const BYTES_EACH: u64 = 4_096;

#[test]
fn ten_thousand_idle_connections_cost_little_disturb_nobody_and_leave_nothing() {
    if !fits(COUNT) {
        return;
    }
    let endpoint = Endpoint::start("endpoint");
    let mut serin = Serin::start(&backend([endpoint.address()], ""));
    let address = serin.address();
    assert_eq!(check(&serin.client().get("/first/10"), "/first/10"), Ok(()));
    let mut memory = Memory::watch(&serin);
    let mut each = 0;
    for round in 0..=factor() {
        let mut idle = connect(address, COUNT, None);
        idle.iter_mut().for_each(ask_once);
        eventually("all are open", || open(&serin) >= COUNT);
        memory.look(&serin);
        if round == 0 {
            each = memory.after.saturating_sub(memory.before) / COUNT as u64;
            assert!(each <= BYTES_EACH, "{each} bytes an idle connection");
        }
        let clients = Clients::start(address, 4);
        eventually("others are served", || clients.answered() > 500);
        let tally = clients.stop();
        // Each of them is as good as on its first request.
        idle.iter_mut().step_by(100).for_each(ask_once);
        drop(idle);
        eventually("all are closed", || open(&serin) == 0);
        memory.look(&serin);
        let beside = format!("{each} bytes a connection");
        record("10,000 idle connections", &tally, &serin, &memory, &beside);
        tally.assert_none_lost();
    }
    // What a second ten thousand take is what the first have left.
    memory.assert_grew_at_most(((COUNT as u64 * BYTES_EACH) >> 20) + 8);
    assert_eq!(Client::connect(address).get("/last/0").status, 200);
}

/// One whole exchange.
fn ask_once(stream: &mut TcpStream) {
    const WHOLE: &str = "\r\n\r\n/1/9/1/9/";
    stream.write_all(b"GET /1/9 HTTP/1.1\r\nHost: test\r\n\r\n").expect("the proxy takes it");
    let (mut read, mut bytes) = (0, [0; 1_024]);
    while !bytes[..read].ends_with(WHOLE.as_bytes()) {
        let more = stream.read(&mut bytes[read..]).expect("an answer");
        assert!(more > 0, "closed after {:?}", String::from_utf8_lossy(&bytes[..read]));
        read += more;
    }
    assert!(bytes.starts_with(b"HTTP/1.1 200 ") && answer("/1/9", "").ends_with(WHOLE.as_bytes()));
}
