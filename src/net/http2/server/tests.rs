//! A connection without a socket: what a client's frames come to, and what becomes of windows and memory.

use super::*;
use crate::net::Http2;
use crate::net::http2::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    write_head,
};
use http::Response;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Wake};
use tokio::io::ReadBuf;

const LIMITS: Limits = Limits { streams: 3, stream_window: 1 << 16, connection_window: 3 << 16, section: 4 << 10 };
/// GET and POST of `http://test/`.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 4, b't', b'e', b's', b't'];
const POST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 4, b't', b'e', b's', b't'];

#[path = "hostile_tests.rs"]
mod hostile;

/// A client, and the server's end of its connection.
struct Peer {
    server: Rc<RefCell<Server>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A frame that was sent.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Sent {
    fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Peer {
    /// A client that has read and acknowledged our SETTINGS.
    fn new() -> Self {
        Self::with(LIMITS)
    }

    fn with(limits: Limits) -> Self {
        let peer = Self { server: Rc::new(RefCell::new(Server::new(limits, 0))), wakes: Arc::default() };
        peer.server.borrow_mut().receive(PREFACE, 0);
        peer.sends(SETTINGS, 0, 0, &[]);
        peer.sends(SETTINGS, ACK, 0, &[]);
        peer.takes();
        peer
    }

    fn sends(&self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = Vec::new();
        write_head(&mut frame, payload.len(), kind, flags, stream);
        frame.extend_from_slice(payload);
        self.server.borrow_mut().receive(&frame, 0);
    }

    /// Takes everything that is unsent.
    fn takes(&self) -> Vec<Sent> {
        let bytes = self.server.borrow().unsent().to_vec();
        self.server.borrow_mut().sent(bytes.len());
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let Some((&[high, middle, low, kind, flags, a, b, c, d], behind)) = rest.split_first_chunk() {
            let (payload, behind) = behind.split_at(u32::from_be_bytes([0, high, middle, low]) as usize);
            let payload = payload.to_vec();
            frames.push(Sent { kind, flags, stream: u32::from_be_bytes([a, b, c, d]), payload });
            rest = behind;
        }
        frames
    }

    fn accepts(&self) -> Option<Http2> {
        let (_, stream) = Server::accept(&self.server)?;
        Some(Http2::accepted(stream, ([127, 0, 0, 1], 80).into(), false))
    }

    /// Does something that may have to wait, and counts wake-ups.
    fn polls<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let waker = Arc::clone(&self.wakes).into();
        poll(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, SeqCst)
    }

    fn sends_on(&self, stream: &mut Http2, bytes: &[u8]) -> Poll<usize> {
        self.polls(|cx| stream.poll_send(cx, bytes, false)).map(Result::unwrap)
    }

    fn reads(&self, stream: &mut Http2, most: usize) -> Poll<usize> {
        let mut room = vec![0; most];
        let mut space = ReadBuf::new(&mut room);
        self.polls(|cx| stream.poll_read(cx, &mut space)).map(|read| {
            read.unwrap();
            space.filled().len()
        })
    }
}

/// How much the client may send, by the frames that it gets.
fn given_back(frames: &[Sent], stream: u32) -> u32 {
    frames.iter().filter(|frame| frame.kind == WINDOW_UPDATE && frame.stream == stream).map(|frame| frame.word(0)).sum()
}

#[test]
fn a_response_is_one_write_of_head_and_content() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let mut stream = peer.accepts().unwrap();
    assert!(stream.has_ended() && peer.accepts().is_none());
    stream.send_response(&Response::new(()), false).unwrap();
    assert_eq!(peer.polls(|cx| stream.poll_send(cx, b"ok", true)).map(Result::unwrap), Poll::Ready(2));
    drop(stream);
    let frames = peer.takes();
    assert_eq!(frames[0], Sent { kind: HEADERS, flags: END_HEADERS, stream: 1, payload: vec![0x88] });
    assert_eq!(frames[1], Sent { kind: DATA, flags: END_STREAM, stream: 1, payload: b"ok".to_vec() });
    assert_eq!(frames.len(), 2);
}

#[test]
fn a_connection_that_waits_holds_nothing_but_itself() {
    let peer = Peer::new();
    for stream in [1, 3, 5] {
        peer.sends(HEADERS, END_HEADERS, stream, POST);
        peer.sends(DATA, END_STREAM, stream, &[0; 9_000]);
        let mut served = peer.accepts().unwrap();
        assert_eq!(peer.reads(&mut served, 1 << 14), Poll::Ready(9_000));
        served.send_response(&Response::new(()), true).unwrap();
    }
    peer.takes();
    let server = peer.server.borrow();
    assert_eq!((server.out.capacity(), server.arrived.is_empty(), server.streams.is_empty()), (0, true, true));
    assert!(size_of::<Server>() <= 600, "{}", size_of::<Server>());
}

#[test]
fn a_window_that_is_shut_lets_nothing_through_and_wakes_its_stream_when_it_opens() {
    let peer = Peer::new();
    // INITIAL_WINDOW_SIZE of 3.
    peer.sends(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 3]);
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let mut stream = peer.accepts().unwrap();
    stream.send_response(&Response::new(()), false).unwrap();
    assert_eq!(peer.sends_on(&mut stream, b"abcdef"), Poll::Ready(3));
    assert_eq!(peer.sends_on(&mut stream, b"def"), Poll::Pending);
    peer.sends(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 9]);
    peer.wakes();
    peer.sends(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
    assert!(peer.wakes() > 0);
    assert_eq!(peer.sends_on(&mut stream, b"def"), Poll::Ready(1));
    assert_eq!(peer.sends_on(&mut stream, b"ef"), Poll::Pending);
    peer.wakes();
    // One of 5: two more.
    peer.sends(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 5]);
    assert!(peer.wakes() > 0);
    assert_eq!(peer.sends_on(&mut stream, b"ef"), Poll::Ready(2));
}

#[test]
fn streams_take_turns_when_the_connections_window_opens() {
    let peer = Peer::new();
    // The streams' windows are wide, the connection's has its 65,535.
    peer.sends(SETTINGS, 0, 0, &[0, 4, 0, 16, 0, 0]);
    let [mut first, mut second] = [1, 3].map(|id| {
        peer.sends(HEADERS, END_HEADERS | END_STREAM, id, GET);
        let mut stream = peer.accepts().unwrap();
        stream.send_response(&Response::new(()), false).unwrap();
        stream
    });
    let content = vec![0; 1 << 14];
    let mut left = 65_535;
    while left > 0 {
        let Poll::Ready(sent) = peer.sends_on(&mut first, &content) else { panic!("the windows are open") };
        left -= sent;
        peer.takes();
    }
    assert_eq!([peer.sends_on(&mut first, &content), peer.sends_on(&mut second, &content)], [Poll::Pending; 2]);
    peer.wakes();
    for stream in [&mut first, &mut second] {
        peer.sends(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 10]);
        assert_eq!(peer.wakes(), 1, "it is told whose turn it is");
        assert_eq!(peer.sends_on(stream, &content), Poll::Ready(10));
        assert!(peer.sends_on(stream, &content).is_pending());
        peer.takes();
    }
}

#[test]
fn a_client_that_takes_nothing_is_sent_no_more_than_some() {
    let peer = Peer::new();
    peer.sends(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    peer.sends(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let mut stream = peer.accepts().unwrap();
    stream.send_response(&Response::new(()), false).unwrap();
    let content = vec![0; 1 << 14];
    while peer.sends_on(&mut stream, &content).is_ready() {}
    assert!(peer.server.borrow().unsent().len() <= MOST_UNSENT + 100);
    peer.wakes();
    peer.takes();
    assert!(peer.wakes() > 0, "there is room again");
    assert!(peer.sends_on(&mut stream, &content).is_ready());
}

#[test]
fn whatever_becomes_of_content_the_client_has_its_windows_again() {
    let peer = Peer::new();
    let mut id = 1;
    // What is left of the connection's window, as the client counts.
    let mut window = i64::from(LIMITS.connection_window);
    for round in 0..60 {
        peer.sends(HEADERS, END_HEADERS, id, POST);
        let mut stream = peer.accepts().unwrap();
        for _ in 0..3 {
            let payload = [&[200][..], &[0; 16_000]].concat();
            peer.sends(DATA, PADDED, id, &payload);
            window -= i64::try_from(payload.len()).unwrap();
        }
        match round % 5 {
            // Read, and the rest left.
            0 => assert_eq!(peer.reads(&mut stream, 1_000), Poll::Ready(1_000)),
            1 => stream.reset(Reason::INTERNAL_ERROR),
            2 => peer.sends(RST_STREAM, 0, id, &[0, 0, 0, 8]),
            3 => peer.sends(HEADERS, END_HEADERS | END_STREAM, id, &[]),
            _ => {}
        }
        drop(stream);
        // Behind the end of it here; only what the client knows to be over it does not send.
        if !matches!(round % 5, 2 | 3) {
            peer.sends(DATA, 0, id, &[0; 5_000]);
            window -= 5_000;
        }
        window += i64::from(given_back(&peer.takes(), 0));
        assert!(window > 0 && !peer.server.borrow().is_over(), "round {round}: {window}");
        id += 2;
    }
    assert!(window >= i64::from(LIMITS.connection_window) / 2, "{window}");
}

#[test]
fn a_farewell_is_said_twice_and_in_between_requests_are_still_taken() {
    let peer = Peer::new();
    peer.server.borrow_mut().leave();
    let frames = peer.takes();
    assert_eq!((frames[0].kind, frames[0].word(0)), (GOAWAY, (1 << 31) - 1));
    assert_eq!((frames[1].kind, &frames[1].payload[..]), (PING, &FAREWELL[..]));
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 1, GET);
    let stream = peer.accepts().unwrap();
    peer.sends(PING, ACK, 0, &FAREWELL);
    let frames = peer.takes();
    assert_eq!((frames[0].kind, frames[0].word(0)), (GOAWAY, 1));
    peer.sends(HEADERS, END_HEADERS | END_STREAM, 3, GET);
    assert!(peer.accepts().is_none() && !peer.server.borrow().is_over());
    drop(stream);
    assert!(peer.server.borrow().is_over());
}

#[test]
fn a_connection_that_breaks_ends_its_streams() {
    let peer = Peer::new();
    peer.sends(HEADERS, END_HEADERS, 1, POST);
    let mut stream = peer.accepts().unwrap();
    assert!(peer.reads(&mut stream, 10).is_pending());
    peer.wakes();
    peer.server.borrow_mut().disconnect();
    assert!(peer.wakes() > 0);
    assert!(peer.polls(|cx| stream.poll_reset(cx)).is_ready());
    assert!(stream.send_response(&Response::new(()), true).is_err());
    drop(stream);
    assert!(peer.server.borrow().unsent().is_empty());
}

proptest! {
    /// The same frames, however they come.
    #[test]
    fn pieces_mean_nothing(
        frames in proptest::collection::vec(
            (0_u8..12, prop_oneof![Just(0_u8), Just(1), Just(4), Just(5), any::<u8>()], 0_u32..8, prop_oneof![
                Just(GET.to_vec()), Just(POST.to_vec()), proptest::collection::vec(any::<u8>(), 0..40),
            ]),
            0..30,
        ),
        pieces in proptest::collection::vec(1_usize..50, 1..50),
    ) {
        let mut bytes = PREFACE.to_vec();
        write_head(&mut bytes, 0, SETTINGS, 0, 0);
        for (kind, flags, stream, payload) in &frames {
            write_head(&mut bytes, payload.len(), *kind, *flags, *stream);
            bytes.extend_from_slice(payload);
        }
        let mut whole = Server::new(LIMITS, 0);
        whole.receive(&bytes, 0);
        let mut pieced = Server::new(LIMITS, 0);
        let (mut rest, mut lengths) = (&bytes[..], pieces.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(*lengths.next().unwrap()));
            pieced.receive(piece, 0);
            rest = behind;
        }
        prop_assert_eq!(whole.unsent(), pieced.unsent());
        prop_assert_eq!(whole.arrived.len(), pieced.arrived.len());
    }
}
