//! Connections as the rooms above see them: a stream of bytes, whatever carries it.

mod stream;

pub use stream::Stream;
