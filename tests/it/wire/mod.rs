//! HTTP/1.1 on the wire (RFC 9110, RFC 9112): what is forwarded and how, what is refused, what happens when a side fails.

mod bodies;
mod clients;
mod disconnects;
mod exchange;
mod failures;
mod fields;
mod large;
mod refusals;
mod timeouts;
mod upgrade;
