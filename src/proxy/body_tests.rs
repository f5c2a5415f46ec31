//! What a pump does with its two sockets.

use super::*;
use crate::net::tls::tests::{fill, pair};
use std::future::poll_fn;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// A body of which all that came has been taken by the sink, and not all of it sent: the rest must not wait for more
/// to come, which may be never.
#[tokio::test]
async fn a_pump_waits_for_its_sink_until_what_it_wrote_has_gone_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let mut source = Stream::Plain(listener.accept().await.unwrap().0);
    let (mut sink, mut client) = pair().await;
    let taken = fill(&mut sink).await;
    assert!(sink.has_unsent());
    let (buffers, limits) = (Buffers::default(), HeadLimits { bytes: 1_024, fields: 1 });
    let mut pump = Pump::new(BodyLength::Sized(1), Transfer::AsIs, limits);
    assert!(poll_fn(|cx| Poll::Ready(pump.poll(cx, &mut source, &mut sink, &buffers).is_pending())).await);
    assert_eq!(pump.waits_for(), Side::Sink);
    let pumped = poll_fn(|cx| match pump.poll(cx, &mut source, &mut sink, &buffers) {
        Poll::Pending if pump.waits_for() == Side::Sink => Poll::Pending,
        polled => Poll::Ready(polled.is_pending()),
    });
    let mut bytes = vec![0; taken];
    let (read, waits) = tokio::join!(client.read_exact(&mut bytes), pumped);
    read.unwrap();
    assert!(waits && !sink.has_unsent());
}
