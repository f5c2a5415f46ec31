//! What one worker has under way to a backend, and where that is too much.
//!
//! Nothing waits here: a request that finds no room is refused at once, while its client can still do something else.
//! Requests are not counted for this but added up from the pools, so that a backend without a ceiling pays nothing.

use crate::plan::CircuitBreaker;
use std::cell::Cell;
use std::rc::Rc;

/// One worker's connections to a backend, for as long as they are open, over any number of snapshots.
#[derive(Debug, Default)]
pub(super) struct Load {
    open: Cell<u32>,
    opening: Cell<u32>,
    waiting: Cell<u32>,
}

/// Says that a connection is being opened, for as long as it lives.
#[derive(Debug)]
pub struct Opening(Rc<Load>);

/// Says that a request waits for a connection to be opened, for as long as it lives.
#[derive(Debug)]
pub struct Waiting(Rc<Load>);

/// Says that a connection is open, for as long as it lives.
#[derive(Debug)]
pub(super) struct Open(Rc<Load>);

impl Load {
    /// Begins to wait for a connection, unless `breaker` has it that too many do.
    pub(super) fn wait(self: &Rc<Self>, breaker: CircuitBreaker) -> Option<Waiting> {
        let waiting = self.waiting.get();
        if breaker.max_pending_requests.is_some_and(|most| waiting >= most) {
            return None;
        }
        self.waiting.set(waiting + 1);
        Some(Waiting(Rc::clone(self)))
    }

    /// Begins to open a connection, unless `breaker` has it that there are too many. `make_room` closes one that nobody
    /// uses; whether there was one.
    pub(super) fn begin(self: &Rc<Self>, breaker: CircuitBreaker, make_room: impl FnOnce() -> bool) -> Option<Opening> {
        let (open, opening) = (self.open.get(), self.opening.get());
        if breaker.max_connections.is_some_and(|most| open + opening >= most) && !make_room() {
            return None;
        }
        self.opening.set(opening + 1);
        Some(Opening(Rc::clone(self)))
    }

    /// Counts a connection that has been opened.
    pub(super) fn opened(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(self))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.set(self.0.opening.get() - 1);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_refused_above_the_ceiling_and_let_in_below_it() {
        let load = Rc::new(Load::default());
        let breaker = CircuitBreaker { max_connections: Some(2), ..CircuitBreaker::default() };
        let first = load.opened();
        let second = load.begin(breaker, || false).expect("room for one");
        assert!(load.begin(breaker, || false).is_none(), "one that is being opened counts");
        drop(second);
        let second = load.opened();
        assert!(load.begin(breaker, || false).is_none());
        assert!(load.begin(breaker, || true).is_some(), "somebody made room");
        drop((first, second));
        assert!(load.begin(breaker, || panic!("there is room")).is_some());
    }

    #[test]
    fn those_that_wait_for_a_connection_have_a_ceiling_of_their_own() {
        let load = Rc::new(Load::default());
        let breaker = CircuitBreaker { max_pending_requests: Some(1), ..CircuitBreaker::default() };
        let waits = load.wait(breaker).expect("nobody waits");
        let _open = load.opened();
        assert!(load.wait(breaker).is_none());
        assert!(load.begin(breaker, || true).is_some(), "connections have no ceiling");
        drop(waits);
        assert!(load.wait(breaker).is_some());
    }
}
