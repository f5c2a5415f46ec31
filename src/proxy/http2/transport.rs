//! What is under the frames of an HTTP/2 connection: the client's socket, before which stands what was read from it
//! already.

use crate::net::Stream;
use crate::proxy::buffer::Buffer;
use crate::proxy::worker::Worker;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct Transport {
    worker: Rc<Worker>,
    stream: Stream,
    /// What has been read and is still to be understood.
    first: Option<Buffer>,
}

impl Transport {
    pub(super) fn new(worker: Rc<Worker>, stream: Stream, first: Option<Buffer>) -> Self {
        Self { worker, stream, first }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(first) = &mut this.first else { return Pin::new(&mut this.stream).poll_read(cx, space) };
        let count = first.unread().len().min(space.remaining());
        space.put_slice(&first.unread()[..count]);
        first.consume(count);
        if first.unread().is_empty() {
            this.first.take().into_iter().for_each(|first| this.worker.buffers.give(first));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
