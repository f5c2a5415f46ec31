//! One side of the split: how far its counters have been read, and what people see of it.

use crate::rollout::counters::{Delta, Reader};
use crate::rollout::time::Now;
use crate::rollout::window::Window;
use crate::stats::{SeriesKey, Totals};
use std::time::Duration;

/// What one side of the split did.
#[derive(Debug)]
pub(in crate::rollout) struct Side {
    pub(super) key: SeriesKey,
    reader: Reader,
    /// Over the longest window of the limits, for people to look at.
    pub(in crate::rollout) window: Window,
    /// As of the last tick.
    pub(in crate::rollout) ready: bool,
}

impl Side {
    pub(super) fn new(key: SeriesKey, length: Duration, read: impl Fn(&SeriesKey) -> Totals) -> Self {
        let reader = Reader::new(&read(&key));
        Self { key, reader, window: Window::new(length), ready: false }
    }

    /// Goes on with the series `key`; from its present totals if it is another one. Says whether it is.
    pub(super) fn follow(&mut self, key: SeriesKey, length: Duration, read: impl Fn(&SeriesKey) -> Totals) -> bool {
        let another = key != self.key;
        if another {
            *self = Self { ready: self.ready, ..Self::new(key, length, read) };
        } else if length != self.window.length() {
            self.window = Window::new(length);
        }
        another
    }

    pub(super) fn observe(&mut self, read: impl Fn(&SeriesKey) -> Totals, now: Now) -> Delta {
        let delta = self.reader.read(&read(&self.key));
        self.window.push(&delta, now.monotonic);
        delta
    }
}
