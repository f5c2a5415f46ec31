//! The verbs of the command line, one file each. A verb returns what to print; only `main` prints.

pub mod args;
pub mod check;
mod client;
pub mod demo;
mod outcome;
pub mod retry;
pub mod run;
pub mod schema;
mod upstream;

pub use outcome::Outcome;
