//! Connections as the rooms above see them: a stream of bytes, whatever carries it.

mod stream;
pub mod tls;

pub use stream::Stream;
