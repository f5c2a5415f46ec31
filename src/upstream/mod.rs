//! A worker's side of the backends: connections kept for the next request, and the choice between endpoints.
//!
//! Nothing here is shared: each worker has its own idle connections and its own count of pending requests. What the
//! workers know in common about an endpoint is its [`crate::plan::Health`].
//! Discovery, which finds the endpoints, belongs to the control thread.

mod discovery;
mod pick;
mod pool;

pub use discovery::{Discovered, Discovery};
pub use pick::pick;
pub use pool::{ConnectError, Lease, Pending, Pool, Pools};
