//! Counts of yes and no, of both versions over the same time, and a ring that keeps the recent ones.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::time::Duration;

/// Requests, and those of them that went wrong: failed, or were slower than a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Never more than `of`.
    pub(super) wrong: u64,
    pub(super) of: u64,
}

/// Both versions over the same ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pair {
    pub(super) canary: Tally,
    pub(super) stable: Tally,
}

/// What was counted over the last `length`, in slots: back to within a sixtieth of it, as [`Window`](super::Window).
#[derive(Debug, Clone)]
pub(super) struct Recent<T> {
    length: Duration,
    /// Only slots in which something was counted, oldest first; at most [`SLOTS`].
    slots: VecDeque<(u128, T)>,
}

const SLOTS: u128 = 60;

impl Tally {
    /// The share that went wrong, 0 to 1; `None` without a request.
    pub(super) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| float(self.wrong) / float(self.of))
    }

    /// Without so many of those that went wrong.
    pub(super) fn without(self, wrong: u64) -> Self {
        let wrong = wrong.min(self.wrong);
        Self { wrong: self.wrong - wrong, of: self.of - wrong }
    }
}

impl Pair {
    /// Whether nobody was asked for anything.
    pub(super) fn is_empty(self) -> bool {
        self.canary.of == 0 && self.stable.of == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.wrong += other.wrong;
        self.of += other.of;
    }
}

impl AddAssign for Pair {
    fn add_assign(&mut self, other: Self) {
        self.canary += other.canary;
        self.stable += other.stable;
    }
}

impl<T: AddAssign + Copy + Default> Recent<T> {
    /// Empty; `length` is above zero.
    pub(super) fn new(length: Duration) -> Self {
        Self { length, slots: VecDeque::new() }
    }

    /// Lets go of what is too old at `now`, which is monotonic, and takes in `new` where there is any.
    pub(super) fn push(&mut self, new: Option<T>, now: Duration) {
        let number = now.as_nanos() * SLOTS / self.length.as_nanos().max(1);
        while self.slots.front().is_some_and(|(old, _)| old + SLOTS <= number) {
            self.slots.pop_front();
        }
        let Some(new) = new else { return };
        match self.slots.back_mut() {
            Some((newest, counted)) if *newest == number => *counted += new,
            _ => self.slots.push_back((number, new)),
        }
    }

    /// Slot by slot, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(|(_, counted)| counted)
    }

    /// Slot by slot, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, counted)| counted)
    }

    /// All of it.
    pub(super) fn total(&self) -> T {
        self.iter().fold(T::default(), |mut total, slot| {
            total += *slot;
            total
        })
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "what one process counts in a trial is far below 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_young_enough_is_in_the_ring() {
        let mut recent = Recent::new(Duration::from_secs(60));
        for second in [100, 100, 130, 159] {
            recent.push(Some(Tally { wrong: 1, of: 2 }), Duration::from_secs(second));
        }
        assert_eq!((recent.total(), recent.iter().count()), (Tally { wrong: 4, of: 8 }, 3));
        recent.push(None, Duration::from_secs(160));
        assert_eq!(recent.total(), Tally { wrong: 2, of: 4 });
        recent.push(None, Duration::from_secs(1_000));
        assert_eq!((recent.total(), recent.iter().count()), (Tally::default(), 0));
    }

    #[test]
    fn what_is_taken_away_was_wrong_and_is_never_more_than_there_is() {
        assert_eq!(Tally { wrong: 5, of: 20 }.without(3), Tally { wrong: 2, of: 17 });
        assert_eq!(Tally { wrong: 5, of: 20 }.without(9), Tally { wrong: 0, of: 15 });
        assert_eq!(Tally::default().share(), None);
    }
}
