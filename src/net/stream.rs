//! One connection, to a client or to an endpoint.
//!
//! An enum and not a trait: what is read and written on the request's path goes through one branch that is always
//! predicted, and every function above is compiled once.

use super::http2::Http2;
use super::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that is open, or was.
#[derive(Debug)]
pub enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Over TLS; its handshake is over.
    Tls(Box<Tls>),
    /// One stream of an HTTP/2 connection: what is read and written is its content. Its end is not the connection's.
    Http2(Box<Http2>),
}

impl Stream {
    /// Ready when a read has something to tell, be it the end or an error; it may still turn out to be nothing.
    ///
    /// So that whoever waits need not hold a buffer.
    ///
    /// # Errors
    /// When the connection is broken.
    #[inline]
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            Self::Tls(tls) => tls.poll_read_ready(cx),
            Self::Http2(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Nothing for us has arrived, not even the end. No system call unless the runtime has seen the socket become
    /// readable. For a connection on which nothing is expected: what has arrived may be lost.
    #[inline]
    pub fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(socket) => {
                matches!(socket.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(tls) => tls.is_quiet(),
            Self::Http2(stream) => stream.is_idle(),
        }
    }

    /// The kernel knows of an end, or of bytes for us, that the runtime has not been told of. A system call; otherwise
    /// as [`is_quiet`](Self::is_quiet).
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        match self {
            Self::Plain(socket) => {
                let peeked = socket2::SockRef::from(&*socket).peek(&mut byte);
                !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(tls) => tls.is_closed(),
            Self::Http2(stream) => !stream.is_idle(),
        }
    }

    /// Makes the close that follows a reset, so that the peer cannot take what it has for everything.
    pub fn cut(&mut self) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => {
                tls.cut();
                &tls.socket
            }
            Self::Http2(stream) => return stream.cut(),
        };
        // A socket that does not take the option is gone already.
        let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }

    /// Whether what is read and written here is encrypted on its way.
    #[inline]
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(_) => true,
            Self::Http2(stream) => stream.is_secure(),
        }
    }

    /// Something that a write has taken has not gone out.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.has_unsent())
    }

    /// Whether what is read here is known to be over already: an HTTP/2 stream says so with its last bytes.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Http2(stream) if stream.has_ended())
    }

    /// Whether the peer of an HTTP/2 stream has given it up by now, or its connection broke.
    pub fn was_reset(&mut self) -> bool {
        if let Self::Http2(stream) = self { stream.was_reset() } else { false }
    }

    /// Whether the two sides of a TLS connection have agreed on HTTP/2 (RFC 9113 section 3.2).
    pub fn agreed_on_http2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.protocol() == Some(super::tls::HTTP2))
    }

    /// Our end's address.
    ///
    /// # Errors
    /// When the connection was reset already.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(socket) => socket.local_addr(),
            Self::Tls(tls) => tls.socket.local_addr(),
            Self::Http2(stream) => Ok(stream.local_addr()),
        }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, space),
            Self::Tls(tls) => tls.poll_read(cx, space),
            Self::Http2(stream) => stream.poll_read(cx, space),
        }
    }
}

/// What a write has taken may still wait in memory: before waiting for anything else, flush.
impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(tls) => tls.poll_write(cx, bytes),
            Self::Http2(stream) => stream.poll_send(cx, bytes, false),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = || pieces.iter().find(|piece| !piece.is_empty()).map_or(&[][..], |piece| piece);
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, pieces),
            Self::Tls(tls) => tls.poll_write_vectored(cx, pieces),
            Self::Http2(stream) => stream.poll_send(cx, first(), false),
        }
    }

    fn is_write_vectored(&self) -> bool {
        !matches!(self, Self::Http2(_))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // What an HTTP/2 stream was given goes out by its connection's own task.
            Self::Plain(_) | Self::Http2(_) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
            Self::Http2(stream) => Poll::Ready(stream.finish(None).map_err(io::Error::other)),
        }
    }
}
