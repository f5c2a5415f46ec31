//! Simulated time: the real controller, plan, counters and split over recorded streams of requests, without a thread
//! that waits or a socket. What a day brings is over in about a second, and the same seed brings it again.

pub(crate) mod draw;
pub(crate) mod plan;
pub(crate) mod stream;
pub(crate) mod world;
