//! One process to a directory: two that kept their state in one file would each write over what the other has decided,
//! and a revision that failed for one of them would be served again.
//!
//! The kernel holds the lock for as long as the file is open, so it ends with the process however that ends. The file
//! itself stays: whoever removed it could remove one that another process has locked meanwhile.

use super::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

const NAME: &str = "serin-state.lock";

/// How long a process that is on its way out may take to let go: one that is started again at once meets it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
const REST: Duration = Duration::from_millis(20);

/// Keeps other processes out of a directory until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _held: File,
}

impl Lock {
    /// For `directory`, which is there. Blocks for [`PATIENCE`] at most.
    ///
    /// # Errors
    /// [`Error::InUse`] when another has it, and [`Error::Write`] when the file cannot be made or locked there.
    pub(super) fn take(directory: &Path) -> Result<Self, Error> {
        Self::take_within(directory, PATIENCE)
    }

    fn take_within(directory: &Path, patience: Duration) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let failed = |source: io::Error| Error::Write { path: path.clone(), source };
        // For writing: where locks go over the network, an exclusive one takes it.
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let until = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _held: file }),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    // The whole path: `.` tells nobody where that is.
                    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
                    return Err(Error::InUse { directory });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(REST),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_the_next_one_is_told_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        let error = Lock::take_within(directory.path(), Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error:?}");
        let (text, path) = (error.to_string(), directory.path().display().to_string());
        assert!(text.contains(&path) && text.contains("`store: { file: DIR }`"), "{text}");
        drop(held);
        Lock::take_within(directory.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn one_that_is_about_to_leave_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| Lock::take_within(directory.path(), Duration::from_secs(30)));
            std::thread::sleep(2 * REST);
            assert!(!next.is_finished(), "two at once");
            drop(held);
            next.join().unwrap().unwrap();
        });
    }
}
