//! One clock for everyone in the demo, so that moments seen by different threads can be subtracted.

use std::time::{Duration, Instant};

/// Counts from when it was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Whole microseconds since the start, and never 0: that stands for "not yet".
    pub(super) fn micros(self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).expect("a demo is shorter than 500,000 years").max(1)
    }
}
