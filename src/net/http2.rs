//! One stream of an HTTP/2 connection: heads apart, and between them content, read and written like any connection's.
//!
//! Flow control is end to end: what has been received is given back to the peer's window as it is read, and a write takes
//! what the peer's window lets through. So a stream that nobody reads stops its sender after one window, and whoever
//! moves bytes from one connection to another needs to know nothing of windows.
//!
//! The frames are the [`h2`] crate's. Nothing here waits for a socket: a task of the connection's own does.

use super::metered::Traffic;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::ReadBuf;

/// One stream of an HTTP/2 connection.
#[derive(Debug)]
pub struct Http2 {
    role: Role,
    /// The peer's content; not there before its head.
    receives: Option<RecvStream>,
    /// Our content; not there before our head.
    sends: Option<SendStream<Bytes>>,
    /// What has come and was not read.
    received: Bytes,
    local: SocketAddr,
    secure: bool,
}

/// Which end of the stream is ours, and how far its heads have come.
#[derive(Debug)]
enum Role {
    /// A request has come; its response can be sent, or was.
    Server(SendResponse<Bytes>),
    /// A request can be sent.
    Idle(SendRequest<Bytes>, Arc<Traffic>),
    /// A request was sent, when this much had been written to its connection; its response is to come, or came.
    Client { response: ResponseFuture, traffic: Arc<Traffic>, written_before: u64 },
}

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoResponse {
    /// The peer has done nothing with the request, and never will: it refused the stream, or said in its `GOAWAY` that it
    /// came too late (RFC 9113 section 8.7), or nothing of it was sent.
    Unprocessed,
    /// What came is not a response.
    Malformed,
    /// The stream was reset, or its connection broke.
    Broken,
}

impl Http2 {
    /// A stream that a client opened, with the `content` that follows its request.
    pub fn accepted(respond: SendResponse<Bytes>, content: RecvStream, local: SocketAddr, secure: bool) -> Self {
        let role = Role::Server(respond);
        Self { role, receives: Some(content), sends: None, received: Bytes::new(), local, secure }
    }

    /// A stream that is still to be opened, on a connection that is ready for one.
    pub fn idle(requests: SendRequest<Bytes>, traffic: Arc<Traffic>, local: SocketAddr, secure: bool) -> Self {
        let role = Role::Idle(requests, traffic);
        Self { role, receives: None, sends: None, received: Bytes::new(), local, secure }
    }

    /// Sends the request's head; `end`: no content follows.
    ///
    /// # Errors
    /// When the connection takes no request any more; nothing of this one has been sent then.
    ///
    /// # Panics
    /// When a request was sent already, or this is the server's end.
    pub fn send_request(&mut self, head: Request<()>, end: bool) -> Result<(), h2::Error> {
        let Role::Idle(requests, traffic) = &mut self.role else { panic!("one request is sent on a stream") };
        let (response, sends) = requests.send_request(head, end)?;
        let written_before = traffic.written();
        self.role = Role::Client { response, traffic: Arc::clone(traffic), written_before };
        self.sends = Some(sends);
        Ok(())
    }

    /// The next head of the answer: any number of interim ones, then the response.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    ///
    /// # Panics
    /// When no request was sent.
    pub fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<()>, h2::Error>> {
        let Role::Client { response, .. } = &mut self.role else { panic!("a request was sent") };
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            return Poll::Ready(interim);
        }
        let head = ready!(std::pin::Pin::new(response).poll(cx))?;
        let (parts, content) = head.into_parts();
        self.receives = Some(content);
        Poll::Ready(Ok(Response::from_parts(parts, ())))
    }

    /// What it means that [`poll_response`](Self::poll_response) ended with `error`.
    pub fn no_response(&self, error: &h2::Error) -> NoResponse {
        let refused = error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        match &self.role {
            _ if refused => NoResponse::Unprocessed,
            _ if error.is_library() && error.is_reset() => NoResponse::Malformed,
            Role::Client { traffic, written_before, .. } if traffic.written() == *written_before => {
                NoResponse::Unprocessed
            }
            _ => NoResponse::Broken,
        }
    }

    /// Whether the peer takes extended CONNECT (RFC 8441 section 3); false once a request was sent.
    pub fn takes_extended_connect(&self) -> bool {
        matches!(&self.role, Role::Idle(requests, _) if requests.is_extended_connect_protocol_enabled())
    }

    /// Sends an interim response.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    ///
    /// # Panics
    /// When this is the client's end.
    pub fn send_interim(&mut self, head: Response<()>) -> Result<(), h2::Error> {
        let Role::Server(respond) = &mut self.role else { panic!("only a server answers") };
        respond.send_informational(head)
    }

    /// Sends the response's head; `end`: no content follows.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    ///
    /// # Panics
    /// When this is the client's end.
    pub fn send_response(&mut self, head: Response<()>, end: bool) -> Result<(), h2::Error> {
        let Role::Server(respond) = &mut self.role else { panic!("only a server answers") };
        self.sends = Some(respond.send_response(head, end)?);
        Ok(())
    }

    /// Ready when a read has something to tell: content, the end or an error.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    pub(super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(content) = &mut self.receives else { return Poll::Pending };
        while self.received.is_empty() {
            match ready!(content.poll_data(cx)) {
                Some(Ok(data)) => self.received = data,
                Some(Err(error)) => return Poll::Ready(Err(error_of(error))),
                None => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads content; nothing at its end, behind which there may be [trailers](Self::poll_trailers).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(cx))?;
        let count = self.received.len().min(space.remaining());
        if count > 0 {
            space.put_slice(&self.received.split_to(count));
            let content = self.receives.as_mut().expect("content came from it");
            content.flow_control().release_capacity(count).map_err(error_of)?;
        }
        Poll::Ready(Ok(()))
    }

    /// The trailers behind the content's end.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.receives.as_mut().map_or(Poll::Ready(Ok(None)), |content| content.poll_trailers(cx))
    }

    /// Sends as much content as the peer's window lets through; `end`: nothing follows these bytes, so the last of them
    /// ends our side of the stream.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke, or our side of it has ended.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: bool) -> Poll<io::Result<usize>> {
        let Some(sends) = &mut self.sends else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        sends.reserve_capacity(bytes.len());
        // What is announced is only what was added since: what is there already is asked for first.
        let mut capacity = sends.capacity();
        while capacity == 0 {
            capacity = match ready!(sends.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(error_of)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let count = capacity.min(bytes.len());
        let ends = end && count == bytes.len();
        sends.send_data(Bytes::copy_from_slice(&bytes[..count]), ends).map_err(error_of)?;
        Poll::Ready(Ok(count))
    }

    /// Whether the peer's side is over, and everything of it has been read; false while trailers are to be taken.
    pub fn has_ended(&self) -> bool {
        self.received.is_empty() && self.receives.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    /// Ends our content, with `trailers` if there are any.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke, or it has ended already.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), h2::Error> {
        let Some(sends) = &mut self.sends else { return Ok(()) };
        match trailers {
            Some(trailers) => sends.send_trailers(trailers),
            None => sends.send_data(Bytes::new(), true),
        }
    }

    /// Ready when the peer has given the stream up, or its connection broke.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match (&mut self.sends, &mut self.role) {
            (Some(sends), _) => sends.poll_reset(cx).map(|_| ()),
            (None, Role::Server(respond)) => respond.poll_reset(cx).map(|_| ()),
            (None, _) => Poll::Pending,
        }
    }

    /// Whether the peer has given the stream up, or its connection broke, by now.
    pub(super) fn was_reset(&mut self) -> bool {
        self.poll_reset(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Gives the stream up, so that the peer cannot take what it has for everything.
    pub(super) fn cut(&mut self) {
        self.reset(if matches!(self.role, Role::Server(_)) { Reason::INTERNAL_ERROR } else { Reason::CANCEL });
    }

    /// Gives the stream up, for `reason`.
    pub fn reset(&mut self, reason: Reason) {
        match (&mut self.sends, &mut self.role) {
            (Some(sends), _) => sends.send_reset(reason),
            (None, Role::Server(respond)) => respond.send_reset(reason),
            (None, _) => {}
        }
    }

    /// Whether it is still to be opened.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.role, Role::Idle(..))
    }

    /// Our end's address.
    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

fn error_of(error: h2::Error) -> io::Error {
    if error.is_io() { error.into_io().expect("it is one") } else { io::Error::other(error) }
}
