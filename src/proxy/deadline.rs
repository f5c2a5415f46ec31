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
        Self { now: Cell::new(0), registered: Cell::new(0), entries: RefCell::default(), wheel }
    }
}

impl Deadlines {
    /// A deadline that is not set.
    pub(super) fn register(self: &Rc<Self>) -> Deadline {
        let mut entries = self.entries.borrow_mut();
        let serial = self.registered.get();
        self.registered.set(serial.wrapping_add(1));
        let key = entries.insert(Entry { due: NEVER, looked_at: NEVER, serial, waker: None });
        let never = || Cell::new(NEVER);
        Deadline { deadlines: Rc::clone(self), key, request: never(), attempt: never(), bound: never() }
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
            if entry.due > now {
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
            let key = u32::try_from(self.key).expect("fewer connections than 2^32");
            let due = Due { key, serial: entry.serial };
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
        self.deadlines.entries.borrow_mut().remove(self.key);
    }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ticks(count: u32) -> Duration {
        Duration::from_millis(100 * count as u64)
    }

    #[test]
    fn a_deadline_passes_after_its_length_and_at_most_two_ticks_late() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register();
        deadline.set(Some(ticks(3)));
        deadlines.advance(3);
        assert!(!deadline.passed());
        deadlines.advance(4);
        assert!(deadline.passed());
    }

    #[test]
    fn a_bound_holds_whatever_is_set() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register();
        deadline.bound(Some(ticks(1)));
        deadline.set(None);
        deadlines.advance(2);
        assert!(deadline.passed() && deadline.bound_passed());
        deadline.bound(None);
        deadline.set(None);
        assert!(!deadline.passed());
    }

    #[test]
    fn an_attempt_has_bounds_within_the_requests() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register();
        deadline.bound(Some(ticks(9)));
        let passed_at = |now, deadline: &Deadline| {
            deadline.set(None);
            deadlines.advance(now);
            deadline.passed()
        };
        deadline.bound_attempt(Some(ticks(1)), Some(ticks(4)));
        assert!(passed_at(2, &deadline) && deadline.attempt_passed() && !deadline.bound_passed());
        deadline.head_came();
        assert!(!passed_at(4, &deadline) && passed_at(5, &deadline) && !deadline.bound_passed());
        deadline.bound_attempt(Some(ticks(7)), None);
        assert!(!passed_at(9, &deadline), "a second attempt does not inherit the first one's");
        assert!(passed_at(10, &deadline) && deadline.bound_passed(), "and the request's holds for it");
    }

    #[test]
    fn a_deadline_that_is_set_when_the_bound_has_passed_does_not_undo_later_ones() {
        let (waker, woken) = futures_waker();
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register();
        deadline.watch(&Context::from_waker(&waker));
        let woken = || woken.swap(false, std::sync::atomic::Ordering::SeqCst);
        deadline.bound(Some(ticks(1)));
        deadlines.advance(5);
        deadline.set(Some(ticks(10)));
        assert!(deadline.passed());
        deadlines.advance(6);
        assert!(woken(), "whoever waits for it is told");
        deadline.bound(None);
        deadline.set(Some(ticks(10)));
        deadlines.advance(16);
        assert!(!deadline.passed() && !woken());
        deadlines.advance(17);
        assert!(deadline.passed() && woken());
    }

    proptest! {
        /// The wheel wakes a task exactly when the deadline in force has passed, in whatever way it was moved.
        #[test]
        fn whoever_is_due_is_woken(moves in proptest::collection::vec((0_u32..3_000, 1_u64..400), 1..40)) {
            let (waker, woken) = futures_waker();
            let deadlines = Rc::new(Deadlines::default());
            let deadline = deadlines.register();
            deadline.watch(&Context::from_waker(&waker));
            let mut now = 0;
            for (length, steps) in moves {
                deadline.set(Some(ticks(length)));
                let due = now + u64::from(length) + 1;
                woken.store(false, std::sync::atomic::Ordering::SeqCst);
                now += steps;
                deadlines.advance(now);
                prop_assert_eq!(deadline.passed(), due <= now);
                prop_assert_eq!(woken.load(std::sync::atomic::Ordering::SeqCst), due <= now);
            }
        }
    }

    fn futures_waker() -> (Waker, std::sync::Arc<std::sync::atomic::AtomicBool>) {
        struct Flag(std::sync::Arc<std::sync::atomic::AtomicBool>);
        impl std::task::Wake for Flag {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        (Waker::from(std::sync::Arc::new(Flag(std::sync::Arc::clone(&flag)))), flag)
    }
}
