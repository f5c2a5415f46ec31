//! One connection, and how long it is believed in.

use super::connection::{Established, establish};
use super::*;
use crate::plan::Endpoint;
use h2::Reason;
use http::Request;
use std::future::poll_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

const TERMS: Terms = Terms { timeout: Some(Duration::from_secs(10)), header_bytes: 16 << 10 };
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: u8 = 6;

async fn connected() -> (Established, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(listener.local_addr().unwrap());
    let accept = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(SETTINGS).await.unwrap();
        stream.read_exact(&mut [0; 24]).await.unwrap();
        stream
    };
    let (established, stream) = tokio::join!(establish(&endpoint, TERMS), accept);
    (established.map_err(|error| error.to_string()).unwrap(), stream)
}

/// The kind of the next frame; `None` at the end.
async fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], payload))
}

/// A peer that has a request and says nothing more is asked whether it is there; one that answers is believed, until it
/// has answered a request as well and is silent again.
#[tokio::test]
async fn a_peer_that_answers_no_ping_is_given_up() {
    LocalSet::new()
        .run_until(async {
            let (established, mut peer) = connected().await;
            let (guard, closed) = oneshot::channel::<()>();
            let connection = established.start(guard, 0, Duration::from_secs(1));
            let Some(Stream::Http2(mut stream)) = connection.stream(0) else { panic!("it is whole") };
            stream.send_request(Request::get("http://a/").body(()).unwrap(), true).unwrap();
            let asked = Rc::clone(&connection);
            let peer = tokio::task::spawn_local(async move {
                let mut pings = 0;
                while let Some((kind, payload)) = next(&mut peer).await {
                    if kind == PING {
                        pings += 1;
                        if pings == 1 {
                            let answer = [&[0, 0, 8, PING, 1, 0, 0, 0, 0], &payload[..]].concat();
                            peer.write_all(&answer).await.unwrap();
                            asked.ended_well(0);
                        }
                    }
                }
                pings
            });
            let error = poll_fn(|cx| stream.poll_response(cx)).await.unwrap_err();
            assert_eq!(stream.no_response(&error), crate::net::NoResponse::Broken, "{error}");
            assert!(closed.await.is_err(), "the connection is counted no more");
            assert!(!connection.is_whole());
            assert_eq!(peer.await.unwrap(), 2);
        })
        .await;
}

/// Nothing is sent on a connection that nobody uses, and it is closed as HTTP/2 has it.
#[tokio::test]
async fn a_connection_that_nobody_can_use_any_more_takes_its_leave() {
    LocalSet::new()
        .run_until(async {
            let (established, mut peer) = connected().await;
            let (guard, closed) = oneshot::channel::<()>();
            drop(established.start(guard, 0, Duration::from_secs(60)));
            let mut last = None;
            while let Some((kind, payload)) = next(&mut peer).await {
                last = Some((kind, payload));
            }
            let (kind, payload) = last.unwrap();
            let reason = u32::from_be_bytes(payload[4..8].try_into().unwrap());
            assert_eq!((kind, Reason::from(reason)), (7, Reason::NO_ERROR));
            assert!(closed.await.is_err());
        })
        .await;
}
