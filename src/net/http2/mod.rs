//! HTTP/2 (RFC 9113): the server's end of a connection, and one stream of either end.
//!
//! The server's end is [Serin's own](Server). What a client's connection needs while it waits decides how many clients a
//! small proxy can have, and the [`h2`] crate keeps 28 KiB of buffers for each. Towards backends, where there are a few
//! connections and all of them are busy, it is that crate's.

mod frames;
mod hpack;
mod request;
mod server;
mod stream;

pub use frames::PREFACE;
pub use request::RequestSection;
pub use server::{Limits, Server, ServerStream};
pub use stream::{Http2, NoResponse};
