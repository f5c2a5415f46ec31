//! A worker's side of the backends: connections kept for the next request, and the choice between endpoints.
//!
//! Nothing here is shared: each worker has its own idle connections and its own count of pending requests. What the
//! workers know in common about an endpoint is its [`crate::plan::Health`].
//! Discovery, which finds the endpoints, and the watch over who of them is well belong to the control thread.

mod backend;
mod breaker;
mod connect;
mod discovery;
mod health;
mod http2;
mod pick;
mod pool;

pub use backend::{Backend, Seat};
pub use breaker::{Opening, Waiting};
pub use connect::ConnectError;
pub use discovery::{Discovered, Discovery};
pub use health::{Conditions, Watch};
pub use http2::{Awaited, Terms};
pub use pool::{Lease, Pending, Pool, Pools};
