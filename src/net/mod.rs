//! Connections as the rooms above see them: a stream of bytes, whatever carries it, and how one begins.

mod entrance;
pub mod proxy_protocol;
mod stream;
pub mod tls;

pub use entrance::{Beginning, Entrance};
pub use ipnet::IpNet;
pub use stream::Stream;
