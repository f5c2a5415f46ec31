//! HTTP/2 on both sides: one stream goes on as another.

use super::front;
use super::peer::{Call, Peer, response, send_all};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request};
use std::net::SocketAddr;
use std::time::Duration;

/// What is done with a client's connection, within a time limit.
fn with_client<T>(proxy: SocketAddr, script: impl AsyncFnOnce(h2::client::SendRequest<Bytes>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(proxy).await.expect("the proxy accepts");
        let (requests, connection) = h2::client::handshake(socket).await.expect("the proxy speaks HTTP/2");
        tokio::spawn(connection);
        let limited = tokio::time::timeout(Duration::from_secs(10), script(requests)).await;
        limited.expect("it does not hang")
    })
}

async fn whole(content: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut whole = Vec::new();
    while let Some(data) = content.data().await {
        let data = data?;
        content.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok((whole, content.trailers().await?))
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("http://test{path}")).header("te", "trailers").body(()).expect("it is one")
}

fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
}

#[test]
fn content_and_trailers_go_both_ways() {
    let backend = Peer::start(async |mut call: Call| {
        let (content, theirs) = call.whole().await?;
        let mut sends = call.begin(response(200))?;
        send_all(&mut sends, content.into()).await?;
        sends.send_trailers(theirs.unwrap_or_default())
    });
    let mut serin = front(backend.address(), "");
    let content = vec![b'x'; 1 << 20];
    let (back, theirs) = with_client(serin.address(), async |mut requests| {
        let (response, mut sends) = requests.send_request(post("/"), false).unwrap();
        let reads = async { whole(response.await.unwrap().body_mut()).await.unwrap() };
        let writes = async {
            send_all(&mut sends, content.clone().into()).await.unwrap();
            sends.send_trailers(trailers("x-sum", "42")).unwrap();
        };
        tokio::join!(reads, writes).0
    });
    assert_eq!((back.len(), theirs.unwrap()["x-sum"].to_str().unwrap()), (content.len(), "42"));
    assert_eq!(backend.heads()[0].headers["te"], "trailers");
}

/// As a stream of messages is: neither side has ended when the other is to be heard.
#[test]
fn what_one_side_says_is_heard_at_once_while_both_are_still_talking() {
    let backend = Peer::start(async |mut call: Call| {
        let mut sends = call.begin(response(200))?;
        while let Some(data) = call.content.data().await {
            let data = data?;
            call.content.flow_control().release_capacity(data.len())?;
            sends.send_data(data, false)?;
        }
        sends.send_trailers(trailers("x-status", "0"))
    });
    let mut serin = front(backend.address(), "");
    with_client(serin.address(), async |mut requests| {
        let (response, mut sends) = requests.send_request(post("/"), false).unwrap();
        let mut content = response.await.unwrap().into_body();
        for text in ["one", "two", "three"] {
            sends.send_data(Bytes::from_static(text.as_bytes()), false).unwrap();
            assert_eq!(content.data().await.unwrap().unwrap(), text);
        }
        sends.send_data(Bytes::new(), true).unwrap();
        assert!(content.data().await.is_none());
        assert_eq!(content.trailers().await.unwrap().unwrap()["x-status"], "0");
    });
}

#[test]
fn a_response_of_trailers_alone_and_one_that_is_cut_are_what_they_were() {
    let backend = Peer::start(async |mut call: Call| {
        if call.head.uri.path() == "/alone" {
            let mut head = response(200);
            head.headers_mut().insert("grpc-status", "5".parse().unwrap());
            return call.respond.send_response(head, true).map(|_| ());
        }
        let mut sends: SendStream<Bytes> = call.begin(response(200))?;
        sends.send_data(Bytes::from_static(b"half"), false)?;
        // Once the client has that.
        call.content.data().await;
        sends.send_reset(Reason::INTERNAL_ERROR);
        Ok(())
    });
    let mut serin = front(backend.address(), "");
    with_client(serin.address(), async |mut requests| {
        let (response, _) = requests.send_request(post("/alone"), true).unwrap();
        let response = response.await.unwrap();
        assert!(response.body().is_end_stream());
        assert_eq!(response.headers()["grpc-status"], "5");
        let (response, mut sends) = requests.send_request(post("/cut"), false).unwrap();
        let mut content = response.await.unwrap().into_body();
        assert_eq!(content.data().await.unwrap().unwrap(), "half");
        sends.send_data(Bytes::from_static(b"go on"), false).unwrap();
        let end = loop {
            match content.data().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(end.is_some_and(|error| error.is_err_and(|error| error.is_reset())));
    });
}
