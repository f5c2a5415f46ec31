//! One stream of an HTTP/2 connection: heads apart, and between them content, read and written like any connection's.
//!
//! Flow control is end to end: what has been received is given back to the peer's window as it is read, and a write takes
//! what the peer's window lets through. So a stream that nobody reads stops its sender after one window, and whoever
//! moves bytes from one connection to another needs to know nothing of windows.
//!
//! Nothing here waits for a socket: a task of the connection's own does.

use super::ServerStream;
use crate::net::metered::Traffic;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
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
    end: End,
    local: SocketAddr,
    secure: bool,
}

/// Which end of the stream is ours.
#[derive(Debug)]
enum End {
    Server(ServerStream),
    Client(ClientStream),
}

/// The client's end of a stream.
#[derive(Debug)]
struct ClientStream {
    stage: Stage,
    /// The backend's content; not there before its head.
    receives: Option<RecvStream>,
    /// Our content; not there before our head.
    sends: Option<SendStream<Bytes>>,
    /// What has come and was not read.
    received: Bytes,
}

/// How far the heads have come.
#[derive(Debug)]
enum Stage {
    /// A request can be sent.
    Idle(SendRequest<Bytes>, Arc<Traffic>),
    /// A request was sent, when this much had been written to its connection; its response is to come, or came.
    Asked { response: ResponseFuture, traffic: Arc<Traffic>, written_before: u64 },
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
    /// A stream that a client opened.
    pub fn accepted(stream: ServerStream, local: SocketAddr, secure: bool) -> Self {
        Self { end: End::Server(stream), local, secure }
    }

    /// A stream that is still to be opened, on a connection that is ready for one.
    pub fn idle(requests: SendRequest<Bytes>, traffic: Arc<Traffic>, local: SocketAddr, secure: bool) -> Self {
        let stage = Stage::Idle(requests, traffic);
        let client = ClientStream { stage, receives: None, sends: None, received: Bytes::new() };
        Self { end: End::Client(client), local, secure }
    }

    /// Sends the request's head; `end`: no content follows.
    ///
    /// # Errors
    /// When the connection takes no request any more; nothing of this one has been sent then.
    ///
    /// # Panics
    /// When a request was sent already, or this is the server's end.
    pub fn send_request(&mut self, head: Request<()>, end: bool) -> Result<(), h2::Error> {
        let client = self.client();
        let Stage::Idle(requests, traffic) = &mut client.stage else { panic!("one request is sent on a stream") };
        let (response, sends) = requests.send_request(head, end)?;
        let written_before = traffic.written();
        client.stage = Stage::Asked { response, traffic: Arc::clone(traffic), written_before };
        client.sends = Some(sends);
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
        let client = self.client();
        let Stage::Asked { response, .. } = &mut client.stage else { panic!("a request was sent") };
        if let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            return Poll::Ready(interim);
        }
        let head = ready!(std::pin::Pin::new(response).poll(cx))?;
        let (parts, content) = head.into_parts();
        client.receives = Some(content);
        Poll::Ready(Ok(Response::from_parts(parts, ())))
    }

    /// What it means that [`poll_response`](Self::poll_response) ended with `error`.
    pub fn no_response(&self, error: &h2::Error) -> NoResponse {
        let refused = error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM));
        match &self.end {
            _ if refused => NoResponse::Unprocessed,
            _ if error.is_library() && error.is_reset() => NoResponse::Malformed,
            End::Client(ClientStream { stage: Stage::Asked { traffic, written_before, .. }, .. })
                if traffic.written() == *written_before =>
            {
                NoResponse::Unprocessed
            }
            _ => NoResponse::Broken,
        }
    }

    /// Whether the peer takes extended CONNECT (RFC 8441 section 3); false once a request was sent.
    pub fn takes_extended_connect(&self) -> bool {
        match &self.end {
            End::Client(ClientStream { stage: Stage::Idle(requests, _), .. }) => {
                requests.is_extended_connect_protocol_enabled()
            }
            End::Client(_) | End::Server(_) => false,
        }
    }

    /// Sends an interim response.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    ///
    /// # Panics
    /// When this is the client's end.
    pub fn send_interim(&mut self, head: &Response<()>) -> io::Result<()> {
        self.server().send_interim(head)
    }

    /// Sends the response's head; `end`: no content follows.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    ///
    /// # Panics
    /// When this is the client's end.
    pub fn send_response(&mut self, head: &Response<()>, end: bool) -> io::Result<()> {
        self.server().send_response(head, end)
    }

    fn client(&mut self) -> &mut ClientStream {
        match &mut self.end {
            End::Client(client) => client,
            End::Server(_) => panic!("only a client asks"),
        }
    }

    fn server(&mut self) -> &mut ServerStream {
        match &mut self.end {
            End::Server(server) => server,
            End::Client(_) => panic!("only a server answers"),
        }
    }

    /// Ready when a read has something to tell: content, the end or an error.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    pub(in super::super) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.end {
            End::Server(server) => server.poll_read_ready(cx),
            End::Client(client) => client.poll_read_ready(cx),
        }
    }

    /// Reads content; nothing at its end, behind which there may be [trailers](Self::poll_trailers).
    pub fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.end {
            End::Server(server) => server.poll_read(cx, space),
            End::Client(client) => client.poll_read(cx, space),
        }
    }

    /// The trailers behind the content's end.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke.
    pub fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<HeaderMap>>> {
        match &mut self.end {
            End::Server(server) => server.poll_trailers(cx),
            End::Client(ClientStream { receives: Some(content), .. }) => content.poll_trailers(cx).map_err(error_of),
            End::Client(_) => Poll::Ready(Ok(None)),
        }
    }

    /// Sends as much content as the peer's window lets through; `end`: nothing follows these bytes, so the last of them
    /// ends our side of the stream.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke, or our side of it has ended.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: bool) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match &mut self.end {
            End::Server(server) => server.poll_send(cx, bytes, end),
            End::Client(client) => client.poll_send(cx, bytes, end),
        }
    }

    /// Whether the peer's side is over, and everything of it has been read; false while trailers are to be taken.
    pub fn has_ended(&self) -> bool {
        match &self.end {
            End::Server(server) => server.has_ended(),
            End::Client(client) => {
                client.received.is_empty() && client.receives.as_ref().is_some_and(RecvStream::is_end_stream)
            }
        }
    }

    /// Ends our content, with `trailers` if there are any.
    ///
    /// # Errors
    /// When the stream was reset, or its connection broke, or it has ended already.
    pub fn finish(&mut self, trailers: Option<HeaderMap>) -> io::Result<()> {
        match (&mut self.end, trailers) {
            (End::Server(server), trailers) => server.finish(trailers.as_ref()),
            (End::Client(ClientStream { sends: None, .. }), _) => Ok(()),
            (End::Client(ClientStream { sends: Some(sends), .. }), Some(trailers)) => {
                sends.send_trailers(trailers).map_err(error_of)
            }
            (End::Client(ClientStream { sends: Some(sends), .. }), None) => {
                sends.send_data(Bytes::new(), true).map_err(error_of)
            }
        }
    }

    /// Ready when the peer has given the stream up, or its connection broke.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.end {
            End::Server(server) => server.poll_reset(cx),
            End::Client(ClientStream { sends: Some(sends), .. }) => sends.poll_reset(cx).map(|_| ()),
            End::Client(_) => Poll::Pending,
        }
    }

    /// Whether the peer has given the stream up, or its connection broke, by now.
    pub(in super::super) fn was_reset(&mut self) -> bool {
        self.poll_reset(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Gives the stream up, so that the peer cannot take what it has for everything.
    pub(in super::super) fn cut(&mut self) {
        self.reset(if matches!(self.end, End::Server(_)) { Reason::INTERNAL_ERROR } else { Reason::CANCEL });
    }

    /// Gives the stream up, for `reason`.
    pub fn reset(&mut self, reason: Reason) {
        match &mut self.end {
            End::Server(server) => server.reset(reason),
            End::Client(ClientStream { sends: Some(sends), .. }) => sends.send_reset(reason),
            End::Client(_) => {}
        }
    }

    /// Whether it is still to be opened.
    pub(in super::super) fn is_idle(&self) -> bool {
        matches!(&self.end, End::Client(ClientStream { stage: Stage::Idle(..), .. }))
    }

    /// Our end's address.
    pub(in super::super) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

impl ClientStream {
    fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(cx))?;
        let count = self.received.len().min(space.remaining());
        if count > 0 {
            space.put_slice(&self.received.split_to(count));
            let content = self.receives.as_mut().expect("content came from it");
            content.flow_control().release_capacity(count).map_err(error_of)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], end: bool) -> Poll<io::Result<usize>> {
        let Some(sends) = &mut self.sends else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
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
}

fn error_of(error: h2::Error) -> io::Error {
    if error.is_io() { error.into_io().expect("it is one") } else { io::Error::other(error) }
}
