//! What a connection knows of one of its streams.

use super::Server;
use h2::Reason;
use http::HeaderMap;
use slab::Slab;
use std::task::{Context, Waker};

/// One stream, from the client's HEADERS on until nobody here asks for it any more.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    /// Content that has come, and how much of it was read.
    pub(super) content: Vec<u8>,
    pub(super) read: usize,
    /// How much content may come, in bytes; below nothing once SETTINGS have made it smaller.
    pub(super) receive_window: i64,
    /// What was taken of the window, and the client has not been told that it has it again.
    pub(super) owed: i64,
    /// How much content is to come, if the request says so.
    pub(super) announced: Option<u64>,
    /// The client's side is over.
    pub(super) ended: bool,
    pub(super) trailers: Option<Box<HeaderMap>>,
    /// How much content may be sent.
    pub(super) send_window: i64,
    /// The response's head has been sent.
    pub(super) answered: bool,
    /// Our side is over.
    pub(super) finished: bool,
    pub(super) reset: Option<Reset>,
    /// How much it has to send when its turn comes; nothing when it does not wait for that.
    pub(super) waits_to_send: usize,
    /// Whoever has it in hand.
    pub(super) waker: Option<Waker>,
}

/// Who has ended a stream before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reset {
    /// The client, or its connection broke.
    ByClient,
    ByUs,
}

impl Stream {
    pub(super) fn new(id: u32, receive_window: i64, send_window: i64) -> Self {
        Self {
            id,
            content: Vec::new(),
            read: 0,
            receive_window,
            owed: 0,
            announced: None,
            ended: false,
            trailers: None,
            send_window,
            answered: false,
            finished: false,
            reset: None,
            waits_to_send: 0,
            waker: None,
        }
    }

    /// Nothing more is to come of it in either direction (RFC 9113 section 5.1).
    pub(super) fn is_closed(&self) -> bool {
        self.reset.is_some() || (self.ended && self.finished)
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.content[self.read..]
    }

    /// Changes how much content may be sent, and wakes whoever has waited for that.
    pub(super) fn widen(&mut self, change: i64) {
        let was_shut = self.send_window <= 0;
        self.send_window += change;
        if was_shut && self.send_window > 0 {
            self.wake();
        }
    }

    pub(super) fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    pub(super) fn wake(&self) {
        self.waker.iter().for_each(Waker::wake_by_ref);
    }
}

/// The streams of a connection, by key and by number.
#[derive(Debug, Default)]
pub(super) struct Streams {
    by_key: Slab<Stream>,
    /// The numbers with their keys; clients open streams with ever higher ones.
    by_number: Vec<(u32, usize)>,
    /// How many are not [closed](Stream::is_closed).
    pub(super) open: usize,
}

impl Streams {
    /// Takes a stream in, whose number is the highest so far.
    pub(super) fn insert(&mut self, stream: Stream) -> usize {
        let id = stream.id;
        let key = self.by_key.insert(stream);
        self.by_number.push((id, key));
        self.open += 1;
        key
    }

    /// The key of stream `id`, unless that is gone.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let place = self.by_number.binary_search_by_key(&id, |&(number, _)| number).ok()?;
        Some(self.by_number[place].1)
    }

    pub(super) fn get(&mut self, key: usize) -> &mut Stream {
        &mut self.by_key[key]
    }

    pub(super) fn remove(&mut self, key: usize) -> Stream {
        let stream = self.by_key.remove(key);
        let place = self.by_number.binary_search_by_key(&stream.id, |&(number, _)| number);
        self.by_number.remove(place.expect("each has both"));
        if self.by_number.is_empty() {
            // A connection that waits holds as little as it can.
            (self.by_key, self.by_number) = (Slab::new(), Vec::new());
        }
        stream
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Stream)> {
        self.by_key.iter_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}

impl Server {
    /// Changes a stream, and counts it no more once it is closed.
    pub(super) fn change<T>(&mut self, key: usize, change: impl FnOnce(&mut Stream) -> T) -> T {
        let stream = self.streams.get(key);
        let was_closed = stream.is_closed();
        let result = change(stream);
        if stream.is_closed() && !was_closed {
            self.streams.open -= 1;
        }
        result
    }

    /// What came and was not read is thrown away, and the client has its part of the connection's window again.
    pub(super) fn throw_away(&mut self, key: usize) {
        let stream = self.streams.get(key);
        let unread = stream.unread().len();
        (stream.content, stream.read) = (Vec::new(), 0);
        self.give_back(unread);
    }

    /// The client has given the stream up, or its connection broke.
    pub(super) fn reset_by_client(&mut self, key: usize) {
        self.throw_away(key);
        self.change(key, |stream| {
            stream.reset.get_or_insert(Reset::ByClient);
            stream.wake();
        });
    }

    /// Gives a stream up, unless that has been done.
    pub(super) fn reset(&mut self, key: usize, reason: Reason) {
        let stream = self.streams.get(key);
        if stream.is_closed() {
            return;
        }
        let (id, ended) = (stream.id, stream.ended);
        self.throw_away(key);
        self.change(key, |stream| {
            stream.reset = Some(Reset::ByUs);
            stream.wake();
        });
        self.send_reset(id, reason, ended);
        self.forget_arrived(key);
    }

    /// A stream has been reset, by either side: when nobody has begun to serve it, nobody need. A client may not have as many
    /// of them kept as it has reset, nor made us reset (CVE-2025-8671).
    pub(super) fn forget_arrived(&mut self, key: usize) {
        let Some(place) = self.arrived.iter().position(|&(arrived, _)| arrived == key) else { return };
        self.arrived.remove(place);
        self.streams.remove(key);
        if self.input.content.stream == Some(key) {
            self.input.content.stream = None;
        }
        self.guard.given_up(0);
    }
}
