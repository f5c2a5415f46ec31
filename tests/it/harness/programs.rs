//! Other people's programs that tests talk to, and tests that cannot run here: they say so, and why.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Says that the running test is skipped.
pub(crate) fn skipped(why: &str) {
    // The test runner calls a test's thread by its name.
    let thread = std::thread::current();
    // Not by a macro: their output is kept back while a test passes.
    let _ = writeln!(std::io::stderr(), "test {} ... skipped: {why}", thread.name().unwrap_or_default());
}

/// The same for want of somebody to talk to. With `SERIN_TEST_ALL_PEERS`, as in CI, the test fails instead.
#[track_caller]
pub(crate) fn no_peer(why: &str) {
    assert!(std::env::var_os("SERIN_TEST_ALL_PEERS").is_none(), "SERIN_TEST_ALL_PEERS is set: {why}");
    skipped(why);
}

/// Where a program is; `None` where it is not installed, which is said.
#[track_caller]
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has servers where only root looks.
    let places =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(|place| Path::new(place).into()));
    let found = places.map(|place| place.join(name)).find(|file| file.is_file());
    if found.is_none() {
        no_peer(&format!("`{name}` is not installed"));
    }
    found
}

/// Whether all of these programs are installed; says so when one is not.
#[track_caller]
pub(crate) fn has(programs: &[&str]) -> bool {
    programs.iter().all(|name| program(name).is_some())
}
