//! One TLS connection: a socket, and what turns its bytes into ours.
//!
//! rustls is driven here by hand, and not through a ready-made stream, because of what the rooms above ask: whether
//! there is something to read before a buffer is taken for it, whether an idle connection is still quiet when a session
//! ticket has arrived on it, and how a connection ends, by a promise that this was all (`close_notify`) or by a reset.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A TLS connection, from the first byte of its handshake on.
#[derive(Debug)]
pub struct Tls {
    pub(crate) socket: TcpStream,
    pub(super) session: Connection,
    /// The close that follows is no orderly end.
    is_cut: bool,
}

impl Tls {
    /// The side that was connected to. The handshake is still to come: [`poll_handshake`](Self::poll_handshake).
    ///
    /// # Errors
    /// When `config` cannot be served from.
    pub fn server(socket: TcpStream, config: Arc<ServerConfig>) -> Result<Box<Self>, rustls::Error> {
        let session = ServerConnection::new(config)?.into();
        Ok(Box::new(Self { socket, session, is_cut: false }))
    }

    /// The side that connected, and wants to find `name` there. The handshake is still to come.
    ///
    /// # Errors
    /// When `config` cannot be connected with.
    pub fn client(
        socket: TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Box<Self>, rustls::Error> {
        let session = ClientConnection::new(config, name)?.into();
        Ok(Box::new(Self { socket, session, is_cut: false }))
    }

    /// Ready when both sides have agreed, and everything that says so has been sent.
    ///
    /// # Errors
    /// The socket's, [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the peer left, or
    /// [`InvalidData`](io::ErrorKind::InvalidData) with the [`rustls::Error`] inside.
    pub fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// As [`Stream::poll_read_ready`](crate::net::Stream::poll_read_ready). What was decrypted already counts, although
    /// the socket knows nothing of it.
    pub(crate) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.session.wants_read() { self.socket.poll_read_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            // An end without `close_notify` is an error here: whoever cut the connection may have cut the content.
            match self.session.reader().read(space.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    space.advance(read?);
                    return Poll::Ready(Ok(()));
                }
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    /// Takes `bytes` once everything before them has gone out, and sends what the socket takes of them now.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.session.writer().write(bytes)?;
        self.send_taken(cx, taken)
    }

    /// The same with bytes in several pieces.
    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let taken = self.session.writer().write_vectored(pieces)?;
        self.send_taken(cx, taken)
    }

    fn send_taken(&mut self, cx: &mut Context<'_>, taken: usize) -> Poll<io::Result<usize>> {
        let mut has_sent = false;
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket { socket: &mut self.socket, cx }) {
                Ok(sent) if sent > 0 => has_sent = true,
                // Nothing of it has reached the peer, which is worth knowing. Otherwise the next write tells.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock && !has_sent => return Poll::Ready(Err(error)),
                _ => break,
            }
        }
        Poll::Ready(Ok(taken))
    }

    /// What the two sides have agreed to speak (RFC 7301), if they said anything about it.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Sends what was taken.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket { socket: &mut self.socket, cx }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => sent?,
            };
        }
        Poll::Ready(Ok(()))
    }

    /// Says that this was all, and ends the writing half.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A second call says nothing new.
        self.session.send_close_notify();
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// The close that follows says nothing of an end.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Something that was taken has not gone out.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// As [`Stream::is_quiet`](crate::net::Stream::is_quiet): a session ticket, or new keys, are not for us.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let Self { socket, session, .. } = self;
        let raw = socket2::SockRef::from(&*socket);
        absorb(session, |session| socket.try_io(Interest::READABLE, || session.read_tls(&mut &*raw)))
    }

    /// As [`Stream::is_closed`](crate::net::Stream::is_closed).
    pub(crate) fn is_closed(&mut self) -> bool {
        let raw = socket2::SockRef::from(&self.socket);
        !absorb(&mut self.session, |session| session.read_tls(&mut &*raw))
    }

    /// Reads what the socket has, once: how many bytes, 0 at the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.session.read_tls(&mut Socket { socket: &mut self.socket, cx }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
            Ok(received) => {
                let understood = self.session.process_new_packets();
                // The answer to new keys, or an alert that says what was wrong: the peer's to have if it takes it now.
                if understood.is_err() || (self.session.wants_write() && !self.session.is_handshaking()) {
                    let _ = self.poll_flush(cx);
                }
                understood.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                Poll::Ready(Ok(received))
            }
        }
    }
}

/// Takes in what `receive` gets, as long as it is for the session alone. Whether that was all there is.
fn absorb(session: &mut Connection, mut receive: impl FnMut(&mut Connection) -> io::Result<usize>) -> bool {
    while session.wants_read() {
        match receive(session) {
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            Ok(0) => return false,
            Ok(_) if session.process_new_packets().is_err() => return false,
            Ok(_) => {}
        }
    }
    false
}

impl Drop for Tls {
    /// An orderly end, unless it is none. What does not fit into the socket's buffer now is not waited for.
    fn drop(&mut self) {
        if !self.is_cut && !self.session.is_handshaking() {
            self.session.send_close_notify();
            let raw = socket2::SockRef::from(&self.socket);
            while self.session.wants_write() && self.session.write_tls(&mut &*raw).is_ok_and(|sent| sent > 0) {}
        }
    }
}

/// The socket as rustls wants it: waiting is an error there, and the task is woken all the same.
struct Socket<'a, 'w> {
    socket: &'a mut TcpStream,
    cx: &'a mut Context<'w>,
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for Socket<'_, '_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut space = ReadBuf::new(space);
        or_would_block(Pin::new(&mut *self.socket).poll_read(self.cx, &mut space))?;
        Ok(space.filled().len())
    }
}

impl Write for Socket<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
