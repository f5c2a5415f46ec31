//! A stream in the hands of whoever serves its request.

use super::Server;
use crate::net::http2::request::RequestSection;
use h2::Reason;
use http::{HeaderMap, Response};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// A stream that a client has opened. Dropped before both sides are over, it is given up.
#[derive(Debug)]
pub struct ServerStream {
    server: Rc<RefCell<Server>>,
    key: usize,
}

impl Server {
    /// The next request that has come.
    pub fn accept(this: &Rc<RefCell<Self>>) -> Option<(Box<RequestSection>, ServerStream)> {
        let (key, request) = this.borrow_mut().arrived.pop_front()?;
        Some((request, ServerStream { server: Rc::clone(this), key }))
    }

    /// Nobody asks for the stream any more.
    fn release(&mut self, key: usize) {
        let stream = self.streams.get(key);
        if !stream.is_closed() {
            // RFC 9113 section 8.1: a whole response needs no more of the request.
            let reason = if stream.finished { Reason::NO_ERROR } else { Reason::CANCEL };
            self.reset(key, reason);
        }
        self.throw_away(key);
        if self.input.content.stream == Some(key) {
            self.input.content.stream = None;
        }
        if self.streams.remove(key).waits_to_send > 0 {
            self.waiting.retain(|&waiting| waiting != key);
        }
        if self.streams.is_empty() {
            self.shrink();
        }
        self.wake_waiting();
        self.wake();
    }

    /// Holds as little as can be until another stream is opened.
    fn shrink(&mut self) {
        self.arrived = VecDeque::new();
        self.waiting = VecDeque::new();
        self.decoder.shrink();
    }
}

impl ServerStream {
    /// Sends an interim response.
    ///
    /// # Errors
    /// When the stream is over, or its connection.
    pub(in super::super) fn send_interim(&mut self, head: &Response<()>) -> io::Result<()> {
        self.server.borrow_mut().respond(self.key, head, false)
    }

    /// Sends the response's head; `ends`: no content follows.
    ///
    /// # Errors
    /// When the stream is over, or its connection.
    pub(in super::super) fn send_response(&mut self, head: &Response<()>, ends: bool) -> io::Result<()> {
        self.server.borrow_mut().respond(self.key, head, ends)
    }

    /// Sends as much content as the client's windows let through; `ends`: nothing follows these bytes.
    pub(in super::super) fn poll_send(
        &mut self,
        cx: &Context<'_>,
        bytes: &[u8],
        ends: bool,
    ) -> Poll<io::Result<usize>> {
        self.server.borrow_mut().poll_send(self.key, cx, bytes, ends)
    }

    /// Ends our content, with `trailers` if there are any; nothing, when no head has been sent.
    pub(in super::super) fn finish(&mut self, trailers: Option<&HeaderMap>) -> io::Result<()> {
        let mut server = self.server.borrow_mut();
        if server.streams.get(self.key).answered { server.finish(self.key, trailers) } else { Ok(()) }
    }

    /// Ready when there is content, or there will be no more.
    pub(in super::super) fn poll_read_ready(&mut self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut server = self.server.borrow_mut();
        let stream = server.streams.get(self.key);
        if stream.reset.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if stream.ended || !stream.unread().is_empty() {
            return Poll::Ready(Ok(()));
        }
        stream.wait(cx);
        Poll::Pending
    }

    /// Reads content; nothing at its end.
    pub(in super::super) fn poll_read(&mut self, cx: &Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(cx))?;
        let mut server = self.server.borrow_mut();
        let stream = server.streams.get(self.key);
        let count = stream.unread().len().min(space.remaining());
        space.put_slice(&stream.unread()[..count]);
        stream.read += count;
        if stream.unread().is_empty() {
            stream.content.clear();
            stream.read = 0;
            if stream.ended {
                // It may wait for its response a long time yet.
                stream.content = Vec::new();
            }
        }
        let owed_before = server.out.len();
        server.give_back(count);
        server.give_back_to(self.key, count);
        if server.out.len() > owed_before {
            server.wake();
        }
        Poll::Ready(Ok(()))
    }

    /// The trailers behind the content's end.
    pub(in super::super) fn poll_trailers(&mut self, cx: &Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        ready!(self.poll_read_ready(cx))?;
        let mut server = self.server.borrow_mut();
        Poll::Ready(Ok(server.streams.get(self.key).trailers.take().map(|trailers| *trailers)))
    }

    /// Whether the client's side is over and everything of it has been read; false while trailers are to be taken.
    pub(in super::super) fn has_ended(&self) -> bool {
        let mut server = self.server.borrow_mut();
        let stream = server.streams.get(self.key);
        stream.ended && stream.unread().is_empty() && stream.trailers.is_none()
    }

    /// Ready when the client has given the stream up, or its connection broke, or it was given up here.
    pub(in super::super) fn poll_reset(&mut self, cx: &Context<'_>) -> Poll<()> {
        let mut server = self.server.borrow_mut();
        let stream = server.streams.get(self.key);
        if stream.reset.is_some() {
            return Poll::Ready(());
        }
        stream.wait(cx);
        Poll::Pending
    }

    /// Gives the stream up.
    pub(in super::super) fn reset(&mut self, reason: Reason) {
        self.server.borrow_mut().reset(self.key, reason);
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        self.server.borrow_mut().release(self.key);
    }
}
