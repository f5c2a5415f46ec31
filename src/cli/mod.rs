//! The verbs of the command line, one file each. A verb returns what to print, or writes to the streams that it is given;
//! only `main` has them.

pub mod args;
pub mod by_hand;
pub mod check;
mod client;
pub mod completions;
pub mod demo;
pub mod events;
mod failure;
mod figures;
pub mod man;
mod outcome;
pub mod run;
pub mod schema;
mod screen;
mod sse;
pub mod status;
#[cfg(test)]
mod stub;
mod table;
pub mod wait;

pub use client::{AdminArgs, ClientError};
pub use failure::{EXIT_CODES, Failure, OVER, TIMED_OUT};
pub use outcome::Outcome;
pub use screen::{Screen, Size};
