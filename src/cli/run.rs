//! `serin run`: the proxy and the judge, until a signal.

use crate::app::{App, Options, StartError};
use crate::machine;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Run the proxy and the judge.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Example:
  serin run --config serin.yaml

Signals:
  SIGHUP           read the config again (an edit of the file is noticed without it)
  SIGTERM, SIGINT  drain and leave; a second one leaves at once

Logs go to standard error, as JSON unless that is a terminal. SERIN_LOG sets what is logged: info, debug,
or for instance info,serin::rollout=debug.")]
pub struct RunArgs {
    /// The config file
    #[arg(long, value_name = "FILE", env = "SERIN_CONFIG")]
    pub config: PathBuf,

    /// How many workers there are; as many as the CPUs that this process may use, if not given
    #[arg(long, value_name = "N", env = "SERIN_WORKERS", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub workers: Option<u16>,
}

/// Why `serin run` did not run, or how it was told to leave at once.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(#[source] std::io::Error),
    /// A second signal came before everything was finished.
    #[error("left at once, on a second signal")]
    AtOnce,
}

/// Runs until the process has drained.
///
/// # Errors
/// [`RunError`].
pub fn run(args: &RunArgs) -> Result<(), RunError> {
    match machine::raise_open_files() {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
    }
    let workers = args.workers.map_or_else(machine::cpus, usize::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::from)?;
    let outcome = runtime.block_on(async {
        let listen = |kind| signal(kind).map_err(RunError::Signals);
        let mut leave = Leave { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? };
        let mut hangup = listen(SignalKind::hangup())?;
        let app = App::start(Options { config: args.config.clone(), workers })?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), workers, config = %args.config.display(), "started");
        let handle = app.handle();
        let mut ended = tokio::task::spawn_blocking(move || app.join());
        let mut leaving = false;
        loop {
            tokio::select! {
                joined = &mut ended => {
                    if let Err(panicked) = joined {
                        std::panic::resume_unwind(panicked.into_panic());
                    }
                    return Ok(());
                }
                _ = hangup.recv() => handle.reload(),
                () = leave.recv() => {
                    if std::mem::replace(&mut leaving, true) {
                        return Err(RunError::AtOnce);
                    }
                    handle.drain();
                }
            }
        }
    });
    // Dropping it would wait for `join`, and with it for everything that a second signal is not to wait for.
    runtime.shutdown_background();
    outcome
}

/// The signals that ask to leave.
struct Leave {
    term: Signal,
    int: Signal,
}

impl Leave {
    async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
