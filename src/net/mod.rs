//! Connections as the rooms above see them: a stream of bytes, whatever carries it.

mod http2;
pub mod https;
mod stream;
pub mod tls;

pub use http2::Http2;
pub use stream::Stream;
