//! Upgrades over TLS on both sides: a tunnel's bytes, and what an end is in it.

use super::authority::Authority;
use super::bodies::{both_sides, noise};
use super::peers::{SecureClient, SecureConn};
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::sync::{Mutex, mpsc};

const ASK: &[u8] = b"GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";

/// Switches, speaks first, sends back what comes, and has the last word.
fn echo(conn: &mut SecureConn) -> io::Result<()> {
    conn.request()?;
    conn.send(format!("{SWITCH}first").as_bytes())?;
    let mut bytes = [0; 5_000];
    loop {
        match conn.stream.read(&mut bytes)? {
            0 => break,
            read => conn.send(&bytes[..read])?,
        }
    }
    conn.send(b"last")?;
    conn.say_goodbye()
}

fn switch(client: &mut SecureClient) {
    client.send(ASK).unwrap();
    let (head, _) = client.response().unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}

fn exactly(client: &mut SecureClient, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    client.0.read_exact(&mut bytes).expect("they come");
    bytes
}

#[test]
fn bytes_go_both_ways_and_each_sides_end_is_announced() {
    let Some(authority) = Authority::new() else { return };
    let (mut serin, backend) = both_sides(&authority, echo);
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    switch(&mut client);
    assert_eq!(exactly(&mut client, 5), b"first");
    for length in [1, 4_096, 16_384, 100_000] {
        let bytes = noise(length);
        client.send(&bytes).unwrap();
        assert!(exactly(&mut client, length) == bytes, "{length} bytes, as they were sent");
    }
    assert_eq!(serin.count("serin_tunnels", &[]), 1);
    client.0.conn.send_close_notify();
    client.0.conn.complete_io(&mut client.0.sock).unwrap();
    client.0.sock.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    // Without `close_notify` this would be an error.
    client.0.read_to_end(&mut rest).expect("the end was announced");
    assert_eq!(rest, b"last");
    serin.await_none("serin_tunnels", &[]);
    assert_eq!(serin.count("serin_requests_total", &[("code", "101")]), 1);
    assert_eq!(backend.connections(), 1);
}

/// An end without `close_notify` may be anybody's doing, so the other side must not take it for the conversation's.
#[test]
fn what_was_cut_off_is_no_end_on_the_other_side() {
    let Some(authority) = Authority::new() else { return };
    let (to_test, from_backend) = mpsc::channel();
    let to_test = Mutex::new(to_test);
    let (mut serin, _backend) = both_sides(&authority, move |conn| {
        conn.request()?;
        conn.send(SWITCH.as_bytes())?;
        let mut said = Vec::new();
        let end = conn.stream.read_to_end(&mut said).map_err(|error| error.kind());
        to_test.lock().unwrap().send((said, end)).map_err(io::Error::other)
    });
    let mut client = SecureClient::connect(serin.address(), &authority, "web.test").unwrap();
    switch(&mut client);
    client.send(b"half a sen").unwrap();
    serin.await_count("serin_tunnel_bytes_total", &[("from", "client")], 10);
    client.0.sock.shutdown(Shutdown::Write).unwrap();
    let (said, end) = from_backend.recv_timeout(crate::harness::PATIENCE).unwrap();
    let kind = end.expect_err("no end was announced");
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{kind:?}");
    assert!(b"half a sen".starts_with(&said), "{said:?}");
    serin.await_none("serin_tunnels", &[]);
}
