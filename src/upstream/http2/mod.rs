//! HTTP/2 connections to one endpoint, whose streams requests take.
//!
//! A stream is taken on the connection that has the most of them and still has room: so a burst's connections are left
//! alone once it is over, and age out, and frames of many requests leave in one write. A connection has room up to the
//! peer's `SETTINGS_MAX_CONCURRENT_STREAMS` and [`MAX_STREAMS`], counted here, since a stream above the limit would wait
//! in its connection for a place while another one could be opened.
//!
//! Requests that find no room wait together for one connection, as long as it will have room for them all. One that is
//! retired (too old, having carried enough, or told to go by the peer) is let go: it closes by itself once the last of
//! its streams is over.

mod connection;
mod pings;
#[cfg(test)]
mod tests;

use super::breaker::Opening;
use super::connect::ConnectError;
use super::pool::{Pool, Wear};
use crate::net::Stream;
use connection::{Connection, establish};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How many streams a connection carries at a time, whatever the peer allows: what RFC 9113 section 6.5.2 has as the
/// least that a peer should allow.
const MAX_STREAMS: usize = 100;

/// The connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct Shared {
    open: RefCell<Vec<Rc<Connection>>>,
    opening: RefCell<Vec<Rc<Expected>>>,
    /// How many streams the last connection let in at a time.
    room: Cell<Option<usize>>,
}

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// For all of it; `None` is for ever.
    pub timeout: Option<Duration>,
    /// How long a response's head, or its trailers, may be.
    pub header_bytes: usize,
}

/// A connection that somebody waits for.
#[derive(Debug)]
struct Expected {
    joined: Cell<usize>,
    outcome: watch::Receiver<Option<Outcome>>,
}

type Outcome = Result<(), Rc<ConnectError>>;

/// Ends when a connection is open, or cannot be.
#[derive(Debug)]
pub struct Awaited(watch::Receiver<Option<Outcome>>);

/// A stream's place on a connection.
#[derive(Debug)]
pub(super) struct Taken(Rc<Connection>);

impl Shared {
    /// A stream on a connection that has room, is whole and not worn.
    pub(super) fn take(&self, is_worn: impl Fn(Wear) -> bool, now_ms: u64) -> Option<(Stream, Taken)> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| !is_worn(connection.wear()));
        loop {
            let with_room = open.iter().enumerate().filter(|(_, connection)| connection.has_room());
            let (place, fullest) = with_room.max_by_key(|(_, connection)| connection.streams())?;
            match fullest.stream(now_ms) {
                Some(stream) => return Some((stream, Taken(Rc::clone(fullest)))),
                None => drop(open.swap_remove(place)),
            }
        }
    }

    /// Waits for a connection that is being opened, if those who wait for it leave room.
    pub(super) fn join(&self) -> Option<Awaited> {
        let room = self.room.get().unwrap_or(MAX_STREAMS);
        let opening = self.opening.borrow();
        let expected = opening.iter().find(|expected| expected.joined.get() < room)?;
        expected.joined.set(expected.joined.get() + 1);
        Some(Awaited(expected.outcome.clone()))
    }

    /// Begins to open a connection for `pool`, in a task of its own: whoever asked for it may give up, and others wait
    /// for it too.
    pub(super) fn open(&self, pool: &Rc<Pool>, opening: Opening, terms: Terms, now_ms: u64) -> Awaited {
        let (tell, outcome) = watch::channel(None);
        let expected = Rc::new(Expected { joined: Cell::new(1), outcome: outcome.clone() });
        self.opening.borrow_mut().push(Rc::clone(&expected));
        let (endpoint, pool, begun) = (pool.endpoint().clone(), Rc::downgrade(pool), Instant::now());
        tokio::task::spawn_local(async move {
            let made = establish(&endpoint, terms).await;
            let outcome = match (made, pool.upgrade()) {
                (Ok(established), Some(pool)) => {
                    endpoint.health.connected();
                    let shared = pool.shared();
                    let connection = established.run(pool.count(), now_ms);
                    shared.room.set(Some(connection.limit()));
                    shared.open.borrow_mut().push(connection);
                    Ok(())
                }
                // Nobody needs it any more.
                (Ok(_), None) => Ok(()),
                (Err(error), _) => {
                    let elapsed = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX / 2);
                    endpoint.health.connect_failed(now_ms + elapsed);
                    Err(Rc::new(error))
                }
            };
            drop(opening);
            if let Some(pool) = pool.upgrade() {
                pool.shared().opening.borrow_mut().retain(|other| !Rc::ptr_eq(other, &expected));
            }
            tell.send_replace(Some(outcome));
        });
        Awaited(outcome)
    }

    /// Lets go what has carried nothing since before `since_ms`, or was closed by its peer.
    pub(super) fn sweep(&self, since_ms: u64) {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| {
            connection.is_whole() && (connection.streams() > 0 || connection.used_ms() >= since_ms)
        });
    }

    /// Closes a connection that carries nothing; whether there was one.
    pub(super) fn close_idle(&self) -> bool {
        let mut open = self.open.borrow_mut();
        let idle = open.iter().enumerate().filter(|(_, connection)| connection.streams() == 0);
        let oldest = idle.min_by_key(|(_, connection)| connection.used_ms()).map(|(place, _)| place);
        oldest.is_some_and(|place| {
            open.swap_remove(place);
            true
        })
    }
}

impl Awaited {
    /// Ends when the connection is open; by then others may have taken all of its room.
    ///
    /// # Errors
    /// Why it cannot be opened.
    pub async fn opened(mut self) -> Result<(), Rc<ConnectError>> {
        match self.0.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().expect("that was waited for"),
            // The task ends without an outcome only with its worker.
            Err(_) => Err(Rc::new(ConnectError::Timeout)),
        }
    }
}

impl Taken {
    /// Whether the connection takes other streams.
    pub(super) fn is_whole(&self) -> bool {
        self.0.is_whole()
    }

    /// The exchange is over, as it should be.
    pub(super) fn ended_well(&self, now_ms: u64) {
        self.0.ended_well(now_ms);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.left();
    }
}
