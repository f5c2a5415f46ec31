//! The server's end of an HTTP/2 connection (RFC 9113): what its frames mean, without a socket.
//!
//! Bytes that came are [received](Server::receive), bytes that are to go stand in [`Server::unsent`], and between
//! them are the streams. Whoever owns the socket moves the bytes; whoever serves a request has a [`ServerStream`]. All of
//! it is one worker's, so that nothing is locked, and nothing is held for what is not there: a connection that waits for
//! its next request has neither buffers nor streams, and of the table of fields what its client has put there.
//!
//! Everything that a client can make grow has an end: what it may have sent of a stream's content and of all content, its
//! streams, its fields, how much is unsent before it is not read any more, and by the [`Guard`] how much it may ask for that
//! serves nobody.

mod accept;
mod control;
mod guard;
mod messages;
mod receive;
mod send;
mod stream;

pub use accept::ServerStream;

use super::frames::{write_go_away, write_ping, write_settings, write_window_update};
use super::hpack::Decoder;
use super::request::RequestSection;
use guard::Guard;
use h2::Reason;
use receive::Input;
use std::collections::VecDeque;
use std::task::{Context, Waker};
use stream::Streams;

/// What a client may have under way on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time.
    pub streams: usize,
    /// Bytes of a request's content that may have come and not been read; below 2^31.
    pub stream_window: u32,
    /// The same of all requests; below 2^31, and no smaller than the 65,535 of every connection.
    pub connection_window: u32,
    /// The size of a field section, as RFC 9113 section 6.5.2 counts it.
    pub section: u32,
}

/// The server's end of a connection.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    guard: Guard,
    input: Input,
    decoder: Decoder,
    streams: Streams,
    /// Requests that nobody has begun to serve.
    arrived: VecDeque<(usize, Box<RequestSection>)>,
    /// The number of the last stream that the client has opened.
    last: u32,
    /// Streams that were closed here before the client's side was over, the latest last: something of it may still come.
    closed_early: VecDeque<u32>,
    /// How much content may come, and what was taken of that and the client has not been told that it has it again.
    receive_window: i64,
    owed: i64,
    /// How much of its content a new stream may send at first: until the client has seen our SETTINGS, what it may take
    /// for agreed.
    first_receive_window: i64,
    /// How much content may be sent, and how much of a new stream's.
    send_window: i64,
    first_send_window: i64,
    /// The client has changed how large our table of fields may be, which is to be acknowledged.
    table_changed: bool,
    /// Streams that wait for their turn to send, the first of them first.
    waiting: VecDeque<usize>,
    out: Vec<u8>,
    sent: usize,
    farewell: Farewell,
    /// The client has said that it opens no more streams.
    client_leaves: bool,
    /// Whoever moves the bytes.
    waker: Option<Waker>,
}

/// Whether the client has been told that it is over (RFC 9113 section 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Farewell {
    None,
    /// It has been told to open no more streams, and a PING will tell when it has heard.
    Announced,
    /// No stream that is opened now is served.
    Graceful,
    /// No frame that comes now is read.
    Abrupt,
}

/// The window of a connection, and of its streams, before anything is said (RFC 9113 section 6.9.2).
const FIRST_WINDOW: u32 = 65_535;
/// The largest window (RFC 9113 section 6.9.1).
const MOST_WINDOW: i64 = (1 << 31) - 1;
/// The highest number of a stream.
const MOST_STREAM: u32 = (1 << 31) - 1;
/// How many [`Server::closed_early`] are known at most, if no more of them may be open for all that the client knows. Of
/// those before, what still comes is an error of the client's.
const MOST_CLOSED_EARLY: usize = 256;
/// What our PING says.
const FAREWELL: [u8; 8] = *b"farewell";
/// How much may be unsent before no more content is taken for it.
const MOST_UNSENT: usize = 64 << 10;

impl Server {
    /// A connection that begins with the client's preface; ours is to be sent.
    pub fn new(limits: Limits, now_ms: u64) -> Self {
        let mut out = Vec::with_capacity(64);
        let most_streams = u32::try_from(limits.streams).unwrap_or(u32::MAX);
        // RFC 9113 section 6.5.2 and RFC 8441 section 3.
        let settings = [(3, most_streams), (4, limits.stream_window), (6, limits.section), (8, 1)];
        write_settings(&mut out, &settings);
        if limits.connection_window > FIRST_WINDOW {
            write_window_update(&mut out, 0, limits.connection_window - FIRST_WINDOW);
        }
        Self {
            limits,
            guard: Guard::new(now_ms),
            input: Input::default(),
            decoder: Decoder::default(),
            streams: Streams::default(),
            arrived: VecDeque::new(),
            last: 0,
            closed_early: VecDeque::new(),
            receive_window: i64::from(limits.connection_window.max(FIRST_WINDOW)),
            owed: 0,
            first_receive_window: i64::from(FIRST_WINDOW),
            send_window: i64::from(FIRST_WINDOW),
            first_send_window: i64::from(FIRST_WINDOW),
            table_changed: false,
            waiting: VecDeque::new(),
            out,
            sent: 0,
            farewell: Farewell::None,
            client_leaves: false,
            waker: None,
        }
    }

    /// How many streams may be open at the same time.
    pub fn most_streams(&self) -> usize {
        self.limits.streams
    }

    /// Wakes this task when there is something to send.
    pub fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// `count` bytes of what is unsent have been sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.unsent().is_empty() {
            (self.out, self.sent) = (Vec::new(), 0);
        } else if self.sent > self.unsent().len() {
            // A client that never takes all would have what it took kept for ever.
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        self.wake_waiting();
    }

    /// Whether so little is unsent that more of the client's frames may be read, some of which are answered. Content alone
    /// is never too much: while a client takes none of it, it may upload some, or give it up.
    pub fn has_room(&self) -> bool {
        self.unsent().len() < 2 * MOST_UNSENT
    }

    /// The client's SETTINGS have come, or what came instead.
    pub fn is_settled(&self) -> bool {
        self.input.is_settled()
    }

    /// A field section has begun to come, or a frame that may be one, and is not over.
    pub fn is_within_section(&self) -> bool {
        self.input.is_within_section()
    }

    /// Tells the client to open no more streams; those that are open go on.
    pub fn leave(&mut self) {
        if self.farewell == Farewell::None {
            self.farewell = Farewell::Announced;
            // RFC 9113 section 6.8: what is on its way is served as well.
            write_go_away(&mut self.out, MOST_STREAM, Reason::NO_ERROR);
            write_ping(&mut self.out, 0, FAREWELL);
        }
    }

    /// Ends the connection, and all its streams, because of the client (RFC 9113 section 5.4.1).
    pub fn fail(&mut self, reason: Reason) {
        if self.farewell < Farewell::Abrupt {
            self.farewell = Farewell::Abrupt;
            self.break_streams();
            write_go_away(&mut self.out, self.last, reason);
        }
    }

    /// The connection broke.
    pub fn disconnect(&mut self) {
        self.farewell = Farewell::Abrupt;
        (self.out, self.sent) = (Vec::new(), 0);
        self.break_streams();
    }

    fn break_streams(&mut self) {
        self.arrived.clear();
        let keys: Vec<_> = self.streams.iter_mut().map(|(key, _)| key).collect();
        keys.into_iter().for_each(|key| self.reset_by_client(key));
    }

    /// Whether the client has been told to open no more streams, or that it is over.
    pub fn is_leaving(&self) -> bool {
        self.farewell > Farewell::None
    }

    /// Nothing more is read or served; what is unsent is the end.
    pub fn is_over(&self) -> bool {
        match self.farewell {
            Farewell::Abrupt => true,
            Farewell::Graceful => self.streams.is_empty(),
            Farewell::None | Farewell::Announced => self.client_leaves && self.streams.is_empty(),
        }
    }

    /// The client has given a request up `after_ms` after it came.
    pub fn given_up(&mut self, after_ms: u64) {
        self.guard.given_up(after_ms);
        if self.guard.is_spent() {
            self.fail(Reason::ENHANCE_YOUR_CALM);
            self.wake();
        }
    }

    fn wake(&self) {
        self.waker.iter().for_each(Waker::wake_by_ref);
    }
}

#[cfg(test)]
mod tests;
