//! Deadlines: one coarse wheel a worker instead of a timer a request.
//!
//! Setting a deadline is two stores: the wheel keeps each connection under the earliest moment it was ever set for,
//! and looks at the deadline in force only then. A connection that goes on moving its deadline into the future is
//! touched about once in a deadline's length, however many requests it carries. The price is precision: a deadline
//! passes up to two ticks late, and never early.

use slab::Slab;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How coarse the wheel is.
pub(super) const TICK: Duration = Duration::from_millis(100);
const SLOTS: usize = 1_024;
const NEVER: u64 = u64::MAX;

/// A worker's wheel.
#[derive(Debug)]
pub(super) struct Deadlines {
    now: Cell<u64>,
    registered: Cell<u32>,
    entries: RefCell<Slab<Entry>>,
    /// Entries that are given up, and under which the wheel still looks at something. Some of them it may have removed
    /// since.
    spare: RefCell<Vec<Due>>,
    /// The keys of the entries to be looked at, by the tick at which that is due.
    wheel: RefCell<Box<[Vec<Due>]>>,
}

#[derive(Debug)]
struct Entry {
    /// The tick from which on it has passed.
    due: u64,
    /// The tick at which the wheel looks at it next.
    looked_at: u64,
    /// Tells this entry from one that had the same key before.
    serial: u32,
    waker: Option<Waker>,
    /// It is nobody's.
    is_spare: bool,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    key: u32,
    serial: u32,
}

/// One connection's deadline.
#[derive(Debug)]
pub(super) struct Deadline {
    deadlines: Rc<Deadlines>,
    key: usize,
    /// The request's own bound.
    request: Cell<u64>,
    /// The bound of the attempt that is under way, never later than the request's.
    attempt: Cell<u64>,
    /// The bound that every deadline has now: until the response's head comes it may be earlier than the attempt's.
    bound: Cell<u64>,
}

impl Default for Deadlines {
    fn default() -> Self {
        let wheel = RefCell::new(vec![Vec::new(); SLOTS].into());
        let (entries, spare) = (RefCell::default(), RefCell::default());
        Self { now: Cell::new(0), registered: Cell::new(0), entries, spare, wheel }
    }
}

impl Deadlines {
    /// A deadline that is not set.
    ///
    /// One that was given up is taken over, with its place in the wheel: an HTTP/2 request has a deadline of its own, and
    /// would otherwise leave something to look at for as long as it might have taken.
    pub(super) fn register(self: &Rc<Self>) -> Deadline {
        let key = self.take_spare().unwrap_or_else(|| {
            let serial = self.registered.get();
            self.registered.set(serial.wrapping_add(1));
            let entry = Entry { due: NEVER, looked_at: NEVER, serial, waker: None, is_spare: false };
            self.entries.borrow_mut().insert(entry)
        });
        let never = || Cell::new(NEVER);
        Deadline { deadlines: Rc::clone(self), key, request: never(), attempt: never(), bound: never() }
    }

    /// Takes the spare entry that was given up last, and that the wheel has not removed since.
    fn take_spare(&self) -> Option<usize> {
        let (mut entries, mut spare) = (self.entries.borrow_mut(), self.spare.borrow_mut());
        loop {
            let Due { key, serial } = spare.pop()?;
            let entry = entries.get_mut(key as usize).filter(|entry| entry.is_spare && entry.serial == serial);
            if let Some(entry) = entry {
                entry.is_spare = false;
                return Some(key as usize);
            }
        }
    }

    /// Moves the wheel on to tick `now`, and wakes whoever's deadline has passed.
    pub(super) fn advance(&self, now: u64) {
        while self.now.get() < now {
            self.now.set(self.now.get() + 1);
            self.look(self.now.get());
        }
    }

    fn look(&self, now: u64) {
        let slot = slot_of(now);
        let due = std::mem::take(&mut self.wheel.borrow_mut()[slot]);
        let mut entries = self.entries.borrow_mut();
        let mut wheel = self.wheel.borrow_mut();
        for seen in &due {
            let Some(entry) = entries.get_mut(seen.key as usize).filter(|entry| entry.serial == seen.serial) else {
                continue;
            };
            if entry.looked_at != now {
                continue;
            }
            if entry.is_spare {
                entries.remove(seen.key as usize);
            } else if entry.due > now {
                entry.look_again(*seen, now, &mut wheel);
            } else {
                entry.looked_at = NEVER;
                if let Some(waker) = &entry.waker {
                    waker.wake_by_ref();
                }
            }
        }
        // The emptied vector goes back, so that its room is used again.
        let mut due = due;
        if wheel[slot].is_empty() {
            due.clear();
            wheel[slot] = due;
        }
    }

    /// Wakes every connection, whatever it waits for.
    pub(super) fn wake_all(&self) {
        let wakers: Vec<Waker> = self.entries.borrow().iter().filter_map(|(_, entry)| entry.waker.clone()).collect();
        wakers.iter().for_each(Waker::wake_by_ref);
    }
}

impl Entry {
    /// A deadline that has passed when it is set, because the bound has, is looked at in the next tick: a moment that is
    /// over would never come.
    fn look_again(&mut self, due: Due, now: u64, wheel: &mut [Vec<Due>]) {
        self.looked_at = self.due.clamp(now + 1, now + SLOTS as u64 - 1);
        if self.due == NEVER {
            self.looked_at = NEVER;
        } else {
            wheel[slot_of(self.looked_at)].push(due);
        }
    }
}

impl Deadline {
    /// Names the task that is woken.
    fn watch(&self, cx: &Context<'_>) {
        let mut entries = self.deadlines.entries.borrow_mut();
        entries[self.key].waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
    }

    /// Names the task that awaits this.
    pub(super) fn watch_here(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            self.watch(cx);
            Poll::Ready(())
        })
    }

    /// Sets or, with `None`, lifts the deadline.
    pub(super) fn set(&self, after: Option<Duration>) {
        let now = self.deadlines.now.get();
        let due = self.due(after).min(self.bound.get());
        let mut entries = self.deadlines.entries.borrow_mut();
        let entry = &mut entries[self.key];
        entry.due = due;
        if due < entry.looked_at {
            let due = Due { key: key_of(self.key), serial: entry.serial };
            entry.look_again(due, now, &mut self.deadlines.wheel.borrow_mut());
        }
    }

    /// Brings the deadline forward to `after` from now, if it is later than that.
    pub(super) fn shorten(&self, after: Duration) {
        let due = self.deadlines.entries.borrow()[self.key].due;
        if due > tick_after(self.deadlines.now.get(), after) {
            self.set(Some(after));
        }
    }

    /// From now on no deadline is later than this, until it is called again with `None`.
    pub(super) fn bound(&self, after: Option<Duration>) {
        let bound = self.due(after);
        self.request.set(bound);
        self.attempt.set(bound);
        self.bound.set(bound);
    }

    /// Until the next call nothing is later than this either: `whole`, and `head` until the head [has come](Self::head_came).
    pub(super) fn bound_attempt(&self, head: Option<Duration>, whole: Option<Duration>) {
        let attempt = self.due(whole).min(self.request.get());
        self.attempt.set(attempt);
        self.bound.set(self.due(head).min(attempt));
    }

    /// The wait for the response's head begins, and ends after this, if nothing bounds it already.
    pub(super) fn bound_head(&self, after: Duration) {
        if self.bound.get() == self.attempt.get() {
            self.bound.set(self.due(Some(after)).min(self.attempt.get()));
        }
    }

    /// What bounded the wait for the response's head does so no more.
    pub(super) fn head_came(&self) {
        self.bound.set(self.attempt.get());
    }

    fn due(&self, after: Option<Duration>) -> u64 {
        after.map_or(NEVER, |after| tick_after(self.deadlines.now.get(), after))
    }

    /// Whether the request's own bound, rather than the deadline itself, has passed.
    pub(super) fn bound_passed(&self) -> bool {
        self.request.get() <= self.deadlines.now.get()
    }

    /// Whether the bound of the request or of its attempt has passed.
    pub(super) fn attempt_passed(&self) -> bool {
        self.bound.get() <= self.deadlines.now.get()
    }

    /// Whether it has passed.
    pub(super) fn passed(&self) -> bool {
        self.deadlines.entries.borrow()[self.key].due <= self.deadlines.now.get()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut entries = self.deadlines.entries.borrow_mut();
        let entry = &mut entries[self.key];
        if entry.looked_at == NEVER {
            entries.remove(self.key);
            return;
        }
        (entry.due, entry.waker, entry.is_spare) = (NEVER, None, true);
        let due = Due { key: key_of(self.key), serial: entry.serial };
        self.deadlines.spare.borrow_mut().push(due);
    }
}

fn key_of(key: usize) -> u32 {
    u32::try_from(key).expect("fewer connections than 2^32")
}

/// One tick more than the length, since the current tick is partly over.
fn tick_after(now: u64, after: Duration) -> u64 {
    const A_SECOND: u32 = 1_000_000_000 / TICK.subsec_nanos();
    // In two parts, since a division of 128 bits is a slow one.
    let parts = u64::from(after.subsec_nanos().div_ceil(TICK.subsec_nanos()));
    after.as_secs().saturating_mul(u64::from(A_SECOND)).saturating_add(parts).saturating_add(now).saturating_add(1)
}

fn slot_of(tick: u64) -> usize {
    usize::try_from(tick % SLOTS as u64).expect("below the number of slots")
}

#[cfg(test)]
#[path = "deadline_tests.rs"]
mod tests;
