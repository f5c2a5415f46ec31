//! State in one JSON file, replaced whole: a new file beside it, synced, renamed over it, the directory synced.
//!
//! The file says which version of this layout it has. The directory may be the config's own, which is being watched:
//! the events of these writes cost a look at the config's content and nothing else.

use super::lock::Lock;
use super::{Documents, Error, Store};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const NAME: &str = "serin-state.json";

/// The layout of [`Contents`].
const VERSION: u64 = 1;

/// Keeps the state in `serin-state.json` of one directory, for one process.
#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    /// What is there could not be read, and is not to be written over.
    set_aside: bool,
    /// Nobody else writes there meanwhile.
    _lock: Lock,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    version: u64,
    rollouts: Documents,
}

/// Only as much as says whether the rest can be understood.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Where the state file of `directory` is.
pub(super) fn path_in(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// What a state file at `path` says that has this text.
///
/// # Errors
/// When it is none, or one of another version.
pub fn parse(text: &[u8], path: &Path) -> Result<Documents, Error> {
    let corrupt = |source| Error::Corrupt { path: path.to_owned(), source };
    let found = serde_json::from_slice::<Versioned>(text).map_err(corrupt)?.version;
    if found != VERSION {
        return Err(Error::Version { path: path.to_owned(), found, understood: VERSION });
    }
    Ok(serde_json::from_slice::<Contents>(text).map_err(corrupt)?.rollouts)
}

impl FileStore {
    /// For `directory`, which is made if it is missing (its parent is not), and is this store's alone until it is
    /// dropped. Blocks for two seconds at most when another has it.
    ///
    /// # Errors
    /// When a file cannot be written there, or another process keeps its state there.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let write_error = |source| Error::Write { path: path_in(directory), source };
        match fs::create_dir(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(write_error(error)),
            _ => {}
        }
        let store = Self { directory: directory.to_owned(), set_aside: false, _lock: Lock::take(directory)? };
        let probe = File::create(store.temporary()).and_then(|_| fs::remove_file(store.temporary()));
        probe.map_err(write_error)?;
        Ok(store)
    }

    fn path(&self) -> PathBuf {
        path_in(&self.directory)
    }

    /// On the same file system as the state file, or the rename would not be atomic.
    fn temporary(&self) -> PathBuf {
        self.directory.join(format!(".{NAME}.{}", std::process::id()))
    }

    fn write_error(&self, source: io::Error) -> Error {
        Error::Write { path: self.path(), source }
    }

    /// Moves what could not be read out of the way, under a name that no other file has.
    fn move_aside(&self) -> io::Result<()> {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        match fs::rename(self.path(), self.directory.join(format!("{NAME}.unreadable-{ms}"))) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.temporary())?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(self.temporary(), self.path())?;
        // The rename itself is only safe once the directory is.
        File::open(&self.directory)?.sync_all()
    }
}

impl Store for FileStore {
    fn load(&mut self) -> Result<Documents, Error> {
        let loaded = match fs::read(self.path()) {
            Ok(text) => parse(&text, &self.path()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Documents::new()),
            Err(source) => Err(Error::Read { path: self.path(), source }),
        };
        self.set_aside = loaded.is_err();
        loaded
    }

    fn save(&mut self, documents: &Documents) -> Result<(), Error> {
        let contents = Contents { version: VERSION, rollouts: documents.clone() };
        let mut text = serde_json::to_vec_pretty(&contents).expect("documents are JSON values with strings as keys");
        text.push(b'\n');
        if self.set_aside {
            self.move_aside().map_err(|source| self.write_error(source))?;
            self.set_aside = false;
        }
        self.replace(&text).map_err(|source| self.write_error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn documents(phase: &str) -> Documents {
        Documents::from([("data-tier".to_owned(), json!({ "phase": phase }))])
    }

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_directory_without_a_state_has_nothing_to_load() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(&directory.path().join("made")).unwrap();
        assert_eq!(store.load().unwrap(), Documents::new());
    }

    #[test]
    fn what_was_saved_last_is_loaded_and_nothing_else_is_left_lying_about() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(directory.path()).unwrap();
        store.save(&documents("Progressing")).unwrap();
        store.save(&documents("RolledBack")).unwrap();
        drop(store);
        assert_eq!(FileStore::open(directory.path()).unwrap().load().unwrap(), documents("RolledBack"));
        assert_eq!(names(directory.path()), [NAME, "serin-state.lock"]);
    }

    #[test]
    fn a_save_that_died_on_the_way_leaves_the_old_state_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(directory.path()).unwrap();
        store.save(&documents("RolledBack")).unwrap();
        fs::write(store.temporary(), "{\"version\": 1, \"roll").unwrap();
        assert_eq!(store.load().unwrap(), documents("RolledBack"));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_and_is_never_written_over() {
        for (text, part) in [
            ("", "not a state file"),
            ("{\"version\": 1, \"rollouts\"", "not a state file"),
            ("{\"version\": 1}", "not a state file"),
            ("{\"version\": 2, \"new\": []}", "version 2"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            fs::write(path_in(directory.path()), text).unwrap();
            let mut store = FileStore::open(directory.path()).unwrap();
            let error = store.load().unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("move it away"), "{error}");
            assert_eq!(fs::read_to_string(store.path()).unwrap(), text, "loading changes nothing");
            store.save(&documents("RolledBack")).unwrap();
            let names = names(directory.path());
            assert_eq!(names.len(), 3, "{names:?}");
            assert_eq!(fs::read_to_string(directory.path().join(&names[1])).unwrap(), text);
            assert_eq!(store.load().unwrap(), documents("RolledBack"));
        }
    }

    #[test]
    fn a_place_that_is_gone_is_an_error_that_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = FileStore::open(directory.path()).unwrap();
        directory.close().unwrap();
        let error = store.save(&documents("RolledBack")).unwrap_err().to_string();
        assert!(error.contains("make the directory writable"), "{error}");
    }
}
