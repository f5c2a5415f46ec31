//! WebSocket and any other upgrade (RFC 9110 section 7.8): when a connection is switched, and what a tunnel then is.

mod lasting;
mod refused;
mod switched;
mod websocket;

use crate::harness::{Client, Conn};

/// A request that asks for the protocol `echo`.
const ASK: &str = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n";
/// The answer that switches to it.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Switches every request that asks for it and sends back what comes; answers the others.
fn echo(conn: &mut Conn) {
    while let Some(request) = conn.request() {
        if request.head.all("upgrade").is_empty() {
            conn.send(OK);
            continue;
        }
        conn.send(SWITCH);
        while let Ok(bytes) = conn.wire.some()
            && !bytes.is_empty()
            && conn.send(bytes)
        {}
        return;
    }
}

/// Asks for the switch, and gets it.
#[track_caller]
fn switch(client: &mut Client) {
    client.send(ASK);
    switched(client);
}

/// Reads the 101 and checks what it says.
#[track_caller]
fn switched(client: &mut Client) {
    let (status, head) = client.head();
    assert_eq!((status, head.one("upgrade")), (101, Some("echo")), "{head:?}");
    assert!(head.one("connection").is_some_and(|c| c.eq_ignore_ascii_case("upgrade")), "{head:?}");
}

/// Sends these bytes through the tunnel and gets them back.
#[track_caller]
fn round_trip(client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    assert_eq!(client.wire.exactly(bytes.len()).expect("they come back"), bytes);
}
