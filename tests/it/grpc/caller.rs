//! A caller made by hand, over HTTP/2: it sends frames as no library would, and never gives up by itself.

use crate::harness::PATIENCE;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// One connection, and what moves it.
pub(super) struct Caller {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

/// A response, whole.
pub(super) struct Ended {
    pub(super) head: HeaderMap,
    pub(super) content: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

impl Caller {
    pub(super) fn connect(address: SocketAddr) -> Self {
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

    /// A call with these messages, each in a frame of its own and all of them at once, and its response.
    #[track_caller]
    pub(super) fn call(&mut self, method: &str, messages: &[&'static [u8]]) -> Ended {
        let request = Request::post(format!("http://{}/test.Peer/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("every part is valid");
        let call = async {
            let (response, mut sender) = self.requests.send_request(request, false)?;
            let last = messages.len() - 1;
            for (place, message) in messages.iter().enumerate() {
                sender.send_data(Bytes::from_static(message), place == last)?;
            }
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
