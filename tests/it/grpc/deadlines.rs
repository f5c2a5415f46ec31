//! Deadlines that Serin alone holds: its caller, made by hand over HTTP/2, would go on waiting.

use super::caller::Caller;
use super::{Server, grpcio};
use crate::harness::{Serin, eventually};
use http::HeaderMap;

#[test]
fn a_deadline_that_passes_ends_the_call_for_both_sides_whether_its_response_has_begun_or_not() {
    let Some(python) = grpcio() else { return };
    let server = Server::start(&python);
    // Not the caller's time, of which the server would be told, and which it would watch itself.
    let mut serin = Serin::start(&format!("{}timeouts: {{ request: 1s }}\n", super::config(server.address)));
    let mut caller = Caller::connect(serin.address());
    let cancelled =
        |caller: &mut Caller| caller.call("Cancelled", &[b"\0\0\0\0\0"]).content.get(5..).map(<[u8]>::to_vec);
    let field = |fields: &HeaderMap, name| fields[name].to_str().expect("text").to_owned();
    let ends = |fields: &HeaderMap| (field(fields, "grpc-status"), field(fields, "grpc-message"));
    let expected = ("4".to_owned(), "the request took longer than it may".to_owned());

    let before = caller.call("Silent", &[b"\0\0\0\0\0"]);
    assert_eq!(
        (ends(&before.head), field(&before.head, "x-serin-reason").as_str()),
        (expected.clone(), "request-timeout")
    );
    assert!(before.content.is_empty() && before.trailers.is_none(), "it is a head alone");
    eventually("the server sees it cancelled", || cancelled(&mut caller).as_deref() == Some(b"1"));

    let amid = caller.call("Hang", &[b"\0\0\0\0\0"]);
    assert_eq!(amid.content, b"\0\0\0\0\x05begun");
    assert_eq!(ends(&amid.trailers.expect("there are trailers")), expected);
    eventually("the server sees it cancelled", || cancelled(&mut caller).as_deref() == Some(b"2"));

    // Two at least: on a busy machine, what asked for the count may have been late as well.
    let ended = serin.count("serin_grpc_responses_total", &[("grpc_status", "DEADLINE_EXCEEDED")]);
    assert!(ended >= 2, "{ended}");
    assert_eq!(serin.count("serin_failures_total", &[("cause", "request-timeout")]), ended);
}
