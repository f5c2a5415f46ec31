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
    fn call(&mut self, method: &str) -> Ended {
        let request = Request::post(format!("http://{}/test.Peer/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("every part is valid");
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
    // Not the caller's time, of which the server would be told, and which it would watch itself.
    let mut serin = Serin::start(&format!("{}timeouts: {{ request: 1s }}\n", super::config(server.address)));
    let mut caller = Caller::connect(serin.address());
    let cancelled = |caller: &mut Caller| caller.call("Cancelled").content.get(5..).map(<[u8]>::to_vec);
    let field = |fields: &HeaderMap, name| fields[name].to_str().expect("text").to_owned();
    let ends = |fields: &HeaderMap| (field(fields, "grpc-status"), field(fields, "grpc-message"));
    let expected = ("4".to_owned(), "the request took longer than it may".to_owned());

    let before = caller.call("Silent");
    assert_eq!(
        (ends(&before.head), field(&before.head, "x-serin-reason").as_str()),
        (expected.clone(), "request-timeout")
    );
    assert!(before.content.is_empty() && before.trailers.is_none(), "it is a head alone");
    eventually("the server sees it cancelled", || cancelled(&mut caller).as_deref() == Some(b"1"));

    let amid = caller.call("Hang");
    assert_eq!(amid.content, b"\0\0\0\0\x05begun");
    assert_eq!(ends(&amid.trailers.expect("there are trailers")), expected);
    eventually("the server sees it cancelled", || cancelled(&mut caller).as_deref() == Some(b"2"));

    // Two at least: on a busy machine, what asked for the count may have been late as well.
    let ended = serin.count("serin_grpc_responses_total", &[("grpc_status", "DEADLINE_EXCEEDED")]);
    assert!(ended >= 2, "{ended}");
    assert_eq!(serin.count("serin_failures_total", &[("cause", "request-timeout")]), ended);
}
