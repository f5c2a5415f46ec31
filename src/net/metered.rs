//! A connection whose traffic is watched: whether anything came from the peer lately, and whether anything went out since.

use super::Stream;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, and what is known of its traffic.
#[derive(Debug)]
pub struct Metered {
    stream: Stream,
    traffic: Arc<Traffic>,
}

/// What went over a connection.
#[derive(Debug, Default)]
pub struct Traffic {
    written: AtomicU64,
    heard: AtomicBool,
}

impl Metered {
    /// From now on `stream`'s traffic is watched.
    pub fn new(stream: Stream) -> Self {
        Self { stream, traffic: Arc::default() }
    }

    /// What is known of it.
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }
}

impl Traffic {
    /// How many bytes the connection has taken.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Whether anything has come since the last call.
    pub fn take_heard(&self) -> bool {
        self.heard.swap(false, Relaxed)
    }

    fn count(&self, written: usize) {
        self.written.fetch_add(written as u64, Relaxed);
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, traffic } = self.get_mut();
        let before = space.filled().len();
        ready!(Pin::new(stream).poll_read(cx, space))?;
        if space.filled().len() > before {
            traffic.heard.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, traffic } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write(cx, bytes))?;
        traffic.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, traffic } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write_vectored(cx, pieces))?;
        traffic.count(written);
        Poll::Ready(Ok(written))
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
