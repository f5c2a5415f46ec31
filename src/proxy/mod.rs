//! The request's path. One thread a worker, each with its own listener sockets, connections, pools and counters; the
//! workers share the [`Snapshot`] that they obey and, where there are limits on it, what each client has; no request ever
//! waits for a lock.
//!
//! A connection is one task: it reads a request, forwards it, moves the response, and reads the next one; after an
//! upgrade it moves what the two sides say to each other.
//! The task holds no memory while it waits, and no request allocates.

mod accept;
mod answer;
mod attempts;
mod body;
mod buffer;
mod choose;
mod client;
mod clock;
mod deadline;
mod exchange;
mod forward;
mod grpc;
mod handshake;
mod http2;
mod listen;
mod mirror;
mod outcome;
mod over_http2;
mod pause;
mod per_client;
mod place;
mod proxy_header;
mod request;
mod retries;
mod run;
mod serve;
mod stage;
mod tunnel;
mod worker;
mod workers;

pub use clock::Clock;
pub use listen::{BindError, bind};
pub use workers::Workers;

#[cfg(doc)]
use crate::plan::Snapshot;
