//! Flow control end to end: a slow side stops its own stream, in bounded memory, and no other.

use crate::harness::frames::{self, ACK, DATA, SETTINGS};
use crate::harness::{Conn, Frame, FrameClient, Serin, eventually, front, front_with};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};

const BIG: usize = 8 << 20;
const WINDOW: usize = 64 << 10;

/// Sends [`BIG`] bytes for `/big`, and a word for everything else.
fn big_or_small(conn: &mut Conn) {
    conn.forget();
    while let Some(request) = conn.request() {
        let sent = if request.head.start.contains("/big") {
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BIG}\r\n\r\n")) && conn.send(vec![b'x'; BIG])
        } else {
            conn.reply("small")
        };
        if !sent {
            break;
        }
    }
}

fn rss(serin: &Serin) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serin.process.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says so");
    line.split_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number") << 10
}

fn settled(serin: &mut Serin, settings: &[(u16, u32)]) -> FrameClient {
    let mut client = FrameClient::with_settings(serin.address(), settings);
    client.until(|frame| frame.is(SETTINGS) && frame.has(ACK)).expect("it is settled");
    client
}

#[test]
fn a_client_that_does_not_take_a_response_stalls_that_response_alone() {
    let (mut serin, _backend) = front(big_or_small);
    let mut client = settled(&mut serin, &[(4, 1 << 14)]);
    client.send(&Frame::window_update(0, 1 << 30));
    let before = rss(&serin);
    // Twenty streams whose windows stay shut behind their first bytes.
    for n in 0..20 {
        client.send(&Frame::headers(1 + 2 * n, &frames::request("GET", "/big"), true));
    }
    for _ in 0..20 {
        client.until(|frame| frame.is(DATA)).expect("the first bytes");
    }
    for n in 20..120 {
        let stream = 1 + 2 * n;
        client.send(&Frame::get(stream));
        let answer = client.answer(stream);
        assert_eq!((answer.text(), answer.whole), ("small", true));
    }
    let grown = rss(&serin).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for 20 responses that nobody takes");
    // The first goes on as it is taken.
    client.send(&Frame::window_update(1, 1 << 16));
    assert!(client.until(|frame| frame.is(DATA) && frame.stream == 1).is_some());
}

/// Reads the whole request, unless it is for `/slow`: then when it is told.
fn reads_when_told(told: Receiver<()>) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    let told = Mutex::new(told);
    move |conn| {
        conn.forget();
        while let Some(head) = conn.head() {
            if head.start.contains("/slow") {
                let buffer = |size| socket2::SockRef::from(conn.wire.stream()).set_recv_buffer_size(size);
                buffer(4_096).expect("it can be set");
                let _ = told.lock().unwrap().recv();
                buffer(1 << 20).expect("it can be set");
            }
            let Some(request) = conn.rest_of(head) else { break };
            conn.reply(&format!("{}", request.body.len()));
        }
    }
}

#[test]
fn a_backend_that_does_not_take_a_request_stalls_that_request_alone() {
    let (tell, told) = mpsc::channel();
    let (mut serin, _backend) = front(reads_when_told(told));
    let mut client = settled(&mut serin, &[]);
    client.send(&Frame::headers(1, &frames::request("POST", "/slow"), false));
    // As much as the windows let through, until they are shut: what the sockets hold on the way is the kernel's.
    let mut sent = 0;
    let mut window = WINDOW;
    let piece = vec![b'x'; 16 << 10];
    let mut idle = 0;
    while idle < 20 && sent < 64 << 20 {
        if window >= piece.len() {
            client.send(&Frame::data(1, piece.clone(), false));
            (sent, window, idle) = (sent + piece.len(), window - piece.len(), 0);
        }
        // Whatever has come by the time that a ping is answered.
        client.send(&Frame::ping(*b"and now?"));
        while let Some(frame) = client.next() {
            if frame.is(frames::WINDOW_UPDATE) && frame.stream == 1 {
                window += u32::from_be_bytes(frame.payload[..].try_into().expect("four bytes")) as usize;
            }
            if frame.is(frames::PING) {
                break;
            }
        }
        idle += 1;
    }
    assert!(sent < 64 << 20, "nothing holds it up");
    // The others have the connection's window to themselves.
    for n in 1..50 {
        let stream = 1 + 2 * n;
        client.send(&Frame::post(stream));
        (0..4).for_each(|n| client.send(&Frame::data(stream, piece.clone(), n == 3)));
        assert_eq!(client.answer(stream).text(), (4 * piece.len()).to_string());
    }
    tell.send(()).expect("the backend waits");
    client.send(&Frame::data(1, *b"", true));
    assert_eq!(client.answer(1).text(), sent.to_string());
}

#[test]
fn content_above_the_streams_window_is_refused() {
    let (tell, told) = mpsc::channel();
    let (mut serin, _backend) = front_with("http2: { streamWindow: 16KiB }", reads_when_told(told));
    let mut client = settled(&mut serin, &[]);
    client.send(&Frame::headers(1, &frames::request("POST", "/slow"), false));
    // More than the sockets on the way hold.
    (0..1_000).for_each(|_| client.send(&Frame::data(1, vec![b'x'; 16 << 10], false)));
    let reset = client.until(|frame| frame.is(frames::RST_STREAM) && frame.stream == 1).expect("a reset");
    assert_eq!(reset.code(), frames::FLOW_CONTROL_ERROR);
    drop(tell);
}

#[test]
fn a_slow_client_of_a_streams_backend_is_served_at_its_own_pace() {
    let (mut serin, _backend) = front(big_or_small);
    let mut client = settled(&mut serin, &[]);
    client.send(&Frame::headers(1, &frames::request("GET", "/big"), true));
    let answer = client.answer(1);
    assert_eq!((answer.body.len(), answer.whole, answer.field("content-length")), (BIG, true, Some("8388608")));
    assert!(answer.frames.iter().all(|&length| length <= 16 << 10));
    eventually("it is counted", || serin.count("serin_requests_total", &[("code", "200")]) == 1);
}

/// Its window is shut while the request's time passes, which is over when it opens.
#[test]
fn what_says_that_the_time_is_over_waits_for_the_clients_window() {
    let (mut serin, _backend) = front_with("timeouts: { request: 300ms }", |conn| {
        conn.request();
        conn.await_close();
    });
    let mut client = settled(&mut serin, &[(4, 0)]);
    client.send(&Frame::get(1));
    let head = client.until(|frame| frame.is(frames::HEADERS)).expect("a head");
    assert!(!head.has(frames::END_STREAM));
    // Whatever it is that follows at once has come by the time that a ping is answered.
    client.send(&Frame::ping(*b"and now?"));
    let next = client.until(|frame| frame.is(frames::PING) || frame.is(frames::RST_STREAM)).expect("an answer");
    assert!(next.is(frames::PING), "the stream is given up");
    client.send(&Frame::window_update(1, 1 << 10));
    let answer = client.answer(1);
    assert_eq!((answer.text(), answer.whole), ("504 the request took longer than it may\n", true));
}
