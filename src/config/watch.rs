//! Tells when the file's content has changed, however it was changed.
//!
//! Editors write in place or rename a new file over the old; Kubernetes renames a symlink (`..data`) two steps away
//! from the file. So it is directories that are watched: the one that the path names and the one that the file really
//! lies in. An event only means "look": the content is read and compared, and what has not changed is nobody's
//! business. A slow poll goes on beside the events, for file systems that send none, and for a directory that was
//! itself replaced.

use notify::{EventKind, RecursiveMode, Watcher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Silence that ends a burst of events: what one save of an editor sends comes closer together than this.
const QUIET: Duration = Duration::from_millis(15);
/// A burst that does not end is looked at all the same.
const LONGEST_BURST: Duration = Duration::from_millis(80);
/// Beside events that work.
const SLOW_POLL: Duration = Duration::from_secs(10);
/// Instead of events.
const FAST_POLL: Duration = Duration::from_secs(1);

/// Watches one file. Lives on the control thread.
#[derive(Debug)]
pub struct Watcher {
    path: PathBuf,
    seen: Content,
    events: Arc<Notify>,
    /// None when the system gives no events.
    system: Option<notify::RecommendedWatcher>,
    directories: Vec<PathBuf>,
    burst: Option<Burst>,
    poll_every: Duration,
    next_poll: Instant,
}

/// What there was to read.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Text(String),
    Unreadable(io::ErrorKind),
}

/// Events that came close together.
#[derive(Debug, Clone, Copy)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Burst {
    fn ends(self) -> Instant {
        (self.last + QUIET).min(self.first + LONGEST_BURST)
    }
}

impl Watcher {
    /// Watches the file at `path` from now on; it need not exist.
    ///
    /// To miss nothing, create it first and [`load`](super::load) after. Without events from the system (a limit of
    /// inotify's, mostly) it warns and polls every second.
    pub fn new(path: &Path) -> Self {
        let events = Arc::new(Notify::new());
        let handler = Arc::clone(&events);
        let system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the file is an event too, and it would be our own.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                handler.notify_one();
            }
        });
        let mut watcher = Self {
            path: path.to_owned(),
            seen: Content::of(path),
            events,
            system: None,
            directories: Vec::new(),
            burst: None,
            poll_every: FAST_POLL,
            next_poll: Instant::now() + FAST_POLL,
        };
        match system {
            Ok(system) => {
                watcher.system = Some(system);
                watcher.watch_directories();
                // Between the first look and the first watch something may have happened.
                watcher.events.notify_one();
            }
            Err(error) => watcher.poll_instead(&error),
        }
        watcher
    }

    /// Returns when the content is another than at the last return (or at the start). A file that vanished counts as
    /// another content.
    ///
    /// Cancel safe: what a dropped call has noticed, the next one goes on with.
    pub async fn changed(&mut self) {
        loop {
            self.settled().await;
            self.watch_directories();
            let content = Content::of(&self.path);
            if content != self.seen {
                self.seen = content;
                return;
            }
        }
    }

    /// Lets go of the system's events; the slow poll goes on.
    ///
    /// For a process that is about to end: the kernel takes back a watch only when every reader of its lists has moved
    /// on, which on a machine whose cores are all taken can be seconds, and the process is not gone before.
    pub fn let_go(&mut self) {
        self.system = None;
    }

    /// Returns when a burst of events is over, or it is time to poll.
    async fn settled(&mut self) {
        loop {
            let due = self.burst.map_or(self.next_poll, Burst::ends);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due) => {
                    self.burst = None;
                    self.next_poll = Instant::now() + self.poll_every;
                    return;
                }
                () = self.events.notified() => {
                    let last = Instant::now();
                    let first = self.burst.map_or(last, |burst| burst.first);
                    self.burst = Some(Burst { first, last });
                }
            }
        }
    }

    /// Watches where the path points to by now. Watching a directory again costs nothing and finds one that was
    /// replaced under the same name.
    fn watch_directories(&mut self) {
        let Some(system) = &mut self.system else { return };
        let mut wanted = vec![directory_of(&self.path)];
        wanted.extend(self.path.canonicalize().ok().map(|file| directory_of(&file)));
        wanted.dedup();
        for old in self.directories.iter().filter(|old| !wanted.contains(old)) {
            // It is an error only when the directory is gone, and with it the watch.
            let _ = system.unwatch(old);
        }
        let failed = wanted.iter().find_map(|directory| match system.watch(directory, RecursiveMode::NonRecursive) {
            Err(error) if directory.exists() => Some(error),
            _ => None,
        });
        self.directories = wanted;
        match failed {
            None => self.poll_every = SLOW_POLL,
            Some(error) => self.poll_instead(&error),
        }
    }

    fn poll_instead(&mut self, error: &notify::Error) {
        tracing::warn!(%error, path = %self.path.display(), "cannot watch the config's directory: polling every second");
        self.system = None;
        self.poll_every = FAST_POLL;
        self.next_poll = self.next_poll.min(Instant::now() + FAST_POLL);
    }
}

impl Content {
    fn of(path: &Path) -> Self {
        super::read(path).map_or_else(|error| Self::Unreadable(error.kind()), Self::Text)
    }
}

/// The directory that a file is in; a bare name is in the current one.
fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    const SOON: Duration = Duration::from_secs(5);
    /// Well below [`SLOW_POLL`], so that a pass means that an event came.
    const NEVER: Duration = Duration::from_millis(300);

    struct Scene {
        dir: TempDir,
        file: PathBuf,
        watcher: Watcher,
    }

    fn scene() -> Scene {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("serin.yaml");
        fs::write(&file, "one").unwrap();
        let watcher = Watcher::new(&file);
        Scene { dir, file, watcher }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    /// Waits until the content is `expected`; more than one change may be seen on the way.
    async fn sees(watcher: &mut Watcher, expected: &str) {
        let wait = async {
            while watcher.seen != Content::Text(expected.into()) {
                watcher.changed().await;
            }
        };
        tokio::time::timeout(SOON, wait).await.expect("the change is seen");
    }

    async fn sees_nothing(watcher: &mut Watcher) {
        tokio::time::timeout(NEVER, watcher.changed()).await.expect_err("nothing has changed");
    }

    #[test]
    fn an_edit_in_place_is_seen() {
        run(async {
            let Scene { dir: _dir, file, mut watcher } = scene();
            fs::write(&file, "two").unwrap();
            sees(&mut watcher, "two").await;
        });
    }

    #[test]
    fn a_file_renamed_over_it_is_seen_within_the_budget() {
        run(async {
            let Scene { dir, file, mut watcher } = scene();
            let mut fastest = SOON;
            for round in 0..20 {
                let (new, text) = (dir.path().join("new"), format!("round {round}"));
                fs::write(&new, &text).unwrap();
                let swapped = Instant::now();
                fs::rename(&new, &file).unwrap();
                sees(&mut watcher, &text).await;
                fastest = fastest.min(swapped.elapsed());
            }
            // The budget to every worker is 100 ms; the fastest of many, because a busy machine is late at times.
            assert!(fastest < Duration::from_millis(50), "{fastest:?}");
        });
    }

    #[test]
    fn a_config_map_update_is_seen() {
        run(async {
            let dir = TempDir::new().unwrap();
            let version = |name: &str, text: &str| {
                fs::create_dir(dir.path().join(name)).unwrap();
                fs::write(dir.path().join(name).join("serin.yaml"), text).unwrap();
            };
            version("..1", "one");
            symlink("..1", dir.path().join("..data")).unwrap();
            symlink("..data/serin.yaml", dir.path().join("serin.yaml")).unwrap();
            let mut watcher = Watcher::new(&dir.path().join("serin.yaml"));
            for round in 2..10 {
                let (name, text) = (format!("..{round}"), format!("version {round}"));
                version(&name, &text);
                symlink(&name, dir.path().join("..data_tmp")).unwrap();
                fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
                fs::remove_dir_all(dir.path().join(format!("..{}", round - 1))).unwrap();
                sees(&mut watcher, &text).await;
            }
        });
    }

    #[test]
    fn an_edit_behind_a_symlink_is_seen() {
        run(async {
            let (links, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            fs::write(files.path().join("real"), "one").unwrap();
            symlink(files.path().join("real"), links.path().join("serin.yaml")).unwrap();
            let mut watcher = Watcher::new(&links.path().join("serin.yaml"));
            fs::write(files.path().join("real"), "two").unwrap();
            sees(&mut watcher, "two").await;
        });
    }

    #[test]
    fn a_file_that_vanishes_and_comes_back_is_two_changes() {
        run(async {
            let Scene { dir: _dir, file, mut watcher } = scene();
            fs::remove_file(&file).unwrap();
            tokio::time::timeout(SOON, watcher.changed()).await.unwrap();
            assert_eq!(watcher.seen, Content::Unreadable(io::ErrorKind::NotFound));
            fs::write(&file, "one").unwrap();
            sees(&mut watcher, "one").await;
        });
    }

    #[test]
    fn the_last_of_many_quick_writes_is_seen() {
        run(async {
            let Scene { dir: _dir, file, mut watcher } = scene();
            let writer = std::thread::spawn(move || (0..500).for_each(|n| fs::write(&file, format!("{n}")).unwrap()));
            sees(&mut watcher, "499").await;
            writer.join().unwrap();
        });
    }

    #[test]
    fn the_same_content_and_other_files_are_no_change() {
        run(async {
            let Scene { dir, file, mut watcher } = scene();
            fs::write(dir.path().join("other"), "x").unwrap();
            fs::write(&file, "one").unwrap();
            sees_nothing(&mut watcher).await;
            fs::write(&file, "two").unwrap();
            sees(&mut watcher, "two").await;
            sees_nothing(&mut watcher).await;
        });
    }

    #[test]
    fn a_dropped_call_loses_no_change() {
        run(async {
            let Scene { dir: _dir, file, mut watcher } = scene();
            fs::write(&file, "two").unwrap();
            let many_short_calls =
                async { while tokio::time::timeout(Duration::from_millis(2), watcher.changed()).await.is_err() {} };
            tokio::time::timeout(SOON, many_short_calls).await.expect("the change is seen");
            assert_eq!(watcher.seen, Content::Text("two".into()));
        });
    }

    #[test]
    fn without_events_a_poll_sees_it() {
        run(async {
            let Scene { dir: _dir, file, mut watcher } = scene();
            watcher.poll_instead(&notify::Error::generic("for the test"));
            fs::write(&file, "two").unwrap();
            sees(&mut watcher, "two").await;
        });
    }
}
