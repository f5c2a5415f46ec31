//! A client that takes nothing of what it asked for, and is read from all the same.

use crate::harness::frames::{ACK, CANCEL, HEADERS, SETTINGS, request};
use crate::harness::{Backend, Frame, FrameClient, Serin, eventually, front_with, hpack};
use std::time::Duration;

/// More than the sockets' buffers hold.
const BIG: usize = 64 << 20;

/// A client that has asked for [`BIG`] bytes, has windows for all of them, and reads none.
fn blocked(settings: &str) -> (Serin, Backend, FrameClient) {
    let (mut serin, backend) = front_with(settings, |conn| {
        conn.forget();
        conn.request();
        let _ = conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n")) && conn.send(vec![b'x'; BIG]);
        conn.await_close();
    });
    let mut client = FrameClient::with_settings(serin.address(), &[(4, 1 << 30)]);
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    client.send(&Frame::window_update(0, 1 << 30));
    client.send(&Frame::get(1));
    eventually("it is under way", || upstream(&serin) == 1);
    // Until the buffers are full.
    std::thread::sleep(Duration::from_millis(500));
    (serin, backend, client)
}

fn upstream(serin: &Serin) -> u64 {
    serin.count("serin_connections", &[("side", "upstream")])
}

#[test]
fn what_a_client_gives_up_and_does_not_take_is_given_up() {
    let (serin, _backend, mut client) = blocked("timeouts: { idle: 10m }");
    assert_eq!(upstream(&serin), 1);
    client.send(&Frame::reset(1, CANCEL));
    eventually("its backend is told", || upstream(&serin) == 0);
}

#[test]
fn a_head_without_an_end_is_waited_for_no_longer_because_nothing_is_taken() {
    let (serin, _backend, mut client) = blocked("timeouts: { headerRead: 300ms, idle: 10m }");
    assert_eq!(upstream(&serin), 1);
    client.send(&Frame::new(HEADERS, 0, 3, hpack::literals(&request("GET", "/"))));
    eventually("the connection is over", || upstream(&serin) == 0);
}
