//! Connections as the rooms above see them: a stream of bytes, whatever carries it.

mod http2;
mod metered;
mod stream;
pub mod tls;

pub use http2::{Http2, NoResponse};
pub use metered::{Metered, Traffic};
pub use stream::Stream;
