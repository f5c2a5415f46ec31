//! Why a verb did not do what it was told to, and what the process says to the script that called it.

use super::client::ClientError;
use std::io;
use std::path::PathBuf;

/// Why a verb did not do what it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The running Serin could not be asked, or said no.
    #[error(transparent)]
    Call(#[from] ClientError),
    /// Nobody reads along.
    #[error("cannot write what there is to say: {0}")]
    Output(#[from] io::Error),
    /// A file cannot be written.
    #[error("cannot write to {}: {source}; name a directory that is writable", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Failure {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Call(error) => error.exit_code(),
            Self::Output(_) | Self::File { .. } => 1,
        }
    }

    /// Whether whoever reads has seen enough and closed the pipe, which is no failure of ours.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// `serin wait`: the rollout came to an end from which the wanted phase can no longer come.
pub const OVER: u8 = 3;
/// `serin wait`: the phase had not come in time.
pub const TIMED_OUT: u8 = 4;

/// Every exit code, and what it says.
pub const EXIT_CODES: [(u8, &str); 5] = [
    (0, "done, or what was waited for is there"),
    (1, "it did not work, or the running Serin said no"),
    (2, "called wrongly, or a config with mistakes"),
    (OVER, "wait: the rollout ended, and the phase that was waited for can no longer come"),
    (TIMED_OUT, "wait: the phase had not come when the time was over"),
];

/// `examples`, then the exit codes, for the end of a help.
pub(super) fn with_exit_codes(examples: &str) -> String {
    let codes = EXIT_CODES.map(|(code, meaning)| format!("\n  {code}  {meaning}"));
    format!("{examples}\n\nExit codes:{}", codes.concat())
}
