//! What became of mirrored requests, counted apart: a backend that gets copies is not on trial.

use super::histogram::increase;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of one mirrored request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorOutcome {
    /// It was answered, with whatever status.
    Answered,
    /// It was not: no endpoint, no connection, no answer in time, or one that is not HTTP.
    Failed,
    /// It was not sent: as many as may be were under way.
    Overload,
    /// It was not sent: its body is longer than what is kept of one.
    TooLarge,
    /// It was not sent: its body was not read to the end.
    Incomplete,
}

impl MirrorOutcome {
    /// Every outcome, in the order of their counters.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Failed, Self::Overload, Self::TooLarge, Self::Incomplete];

    /// The value of the label `outcome`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Overload => "overload",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What a rule's mirrored requests to one backend are counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorKey {
    /// The route's name.
    pub route: Arc<str>,
    /// The rule's name.
    pub rule: Arc<str>,
    /// The name of the backend that gets the copies.
    pub backend: Arc<str>,
}

/// One worker's counters for the copies that one rule sends to one backend. One thread writes, any thread reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct MirrorShard([AtomicU64; MirrorOutcome::ALL.len()]);

impl MirrorShard {
    /// Counts one mirrored request. For the one writer.
    pub fn record(&self, outcome: MirrorOutcome) {
        increase(&self.0[outcome as usize], 1);
    }

    /// How many had this outcome.
    pub fn count(&self, outcome: MirrorOutcome) -> u64 {
        self.0[outcome as usize].load(Relaxed)
    }
}
