//! Deadlines that Serin alone holds: its caller, made by hand over HTTP/2, would go on waiting.

use super::{Server, grpcio};
use crate::harness::{PATIENCE, Serin, eventually};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// One connection, and what moves it.
struct Caller {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

/// A response, whole.
struct Ended {
    head: HeaderMap,
    content: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Caller {
    fn connect(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let requests = runtime.block_on(async {
            let socket = TcpStream::connect(address).await.expect("the proxy accepts");
            let (requests, connection) = h2::client::handshake(socket).await.expect("it speaks HTTP/2");
            // Moves while somebody waits for a response.
            tokio::spawn(connection);
            requests
        });
        Self { runtime, requests, address }
    }

    /// A call without a message's content, and its response.
    #[track_caller]
    fn call(&mut self, method: &str, timeout: Option<&str>) -> Ended {
        let mut request = Request::post(format!("http://{}/test.Peer/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let request = request.body(()).expect("every part is valid");
        let call = async {
            let (response, mut sender) = self.requests.send_request(request, false)?;
            sender.send_data(Bytes::from_static(b"\0\0\0\0\0"), true)?;
            let (parts, mut body) = response.await?.into_parts();
            assert_eq!(parts.status, 200);
            let mut content = Vec::new();
            while let Some(bytes) = body.data().await {
                content.extend_from_slice(&bytes?);
            }
            Ok::<_, h2::Error>(Ended { head: parts.headers, content, trailers: body.trailers().await? })
        };
        let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE * 3, call).await });
        ended.expect("in time").expect("a response that ends in order")
    }
}

#[test]
fn a_deadline_that_passes_ends_the_call_for_both_sides_whether_its_response_has_begun_or_not() {
    let Some(python) = grpcio(module_path!()) else { return };
    let server = Server::start(&python);
    let mut serin = Serin::start(&super::config(server.address));
    let mut caller = Caller::connect(serin.address());
    let cancelled = |caller: &mut Caller| caller.call("Cancelled", None).content.split_off(5);
    let (status, message) = ("4", "the request took longer than it may");

    let before = caller.call("Silent", Some("300m"));
    assert_eq!(
        (before.head["grpc-status"].as_bytes(), before.head["grpc-message"].as_bytes()),
        (status.as_bytes(), message.as_bytes())
    );
    assert_eq!(before.head["x-serin-reason"], "request-timeout");
    assert!(before.content.is_empty() && before.trailers.is_none(), "it is a head alone");
    eventually("the server sees it cancelled", || cancelled(&mut caller) == b"1");

    let amid = caller.call("Hang", Some("300000u"));
    assert_eq!(amid.content, b"\0\0\0\0\x05begun");
    let trailers = amid.trailers.expect("there are trailers");
    assert_eq!(
        (trailers["grpc-status"].as_bytes(), trailers["grpc-message"].as_bytes()),
        (status.as_bytes(), message.as_bytes())
    );
    eventually("the server sees it cancelled", || cancelled(&mut caller) == b"2");

    serin.await_count("serin_grpc_responses_total", &[("grpc_status", "DEADLINE_EXCEEDED")], 2);
    assert_eq!(serin.count("serin_failures_total", &[("cause", "request-timeout")]), 2);
}
