//! Saves on a thread of its own, so that a disk that takes its time, or never answers, delays no judgement.
//!
//! States replace each other, so only the latest is worth writing: what comes while a save is under way waits, and the
//! newest of it is written next. A save that fails is tried again, four times a second, until it or a later one works.

use super::{Documents, Store};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a failed save rests.
const RETRY: Duration = Duration::from_millis(250);

/// A failure is logged the first time and then once in so many: every ten seconds.
const LOG_EVERY: u64 = 40;

/// Hands states over to the thread that saves them.
#[derive(Debug)]
pub struct Writer {
    jobs: Sender<Job>,
    sent: u64,
    progress: Arc<Progress>,
}

/// A state on its way to the store.
#[derive(Debug, Clone)]
pub struct Saved(watch::Receiver<bool>);

#[derive(Debug)]
struct Job {
    number: u64,
    documents: Documents,
    /// Told when saved; dropped when not.
    saved: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The number of the last job that was saved.
    saved: Mutex<u64>,
    changed: Condvar,
    failing: AtomicBool,
}

impl Writer {
    /// Starts the thread. It ends when this value is dropped and what was handed over has been tried.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(store: Box<dyn Store>) -> io::Result<Self> {
        let (jobs, received) = channel();
        let progress = Arc::<Progress>::default();
        let shared = Arc::clone(&progress);
        std::thread::Builder::new().name("serin-store".to_owned()).spawn(move || run(store, &received, &shared))?;
        Ok(Self { jobs, sent: 0, progress })
    }

    /// Saves `documents`, soon, unless a later call replaces them.
    pub fn save(&mut self, documents: Documents) -> Saved {
        let (saved, receiver) = watch::channel(false);
        self.sent += 1;
        if self.jobs.send(Job { number: self.sent, documents, saved }).is_err() {
            self.progress.failing.store(true, Relaxed);
            tracing::error!("the thread that saves the rollouts' state is gone; a restart forgets failed revisions");
        }
        Saved(receiver)
    }

    /// Whether the last try to save failed.
    pub fn failing(&self) -> bool {
        self.progress.failing.load(Relaxed)
    }

    /// Waits until the last state handed over is saved, for `timeout` at most; says whether it is.
    pub fn flush(&self, timeout: Duration) -> bool {
        let saved = self.progress.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = |saved: &mut u64| *saved < self.sent;
        let waited = self.progress.changed.wait_timeout_while(saved, timeout, waiting);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == self.sent
    }
}

impl Saved {
    /// Comes back once the state, or a later one, has been saved (true), or could not be at the first try (false).
    pub async fn wait(mut self) -> bool {
        self.0.wait_for(|saved| *saved).await.is_ok()
    }
}

/// The thread: the newest job, again and again until it is saved.
fn run(mut store: Box<dyn Store>, jobs: &Receiver<Job>, progress: &Progress) {
    let (mut unsaved, mut failures) = (None::<(u64, Documents)>, 0_u64);
    loop {
        let next = if unsaved.is_none() {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            jobs.recv_timeout(RETRY)
        };
        let mut waiting = Vec::new();
        match next {
            Ok(job) => {
                for job in std::iter::once(job).chain(jobs.try_iter()) {
                    unsaved = Some((job.number, job.documents));
                    waiting.push(job.saved);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some((number, documents)) = &unsaved else { continue };
        match store.save(documents) {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(failures, "the rollouts' state is saved again");
                }
                progress.failing.store(false, Relaxed);
                *progress.saved.lock().unwrap_or_else(PoisonError::into_inner) = *number;
                progress.changed.notify_all();
                for saved in waiting {
                    saved.send_replace(true);
                }
                (unsaved, failures) = (None, 0);
            }
            Err(error) => {
                progress.failing.store(true, Relaxed);
                if failures.is_multiple_of(LOG_EVERY) {
                    tracing::error!(
                        %error,
                        "the rollouts' state is not saved: the traffic is as it should be, but a restart would forget \
                         what was decided; trying on"
                    );
                }
                failures += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Error;
    use super::*;
    use serde_json::json;

    /// Fails so many times, then tells what it was given.
    struct Flaky {
        failures: u32,
        saves: Sender<Documents>,
    }

    impl Store for Flaky {
        fn load(&mut self) -> Result<Documents, Error> {
            Ok(Documents::new())
        }

        fn save(&mut self, documents: &Documents) -> Result<(), Error> {
            if self.failures > 0 {
                self.failures -= 1;
                let source = io::Error::from(io::ErrorKind::StorageFull);
                return Err(Error::Write { path: "state".into(), source });
            }
            self.saves.send(documents.clone()).unwrap();
            Ok(())
        }
    }

    fn documents(n: u32) -> Documents {
        Documents::from([("a".to_owned(), json!(n))])
    }

    fn wait(saved: Saved) -> bool {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(saved.wait())
    }

    #[test]
    fn a_save_that_fails_is_tried_until_it_works() {
        let (saves, received) = channel();
        let mut writer = Writer::start(Box::new(Flaky { failures: 2, saves })).unwrap();
        assert!(!wait(writer.save(documents(1))), "who waits is not kept waiting by a failure");
        assert!(!writer.flush(Duration::ZERO));
        assert_eq!(received.recv().unwrap(), documents(1));
        assert!(writer.flush(Duration::from_secs(10)));
    }

    #[test]
    fn the_last_state_is_what_is_there_in_the_end() {
        let (saves, received) = channel();
        let mut writer = Writer::start(Box::new(Flaky { failures: 0, saves })).unwrap();
        let last = (0..100).map(|n| writer.save(documents(n))).last().unwrap();
        assert!(wait(last));
        assert!(writer.flush(Duration::ZERO) && !writer.failing());
        assert_eq!(received.try_iter().last().unwrap(), documents(99));
    }
}
