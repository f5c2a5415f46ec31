//! TLS, with real peers: curl and openssl as clients, certificates made by openssl, and a backend that can break the
//! rules. A test whose peer is not installed says that it is skipped, and why.

mod admin;
pub(crate) mod authority;
mod backends;
mod bodies;
mod deaf;
mod handshakes;
mod health;
pub(crate) mod peers;
mod reload;
mod sessions;
mod start;
mod tunnels;
