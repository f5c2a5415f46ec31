//! The bytes of an HTTP/2 connection, and how long it waits for what.

use super::limits;
use super::streams::Streams;
use crate::net::Stream;
use crate::net::http2::Server;
use crate::proxy::buffer::Buffer;
use crate::proxy::client::Client;
use crate::proxy::deadline::Deadline;
use crate::proxy::worker::Worker;
use h2::Reason;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's connection, and what its bytes mean.
pub(super) struct Connection {
    worker: Rc<Worker>,
    stream: Stream,
    /// What was read before this began.
    first: Option<Buffer>,
    server: Rc<RefCell<Server>>,
    streams: Rc<Streams>,
    deadline: Deadline,
    wait: Wait,
    /// How many bytes have been sent.
    sent: u64,
    /// The socket takes nothing at the moment.
    is_blocked: bool,
    /// Our end has been closed.
    is_closing: bool,
}

/// What a connection waits for, which decides how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Nothing yet.
    Begin,
    /// The client's SETTINGS.
    Settings,
    /// The rest of a header section.
    Head,
    /// The client to take something, after it has been sent so many bytes.
    Taking(u64),
    /// Streams, which have deadlines of their own.
    Streams,
    /// A stream to be opened.
    Idle,
    /// The client's end.
    End,
}

/// How long a client may take to close its end, when nothing more is to come.
const END: Duration = Duration::from_secs(2);

impl Connection {
    pub(super) fn new(worker: Rc<Worker>, client: Client) -> Self {
        let Client { stream, peer, local, input: first, deadline } = client;
        let server = Rc::new(RefCell::new(Server::new(limits(&worker), worker.now_ms())));
        let streams = Streams::new(peer, local, stream.is_secure(), Rc::clone(&server));
        let (wait, sent, is_blocked, is_closing) = (Wait::Begin, 0, false, false);
        Self { worker, stream, first, server, streams, deadline, wait, sent, is_blocked, is_closing }
    }

    /// Has the deadline wake the task that awaits this.
    pub(super) async fn watch_here(&self) {
        self.deadline.watch_here().await;
    }

    /// Closes the socket: what is left of the connection is its streams.
    pub(super) fn close(self) -> Rc<Streams> {
        self.streams
    }

    /// Moves bytes both ways, and begins the streams that the client opens. Ready when the connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.server.borrow_mut().wait(cx);
        loop {
            if self.poll_bytes(cx).is_ready() {
                // Whoever is served still learns that nobody listens.
                self.server.borrow_mut().disconnect();
                return Poll::Ready(());
            }
            if self.worker.draining() && !self.server.borrow().is_leaving() {
                self.server.borrow_mut().leave();
                continue;
            }
            self.enter_wait();
            if !self.deadline.passed() {
                return Poll::Pending;
            }
            let mut server = self.server.borrow_mut();
            match self.wait {
                Wait::Idle if !server.is_leaving() => server.leave(),
                Wait::Settings if !server.is_over() => server.fail(Reason::SETTINGS_TIMEOUT),
                Wait::Head if !server.is_over() => server.fail(Reason::ENHANCE_YOUR_CALM),
                _ => {
                    server.disconnect();
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Ready when the connection is over.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.is_blocked = match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => true,
            };
            if self.server.borrow().is_over() {
                return if self.is_blocked { Poll::Pending } else { self.poll_close(cx) };
            }
            self.begin_streams(cx);
            // What is read may have to be answered.
            if !self.server.borrow().has_room() || ready!(self.poll_receive(cx)).is_err() {
                return if self.is_blocked { Poll::Pending } else { Poll::Ready(()) };
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut server = self.server.borrow_mut();
        while !server.unsent().is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, server.unsent()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            server.sent(sent);
            self.sent += sent as u64;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Begins to serve what has come. A stream that was reset leaves room for another one before its task has noticed, and
    /// its backend has been told: no more is begun before that.
    fn begin_streams(&mut self, cx: &mut Context<'_>) {
        let most = self.server.borrow().most_streams();
        let _ = self.streams.poll_over(cx);
        while self.streams.open() < most {
            let Some((request, stream)) = Server::accept(&self.server) else { break };
            self.streams.begin(&self.worker, request, stream);
        }
    }

    /// Takes in what the client has sent. An error, too, when it sends no more.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now_ms = self.worker.now_ms();
        if let Some(first) = self.first.take() {
            self.server.borrow_mut().receive(first.unread(), now_ms);
            self.worker.buffers.give(first);
            return Poll::Ready(Ok(()));
        }
        ready!(self.stream.poll_read_ready(cx))?;
        let mut buffer = self.worker.buffers.take();
        let mut space = ReadBuf::new(buffer.space());
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let received = space.filled();
        let ended = polled.is_ready() && received.is_empty();
        self.server.borrow_mut().receive(received, now_ms);
        self.worker.buffers.give(buffer);
        ready!(polled)?;
        Poll::Ready(if ended { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) })
    }

    /// Ends our half, and waits for the client's end: a client that is still sending would lose our last frames, which
    /// say why, to a reset.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_closing {
            if ready!(Pin::new(&mut self.stream).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            self.is_closing = true;
        }
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            let mut buffer = self.worker.buffers.take();
            let mut space = ReadBuf::new(buffer.space());
            let polled = Pin::new(&mut self.stream).poll_read(cx, &mut space);
            let is_over = space.filled().is_empty();
            self.worker.buffers.give(buffer);
            match ready!(polled) {
                Ok(()) if !is_over => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Sets the deadline for what is waited for now.
    fn enter_wait(&mut self) {
        let server = self.server.borrow();
        let wait = if server.is_over() && !self.is_blocked {
            Wait::End
        } else if !server.is_settled() && !server.is_over() {
            Wait::Settings
        } else if server.is_within_section() && server.has_room() && !server.is_over() {
            // It is read on whether the client takes something or not.
            Wait::Head
        } else if self.is_blocked {
            Wait::Taking(self.sent)
        } else if self.streams.open() > 0 {
            Wait::Streams
        } else if server.is_leaving() {
            Wait::End
        } else {
            Wait::Idle
        };
        if wait != self.wait {
            let (_, timeouts) = self.worker.limits();
            self.deadline.set(match wait {
                Wait::Settings | Wait::Head => timeouts.header_read,
                Wait::Taking(_) | Wait::Idle => timeouts.idle,
                Wait::Begin | Wait::Streams => None,
                Wait::End => Some(END),
            });
            self.wait = wait;
        }
    }
}
