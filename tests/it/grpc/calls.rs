//! Real callers and real servers.

use super::caller::Caller;
use super::{PEER, Server, assert_talks, config, grpcio, limit};
use crate::harness::{Backend, Peer, Serin, everything_to, free_address};

fn ends(serin: &Serin, status: &str) -> u64 {
    serin.count("serin_grpc_responses_total", &[("grpc_status", status)])
}

#[test]
fn every_kind_of_call_passes_with_its_metadata_its_status_its_deadline_and_its_cancellation() {
    let Some(python) = grpcio() else { return };
    let server = Server::start(&python);
    let mut serin = Serin::start(&config(server.address));
    assert_talks(&python, serin.address(), &[]);
    for status in ["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"]
        .into_iter()
        .chain(["FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "INTERNAL", "UNAVAILABLE", "UNAUTHENTICATED"])
    {
        serin.await_count("serin_grpc_responses_total", &[("grpc_status", status)], 1);
    }
    assert_eq!((ends(&serin, "UNIMPLEMENTED"), ends(&serin, "DATA_LOSS")), (2, 2));
    // One of each is the server's; of the caller's two, either may be seen as the other on a busy machine.
    crate::harness::eventually("all are over", || ends(&serin, "CANCELLED") + ends(&serin, "DEADLINE_EXCEEDED") == 4);
    assert_eq!((ends(&serin, "none"), ends(&serin, "other")), (0, 0));
    // Nine are the server's as it was asked for them; the tenth is the caller's deadline, if the server answers it first.
    let charged = serin.count("serin_failures_total", &[("cause", "grpc-status")]);
    assert!((9..=10).contains(&charged), "{charged}");
    assert_eq!(serin.count("serin_failures_total", &[("cause", "grpc-no-status")]), 0);
}

#[test]
fn of_10000_calls_over_one_channel_none_is_lost() {
    let Some(python) = grpcio() else { return };
    let server = Server::start(&python);
    let mut serin = Serin::start(&config(server.address));
    let address = serin.address().to_string();
    let mut caller = Peer::start(&python, PEER, &["load", &address, "10000", "50", &limit()]);
    assert_eq!(caller.line(), r#"{"OK": 10000}"#);
    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "OK")], 10_000);
    assert_eq!(serin.count("serin_failures_total", &[]), 0);
    assert_eq!(serin.count("serin_connections_opened_total", &[("side", "client")]), 1);
}

#[test]
fn thousands_of_tiny_messages_at_once_are_no_flood() {
    let Some(python) = grpcio() else { return };
    let server = Server::start(&python);
    let mut serin = Serin::start(&config(server.address));
    // They fit into the window that a stream begins with, so nothing slows the caller down.
    let messages = vec![&b"\0\0\0\0\x03abc"[..]; 8_000];
    let ended = Caller::connect(serin.address()).call("Collect", &messages);
    assert_eq!(ended.content.get(5..), Some(&b"abc".repeat(8_000)[..]));
    assert_eq!(ended.trailers.expect("there are trailers")["grpc-status"], "0");
}

/// What one call ended with: its status and message.
fn one_call(python: &str, serin: &mut Serin) -> String {
    Peer::start(python, PEER, &["call", &serin.address().to_string(), &limit()]).line()
}

#[test]
fn a_caller_is_told_in_grpcs_way_that_nobody_is_there() {
    let Some(python) = grpcio() else { return };
    let mut serin = Serin::start(&config(free_address()));
    assert_eq!(one_call(&python, &mut serin), "UNAVAILABLE could not connect to the backend");
    assert!(ends(&serin, "UNAVAILABLE") >= 1);
}

#[test]
fn a_response_that_breaks_off_ends_as_unavailable() {
    let Some(python) = grpcio() else { return };
    // A whole message, or none, or the beginning of one; and then the connection breaks.
    for content in ["a\r\n\0\0\0\0\x05hello\r\n", "", "7\r\n\0\0\0\0\x05he\r\n", "3\r\n\0\0\0\r\n"] {
        let backend = Backend::start(move |conn| {
            conn.request();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n";
            conn.send(format!("{head}{content}"));
        });
        let mut serin = Serin::start(&everything_to(backend.address()));
        assert_eq!(one_call(&python, &mut serin), "UNAVAILABLE the backend broke off its answer", "{content:?}");
        serin.await_count("serin_grpc_responses_total", &[("grpc_status", "UNAVAILABLE")], 1);
        assert_eq!(serin.count("serin_failures_total", &[("cause", "truncated")]), 1);
    }
}
