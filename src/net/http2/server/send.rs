//! What is sent on a stream (RFC 9113 sections 5.2 and 8.1).
//!
//! Frames are put behind what is unsent, as far as the client's windows and the room there let them. A stream that may send
//! no more waits, and is woken in its turn when that has changed: whoever has sent stands behind those who wait.

use super::{MOST_UNSENT, Server};
use crate::net::http2::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS, MOST_PAYLOAD, write_head};
use crate::net::http2::hpack::{encode_field, encode_status, encode_table_size};
use http::{HeaderMap, Response};
use std::io;
use std::task::{Context, Poll};

impl Server {
    /// Sends the head of a response; `ends`: nothing follows.
    pub(super) fn respond(&mut self, key: usize, head: &Response<()>, ends: bool) -> io::Result<()> {
        self.check_open(key)?;
        self.send_section(key, ends, Some(head.status().as_u16()), head.headers());
        let is_final = head.status().as_u16() >= 200;
        self.change(key, |stream| {
            stream.answered |= is_final;
            stream.finished |= ends;
        });
        Ok(())
    }

    /// Ends the response's content, with `trailers` if there are any.
    pub(super) fn finish(&mut self, key: usize, trailers: Option<&HeaderMap>) -> io::Result<()> {
        self.check_open(key)?;
        let id = self.streams.get(key).id;
        match trailers {
            Some(trailers) => self.send_section(key, true, None, trailers),
            None => write_head(&mut self.out, 0, DATA, END_STREAM, id),
        }
        self.change(key, |stream| stream.finished = true);
        self.wake();
        Ok(())
    }

    /// Sends as much content as may be sent now; `ends`: nothing follows these bytes, which are not none.
    pub(super) fn poll_send(
        &mut self,
        key: usize,
        cx: &Context<'_>,
        bytes: &[u8],
        ends: bool,
    ) -> Poll<io::Result<usize>> {
        self.check_open(key)?;
        let window = self.streams.get(key).send_window.min(self.send_window);
        let room = self.room();
        let count = usize::try_from(window).unwrap_or(0).min(room).min(MOST_PAYLOAD).min(bytes.len());
        let stream = self.streams.get(key);
        if count == 0 {
            stream.wait(cx);
            if stream.send_window <= 0 {
                // For its own window it need not queue, and what it was woken for is the next one's.
                self.wake_waiting();
            } else if std::mem::replace(&mut stream.waits_to_send, bytes.len()) == 0 {
                self.waiting.push_back(key);
            }
            return Poll::Pending;
        }
        let (id, ends) = (stream.id, ends && count == bytes.len());
        let taken = i64::try_from(count).expect("a frame's length");
        self.change(key, |stream| {
            stream.send_window -= taken;
            stream.finished |= ends;
        });
        self.send_window -= taken;
        self.reserve(HEAD + count);
        write_head(&mut self.out, count, DATA, if ends { END_STREAM } else { 0 }, id);
        self.out.extend_from_slice(&bytes[..count]);
        self.guard.content_is_sent(count, count < bytes.len());
        self.wake();
        Poll::Ready(Ok(count))
    }

    /// Wakes of the streams that wait for the connection as many as can use what it lets through, those that have waited
    /// longest. What they leave wakes others: when they have sent, or are over, or cannot send after all.
    pub(super) fn wake_waiting(&mut self) {
        let room = self.room();
        // Room for one byte after another would wake somebody for each.
        if room < MOST_UNSENT / 2 {
            return;
        }
        let mut left = self.send_window.min(i64::try_from(room).expect("it is bounded"));
        while left > 0
            && let Some(key) = self.waiting.pop_front()
        {
            let stream = self.streams.get(key);
            let wanted = std::mem::take(&mut stream.waits_to_send).min(MOST_PAYLOAD);
            stream.wake();
            if !stream.is_closed() {
                left -= stream.send_window.clamp(0, i64::try_from(wanted).expect("a frame's length"));
            }
        }
    }

    /// How much more content may be unsent.
    fn room(&self) -> usize {
        MOST_UNSENT.saturating_sub(self.unsent().len())
    }

    fn check_open(&mut self, key: usize) -> io::Result<()> {
        let stream = self.streams.get(key);
        let is_open = stream.reset.is_none() && !stream.finished;
        if is_open { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// Sends a field section in as many frames as it needs.
    fn send_section(&mut self, key: usize, ends: bool, status: Option<u16>, fields: &HeaderMap) {
        let id = self.streams.get(key).id;
        let flags = if ends { END_STREAM } else { 0 };
        let begin = self.out.len();
        self.reserve(HEAD + 256);
        write_head(&mut self.out, 0, HEADERS, flags | END_HEADERS, id);
        let block = self.out.len();
        if std::mem::take(&mut self.table_changed) {
            encode_table_size(&mut self.out);
        }
        if let Some(status) = status {
            encode_status(&mut self.out, status);
        }
        for (name, value) in fields {
            encode_field(&mut self.out, name.as_str(), value.as_bytes());
        }
        let length = self.out.len() - block;
        if length <= MOST_PAYLOAD {
            let [_, high, middle, low] = u32::try_from(length).expect("a frame's length").to_be_bytes();
            self.out[begin..begin + 3].copy_from_slice(&[high, middle, low]);
        } else {
            let block = self.out.split_off(block);
            self.out.truncate(begin);
            let last = block.len().div_ceil(MOST_PAYLOAD) - 1;
            for (place, piece) in block.chunks(MOST_PAYLOAD).enumerate() {
                let (kind, flags) = if place == 0 { (HEADERS, flags) } else { (CONTINUATION, 0) };
                let end = if place == last { END_HEADERS } else { 0 };
                write_head(&mut self.out, piece.len(), kind, flags | end, id);
                self.out.extend_from_slice(piece);
            }
        }
        self.guard.section_is_sent();
        self.wake();
    }

    /// Makes room behind what is unsent, where what has been sent stands if that is enough.
    fn reserve(&mut self, count: usize) {
        if self.out.capacity() - self.out.len() < count && self.sent > 0 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        self.out.reserve(count);
    }
}
