//! One file a verb.

pub mod client;
pub mod retry;
