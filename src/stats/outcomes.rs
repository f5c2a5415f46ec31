//! How one worker's requests to one endpoint went: what the comparison of endpoints with each other needs, and no more.

use super::histogram::increase;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One worker's counters for one endpoint. One thread writes, any thread reads.
///
/// On cache lines of its own, since the next worker's lies beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Outcomes {
    well: AtomicU64,
    failed: AtomicU64,
}

impl Outcomes {
    /// Counts one request. For the one writer.
    pub fn record(&self, failed: bool) {
        increase(if failed { &self.failed } else { &self.well }, 1);
    }

    /// How many went well, and how many failed.
    pub fn read(&self) -> (u64, u64) {
        (self.well.load(Relaxed), self.failed.load(Relaxed))
    }
}
