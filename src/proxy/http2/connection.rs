//! The frames of an HTTP/2 connection, and how long it waits for what.

use super::guard::Guard;
use super::streams::Streams;
use super::transport::Transport;
use crate::proxy::deadline::Deadline;
use crate::proxy::worker::Worker;
use bytes::Bytes;
use h2::Reason;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A connection whose preface has come.
pub(super) struct Connection {
    worker: Rc<Worker>,
    frames: h2::server::Connection<Transport, Bytes>,
    streams: Rc<Streams>,
    guard: Rc<RefCell<Guard>>,
    deadline: Deadline,
    wait: Wait,
    farewell: Farewell,
}

/// What a connection waits for, which decides how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
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

/// Whether the client has been told that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Farewell {
    /// It has not been.
    None,
    /// After the streams that are open.
    Graceful,
    /// At once.
    Abrupt,
}

/// How long a client may take to close its end, when nothing more is to come.
const END: Duration = Duration::from_secs(2);

impl Connection {
    pub(super) fn new(
        worker: Rc<Worker>,
        frames: h2::server::Connection<Transport, Bytes>,
        streams: Rc<Streams>,
        guard: Rc<RefCell<Guard>>,
        deadline: Deadline,
    ) -> Self {
        let (wait, farewell) = (Wait::Settings, Farewell::None);
        Self { worker, frames, streams, guard, deadline, wait, farewell }
    }

    /// Moves frames both ways, and begins the streams that the client opens. Ready when the connection is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.poll_frames(cx).is_ready() {
                return Poll::Ready(());
            }
            let offence = self.guard.borrow_mut().offence.take();
            let said = match offence {
                Some(reason) => self.say_farewell(Farewell::Abrupt, reason),
                None if self.worker.draining() => self.say_farewell(Farewell::Graceful, Reason::NO_ERROR),
                None => false,
            };
            if said {
                continue;
            }
            self.enter_wait();
            match (self.deadline.passed(), self.wait) {
                (false, _) => return Poll::Pending,
                (true, Wait::Idle) if self.say_farewell(Farewell::Graceful, Reason::NO_ERROR) => {}
                (true, Wait::Settings) if self.say_farewell(Farewell::Abrupt, Reason::SETTINGS_TIMEOUT) => {}
                (true, Wait::Head) if self.say_farewell(Farewell::Abrupt, Reason::ENHANCE_YOUR_CALM) => {}
                (true, _) => return Poll::Ready(()),
            }
        }
    }

    /// Ready when the connection is over.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // A stream that was reset leaves room for another one before its task has noticed, and its backend has
            // been told. No more is begun before that.
            let is_full = self.streams.poll_over(cx).is_pending() && self.streams.open() >= self.most_streams();
            let polled = if is_full {
                self.frames.poll_closed(cx).map(|closed| closed.err().map(Err))
            } else {
                self.frames.poll_accept(cx)
            };
            match polled {
                Poll::Ready(Some(Ok((request, respond)))) => self.streams.begin(&self.worker, request, respond),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a client's HTTP/2 connection broke");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn most_streams(&self) -> usize {
        self.frames.max_concurrent_recv_streams()
    }

    /// Tells the client that it is over, unless it has been told: whether there is something to send now.
    fn say_farewell(&mut self, farewell: Farewell, reason: Reason) -> bool {
        if self.farewell >= farewell {
            return false;
        }
        self.farewell = farewell;
        match farewell {
            Farewell::None => {}
            Farewell::Graceful => self.frames.graceful_shutdown(),
            Farewell::Abrupt => self.frames.abrupt_shutdown(reason),
        }
        true
    }

    /// Sets the deadline for what is waited for now.
    fn enter_wait(&mut self) {
        let guard = self.guard.borrow();
        let has_tasks = self.streams.open() > 0;
        let wait = if guard.is_closing || self.farewell == Farewell::Abrupt {
            Wait::End
        } else if !guard.is_settled {
            Wait::Settings
        } else if guard.is_within_head() {
            Wait::Head
        } else if guard.is_blocked || (!has_tasks && self.frames.has_streams()) {
            Wait::Taking(guard.sent_bytes())
        } else if has_tasks {
            Wait::Streams
        } else if self.farewell == Farewell::Graceful {
            Wait::End
        } else {
            Wait::Idle
        };
        if wait != self.wait {
            let (_, timeouts) = self.worker.limits();
            self.deadline.set(match wait {
                Wait::Settings | Wait::Head => timeouts.header_read,
                Wait::Taking(_) | Wait::Idle => timeouts.idle,
                Wait::Streams => None,
                Wait::End => Some(END),
            });
            self.wait = wait;
        }
    }
}
