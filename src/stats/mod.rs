//! What the requests did: counters and histograms, a shard a worker, summed by whoever reads.
//!
//! A worker writes its own shard and nobody else's, so a count costs a plain load and store and no worker waits for
//! another's cache line. Readers (the judge, the scraper) sum the shards; they may see a request's count a moment
//! before its duration, never a torn number.

pub mod export;
mod grpc;
mod histogram;
mod outcomes;
mod registry;
mod shard;
mod worker;

pub use grpc::{GrpcEnd, GrpcStatus};
pub use histogram::{BUCKETS, Histogram, bucket_of, is_boundary, upper_bound_us};
pub use outcomes::Outcomes;
pub use registry::{Registry, Series, SeriesKey};
pub use shard::{Cause, Exchange, Shard, Totals};
pub use worker::{ConnectionTotals, Rejection, WorkerCounters, WorkerTotals};
