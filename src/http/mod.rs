//! The rules of HTTP messages (RFC 9110, RFC 9112, RFC 9113), pure: bytes in, facts and bytes out, no sockets.
//!
//! Serin reads each message strictly and writes it anew, so what goes out has exactly one reading whatever came in.
//! [`httparse`] finds the tokens; what they mean together, and what a proxy must do about it, is decided here: a
//! message that two parsers could read in two ways is refused, not repaired.

mod chunked;
mod compose;
mod field;
pub mod grpc;
mod head;
mod http2;
mod http2_backend;
mod redirect;
mod reply;
mod rewrite;
mod target;
mod upgrade;
mod websocket;

pub use chunked::{ChunkError, Decoded, Decoder, chunk_size};
pub use compose::{Inbound, Outbound, Transfer, compose_request, compose_response};
pub use field::{Field, FieldLines};
pub use head::{BodyLength, HeadLimits, MAX_FIELDS, Progress, RequestHead, ResponseHead, Scan, Slots, Version, slots};
pub use http2::{compose_trailers, extended_connect, response_head, trailers_of_lines, trailers_that_pass};
pub use http2_backend::{Http2Request, Inexpressible, websocket_accept};
pub use redirect::location;
pub use reply::{Asked, Reason, Refusal, Reply};
pub use websocket::websocket_key;
