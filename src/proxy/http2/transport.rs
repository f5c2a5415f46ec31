//! What is under the frames of an HTTP/2 connection: the client's socket, before which stands what was read from it
//! already, and a [`Guard`] that sees everything that goes by.

use super::guard::Guard;
use crate::net::Stream;
use crate::proxy::buffer::Buffer;
use crate::proxy::worker::Worker;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct Transport {
    worker: Rc<Worker>,
    guard: Rc<RefCell<Guard>>,
    stream: Stream,
    /// What has been read and is still to be understood.
    first: Option<Buffer>,
}

impl Transport {
    pub(super) fn new(worker: Rc<Worker>, guard: Rc<RefCell<Guard>>, stream: Stream, first: Option<Buffer>) -> Self {
        Self { worker, guard, stream, first }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(first) = &mut self.first else { return Pin::new(&mut self.stream).poll_read(cx, space) };
        let count = first.unread().len().min(space.remaining());
        space.put_slice(&first.unread()[..count]);
        first.consume(count);
        if first.unread().is_empty() {
            self.first.take().into_iter().for_each(|first| self.worker.buffers.give(first));
        }
        Poll::Ready(Ok(()))
    }

    /// Notes what a write has done with `pieces`.
    fn note(&self, written: &Poll<io::Result<usize>>, pieces: &[io::IoSlice<'_>]) {
        let mut guard = self.guard.borrow_mut();
        guard.is_blocked = written.is_pending();
        if let Poll::Ready(Ok(written)) = written {
            let mut left = *written;
            for piece in pieces {
                let here = piece.len().min(left);
                guard.sent(&piece[..here]);
                left -= here;
            }
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = space.filled().len();
        ready!(this.poll_receive(cx, space))?;
        let mut guard = this.guard.borrow_mut();
        guard.received(&space.filled()[before..], this.worker.now_ms());
        if guard.offence.is_some() {
            // Nobody reads on: the connection's task looks at the offence next, and closes.
            space.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note(&written, &[io::IoSlice::new(bytes)]);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.note(&written, pieces);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.guard.borrow_mut().is_blocked = flushed.is_pending();
        flushed
    }

    /// Ends our half, and waits for the client's end: a client that is still sending would lose our last frames, which
    /// say why, to a reset.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.guard.borrow().is_closing {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.guard.borrow_mut().is_closing = true;
        }
        loop {
            let mut buffer = this.worker.buffers.take();
            let mut space = ReadBuf::new(buffer.space());
            let polled = Pin::new(&mut this.stream).poll_read(cx, &mut space);
            let is_over = space.filled().is_empty();
            this.worker.buffers.give(buffer);
            ready!(polled)?;
            if is_over {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
