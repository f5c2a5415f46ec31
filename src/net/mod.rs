//! Connections as the rooms above see them: a stream of bytes, whatever carries it, and how one begins.

mod entrance;
pub mod http2;
pub mod https;
mod keepalive;
mod metered;
pub mod proxy_protocol;
mod stream;
pub mod tls;

pub use entrance::{Beginning, Entrance};
pub use http2::{Http2, NoResponse, RequestSection};
pub use ipnet::IpNet;
pub use keepalive::keep_alive;
pub use metered::{Metered, Traffic};
pub use stream::Stream;
