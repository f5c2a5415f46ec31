//! Clients that speak HTTP/2: what they send is kept and sent again as any other client's is, and no more of it.

use super::{BUSY, OK, front};
use crate::harness::frames::{ACK, DATA, RST_STREAM, SETTINGS, WINDOW_UPDATE, request};
use crate::harness::{Frame, FrameClient, Serin};

const MOST: usize = 64 * 1_024;

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n % 251).expect("below 251")).collect()
}

/// A connection that knows the proxy's windows.
fn settled(serin: &mut Serin) -> FrameClient {
    let mut client = FrameClient::connect(serin.address());
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    client
}

/// Sends a request with this content, and a trailer behind it if told so.
fn send(client: &mut FrameClient, stream: u32, method: &str, body: &[u8], trailer: bool) {
    client.send(&Frame::headers(stream, &request(method, "/x"), false));
    for (n, piece) in body.chunks(16_384).enumerate() {
        if n == MOST / 16_384 {
            // The window is as large as what is kept.
            client.until(|frame| frame.is(WINDOW_UPDATE) && frame.stream == stream).expect("it goes on");
        }
        client.send(&Frame::data(stream, piece, false));
    }
    let end = if trailer { Frame::headers(stream, &[("x-sum", "7")], true) } else { Frame::data(stream, *b"", true) };
    client.send(&end);
}

#[test]
fn up_to_64_kib_it_is_sent_again_whole() {
    for length in [1, 20_000, MOST] {
        for trailer in [false, true] {
            let (mut serin, backend) = front("retry: { attempts: 3 }", |conn, n| n >= 2 && conn.send(OK));
            let mut client = settled(&mut serin);
            let body = body(length);
            send(&mut client, 1, "PUT", &body, trailer);
            assert_eq!(client.answer(1).text(), "ok", "{length}");
            client.send(&Frame::get(3));
            assert_eq!(client.answer(3).text(), "ok", "the client's connection goes on");
            assert_eq!(backend.crooked(), Vec::<String>::new());
            let requests = backend.requests();
            assert_eq!(requests.len(), 4);
            for request in &requests[..3] {
                assert!(request.body == body, "{length}: {} bytes", request.body.len());
                assert_eq!(request.head.fields, requests[0].head.fields);
                assert_eq!(request.trailers.len(), usize::from(trailer));
            }
        }
    }
}

#[test]
fn of_one_byte_more_nothing_is_sent_again() {
    let (mut serin, backend) = front("retry: { attempts: 3 }", |_, _| false);
    let mut client = settled(&mut serin);
    send(&mut client, 1, "PUT", &body(MOST + 1), false);
    assert_eq!(client.answer(1).status, 502);
    assert_eq!((backend.requests().len(), serin.count("serin_retries_total", &[])), (1, 0));
}

#[test]
fn what_is_not_idempotent_or_has_begun_to_answer_is_not() {
    const ALL: &str = "retry: { attempts: 3, codes: [503], backoff: 1ms }";
    let (mut serin, backend) = front(ALL, |conn, n| if n == 0 { conn.send(BUSY) } else { false });
    let mut client = FrameClient::connect(serin.address());
    for (stream, status) in [(1, 503), (3, 502)] {
        send(&mut client, stream, "POST", b"hello", false);
        assert_eq!(client.answer(stream).status, status);
    }
    assert_eq!((backend.requests().len(), serin.count("serin_retries_total", &[])), (2, 0));
    let (mut serin, backend) = front(ALL, |conn, _| {
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        false
    });
    let mut client = FrameClient::connect(serin.address());
    client.send(&Frame::get(1));
    assert_eq!(client.until(|frame| frame.is(DATA)).expect("what there is").payload, b"half");
    assert!(client.until(|frame| frame.is(RST_STREAM)).is_some(), "it is no end");
    assert_eq!((backend.requests().len(), serin.count("serin_retries_total", &[])), (1, 0));
}
