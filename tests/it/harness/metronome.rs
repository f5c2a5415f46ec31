//! How late this machine is, measured beside what a test measures.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that wants to run every two milliseconds and notes when it did. A bound on a time holds for a machine that
/// runs what is due; on one whose cores are all taken, each hand-over between threads comes late by about as much as
/// this thread's turns do.
pub(crate) struct Metronome {
    beats: Arc<Mutex<Vec<Instant>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const BEAT: Duration = Duration::from_millis(2);
/// From the cause that a test measures from to the effect that it measures, what happens is handed over at most so often
/// between threads that have to get a turn: the kernel's notice, the control thread, a worker, the peers.
const HAND_OVERS: u32 = 5;

impl Metronome {
    pub(crate) fn start() -> Self {
        let (beats, stop) = (Arc::new(Mutex::new(vec![Instant::now()])), Arc::<AtomicBool>::default());
        let (theirs, end) = (Arc::clone(&beats), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !end.load(SeqCst) {
                std::thread::sleep(BEAT);
                theirs.lock().unwrap().push(Instant::now());
            }
        });
        Self { beats, stop, thread: Some(thread) }
    }

    /// How much later than `limit` something that took from `begin` to `end` may be, by what the machine was late.
    pub(crate) fn lateness(&self, begin: Instant, end: Instant) -> Duration {
        let mut beats = self.beats.lock().unwrap().clone();
        // A turn that is due and has not come yet is late as well.
        beats.push(Instant::now());
        let within = beats.windows(2).filter(|pair| pair[1] >= begin && pair[0] <= end);
        let longest = within.map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        longest.saturating_sub(BEAT * 2) * HAND_OVERS
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
