//! The streams of an HTTP/2 connection, a task each.

use crate::net::http2::{Server, ServerStream};
use crate::net::{Http2, RequestSection, Stream};
use crate::proxy::client::Client;
use crate::proxy::forward::{Next, forward};
use crate::proxy::request::Arrived;
use crate::proxy::worker::Worker;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The streams of a connection that have a task.
#[derive(Debug)]
pub(super) struct Streams {
    peer: SocketAddr,
    local: SocketAddr,
    secure: bool,
    server: Rc<RefCell<Server>>,
    open: Cell<usize>,
    /// The connection's task.
    waker: RefCell<Option<Waker>>,
}

impl Streams {
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, secure: bool, server: Rc<RefCell<Server>>) -> Rc<Self> {
        Rc::new(Self { peer, local, secure, server, open: Cell::new(0), waker: RefCell::default() })
    }

    /// How many have a task. What a client has reset has one until it has noticed.
    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    /// Ready when none is open. The task is woken each time that one has ended, ready or not.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.waker.borrow_mut();
        waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        if self.open() == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Serves the request that a client has opened a stream with.
    pub(super) fn begin(self: &Rc<Self>, worker: &Rc<Worker>, request: Box<RequestSection>, stream: ServerStream) {
        let stream = Stream::Http2(Box::new(Http2::accepted(stream, self.local, self.secure)));
        let deadline = worker.deadlines.register();
        let mut client = Client { stream, peer: self.peer, local: self.local, input: None, deadline };
        let (worker, open) = (Rc::clone(worker), Open::new(self));
        let arrived = Arrived::Http2(request);
        tokio::task::spawn_local(async move {
            let begun_ms = worker.now_ms();
            client.deadline.watch_here().await;
            let mut next = forward(&worker, &mut client, arrived).await;
            // The request's time bounds neither a tunnel nor the wait for a client that is still sending.
            client.deadline.bound(None);
            if let Next::Tunnel(tunnel) = next {
                next = tunnel.carry(&worker, &mut client).await;
            } else if client.stream.was_reset() {
                open.0.server.borrow_mut().given_up(worker.now_ms() - begun_ms);
            }
            if matches!(next, Next::Linger) {
                // Some clients drop a response when the reset that a stream ends with overtakes their own content.
                client.linger(&worker.buffers).await;
            }
            if matches!(next, Next::Cut) {
                client.stream.cut();
            }
        });
    }
}

/// Counts a stream for as long as it has a task.
struct Open(Rc<Streams>);

impl Open {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.open.set(streams.open() + 1);
        Self(Rc::clone(streams))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open() - 1);
        self.0.waker.borrow().iter().for_each(Waker::wake_by_ref);
    }
}
