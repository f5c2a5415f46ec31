//! The whole product as its users meet it: the real binary, real sockets, real files and signals.

mod endpoints;
mod events;
mod faults;
mod filters;
mod grpc;
mod harness;
mod harness_tests;
mod hostile;
mod http2;
mod http2_backends;
mod judge;
mod lifecycle;
mod limits;
mod proxy_protocol;
mod reload;
mod rollout;
mod split;
mod structure;
mod tls;
mod wire;
