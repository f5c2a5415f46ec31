//! Where the rollouts' state lives between two runs of the process.
//!
//! The rooms above decide what a state is; this one keeps it: one JSON document a rollout, by the rollout's name, all
//! of them loaded at start and saved together, whole or not at all.
//!
//! A state that cannot be read is an error here and never an empty one: it may say that a revision failed. The judge
//! goes on without it by keeping every canary out, which serves all users; refusing to start would serve none.

mod file;
mod lock;
mod memory;
mod writer;

pub use file::{FileStore, parse};
pub use memory::MemoryStore;
pub use writer::{Saved, Writer};

use crate::plan;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The states of all rollouts, by name.
pub type Documents = BTreeMap<String, serde_json::Value>;

/// A place that keeps the rollouts' state. Calls may block.
pub trait Store: Send {
    /// What was saved last; nothing when nothing ever was.
    ///
    /// # Errors
    /// When something is there that cannot be read or understood. It stays as it is.
    fn load(&mut self) -> Result<Documents, Error>;

    /// Replaces what is kept. After `Ok` it outlives a crash of the machine, if the place can do that at all; after an
    /// error, or a crash on the way, the old state is there whole. What [`load`](Self::load) could not read is set
    /// aside first, not lost.
    ///
    /// # Errors
    /// When it could not be written.
    fn save(&mut self, documents: &Documents) -> Result<(), Error>;
}

/// Why state was not loaded or saved.
#[derive(Debug, Error)]
pub enum Error {
    /// The file is there and cannot be read.
    #[error("cannot read the rollouts' state from {}: {source}", path.display())]
    Read {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what Serin writes.
    #[error(
        "{} is not a state file that Serin wrote ({source}); restore it from a backup, or move it away to start \
         without any memory of failed revisions", path.display()
    )]
    Corrupt {
        /// The state file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A later Serin wrote the file.
    #[error(
        "{} has version {found}, this Serin understands version {understood}; run the Serin that wrote it, or move it \
         away to start without any memory of failed revisions", path.display()
    )]
    Version {
        /// The state file.
        path: PathBuf,
        /// The version that it says.
        found: u64,
        /// The version that is understood.
        understood: u64,
    },
    /// The state cannot be written.
    #[error(
        "cannot write the rollouts' state to {}: {source}; make the directory writable, or name another with \
         `store: {{ file: DIR }}`", path.display()
    )]
    Write {
        /// The state file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process keeps its state there.
    #[error(
        "another Serin keeps its rollouts' state in {}; stop that one, or give this one a directory of its own with \
         `store: {{ file: DIR }}`", directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
}

/// The store that the plan asks for. `config` is the config file's path; its directory is the default place.
///
/// Blocks for a few file system calls, and for two seconds at most when another process has the directory.
///
/// # Errors
/// When another process keeps its state there. When the directory that the operator named cannot be written, or when
/// the default one holds a state that could be read but not kept up to date: it would come back, outdated, at the next
/// start.
pub fn open(wanted: &plan::Store, config: &Path) -> Result<Box<dyn Store>, Error> {
    match wanted {
        plan::Store::Dir(directory) => Ok(Box::new(FileStore::open(directory)?)),
        plan::Store::BesideConfig => {
            // A bare file name has an empty parent, which stands for the working directory.
            let directory = config.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match FileStore::open(directory) {
                Ok(store) => Ok(Box::new(store)),
                Err(error @ Error::InUse { .. }) => Err(error),
                Err(error) if file::path_in(directory).exists() => Err(error),
                Err(error) => {
                    tracing::warn!(
                        %error,
                        "the rollouts' state is kept in memory: after a restart a failed revision gets traffic again"
                    );
                    Ok(Box::new(MemoryStore::default()))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn state_beside_the_config_is_kept_in_a_file_when_the_directory_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("serin.yaml");
        let documents = Documents::from([("a".to_owned(), json!({ "phase": "RolledBack" }))]);
        open(&plan::Store::BesideConfig, &config).unwrap().save(&documents).unwrap();
        assert_eq!(open(&plan::Store::BesideConfig, &config).unwrap().load().unwrap(), documents);
    }

    #[test]
    fn state_beside_the_config_is_kept_in_memory_when_the_directory_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("no such directory").join("serin.yaml");
        let mut store = open(&plan::Store::BesideConfig, &config).unwrap();
        assert_eq!(store.load().unwrap(), Documents::new());
    }

    #[test]
    fn a_directory_that_another_has_is_no_reason_to_keep_the_state_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("serin.yaml");
        let _first = open(&plan::Store::BesideConfig, &config).unwrap();
        for wanted in [plan::Store::BesideConfig, plan::Store::Dir(directory.path().to_owned())] {
            let error = open(&wanted, &config).err().unwrap();
            assert!(matches!(error, Error::InUse { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_directory_that_the_operator_named_has_to_be_writable() {
        let directory = tempfile::tempdir().unwrap();
        let not_a_directory = directory.path().join("file");
        std::fs::write(&not_a_directory, "").unwrap();
        let error = open(&plan::Store::Dir(not_a_directory.join("state")), Path::new("serin.yaml")).err().unwrap();
        assert!(error.to_string().contains("`store: { file: DIR }`"), "{error}");
    }
}
