//! Deadlines, moved and passed in all ways.

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

/// As the requests of HTTP/2 connections are: many one after the other, each of which might take a minute.
#[test]
fn what_is_given_up_leaves_the_wheel_no_fuller() {
    let deadlines = Rc::new(Deadlines::default());
    let looks = || deadlines.wheel.borrow().iter().map(Vec::len).sum::<usize>();
    for tick in 1..3_000 {
        for _ in 0..50 {
            let both = [deadlines.register(), deadlines.register()];
            both.iter().for_each(|deadline| deadline.set(Some(ticks(600))));
            both[0].set(Some(ticks(50)));
        }
        deadlines.advance(tick);
        let kept = (looks(), deadlines.entries.borrow().len(), deadlines.spare.borrow().len());
        assert!(kept.0 < 100 && kept.1 < 20 && kept.2 < 20, "{kept:?}");
    }
    deadlines.advance(6_000);
    assert_eq!((looks(), deadlines.entries.borrow().len()), (0, 0));
}

/// What was set for one is not what its successor waits for.
#[test]
fn a_deadline_that_takes_over_a_place_is_not_set() {
    let (waker, woken) = futures_waker();
    let deadlines = Rc::new(Deadlines::default());
    let first = deadlines.register();
    first.watch(&Context::from_waker(&waker));
    first.set(Some(ticks(3)));
    drop(first);
    let second = deadlines.register();
    second.watch(&Context::from_waker(&waker));
    deadlines.advance(10);
    assert!(!second.passed() && !woken.load(std::sync::atomic::Ordering::SeqCst));
    second.set(Some(ticks(3)));
    deadlines.advance(14);
    assert!(second.passed() && woken.load(std::sync::atomic::Ordering::SeqCst));
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
