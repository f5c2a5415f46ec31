//! What a verb that ends by itself has to say.

/// What to print, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// 0 when it went well, 2 when the operator has something to mend.
    pub code: u8,
    /// For the standard output.
    pub stdout: String,
    /// For the standard error.
    pub stderr: String,
}
