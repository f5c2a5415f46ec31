//! More connections than are allowed.

use super::backend;
use super::clients::{Clients, Tally};
use super::crowd::{connect, fits, open};
use super::endpoint::Endpoint;
use super::figures::{Memory, record};
use crate::harness::{Client, Serin, eventually};
use std::net::TcpStream;
use std::time::Duration;

const WORKERS: usize = 2;
const EACH: usize = 500;
const OVER: usize = 2_000;

#[test]
fn above_the_limit_connections_are_closed_at_once_and_below_it_nobody_notices() {
    if !fits(WORKERS * EACH + OVER) {
        return;
    }
    let endpoint = Endpoint::start("endpoint");
    let config = backend([endpoint.address()], "");
    let mut serin = Serin::start(&format!("{config}limits: {{ connectionsPerWorker: {EACH} }}\n"));
    let address = serin.address();
    let mut memory = Memory::watch(&serin);
    let clients = Clients::start(address, 8);
    eventually("they are served", || clients.answered() > 100);
    // While connections are handed from one worker to the other, either may have its fill and close one too early.
    let mut held = Vec::new();
    eventually("every place is taken", || {
        held.retain(|stream| !is_closed(stream, Duration::from_millis(1)));
        let free = WORKERS * EACH - open(&serin).min(WORKERS * EACH);
        held.extend(connect(address, free, None));
        free == 0
    });
    for round in 0..2 {
        let over = connect(address, OVER, None);
        let closed = over.iter().filter(|stream| is_closed(stream, Duration::from_secs(5))).count();
        assert_eq!(closed, OVER, "round {round}");
        let answered = clients.answered();
        eventually("those who were there are served", || clients.answered() > answered + 200);
    }
    assert_eq!(open(&serin), WORKERS * EACH);
    let tally = clients.stop();
    drop(held);
    eventually("a place is free", || {
        let mut client = Client::connect(address);
        client.wire.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n").is_ok() && client.try_response("GET").is_ok()
    });
    memory.look(&serin);
    record("connection limit reached", &tally, &serin, &memory, &format!("{} closed at once", 2 * OVER));
    tally.assert_none_lost();
    assert_eq!(tally.posts_lost, Tally::default().posts_lost);
    memory.assert_grew_at_most(16);
}

/// Whether the other side closes it within `patience`, without a byte.
fn is_closed(mut stream: &TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).expect("the socket takes options");
    match std::io::Read::read(&mut stream, &mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
