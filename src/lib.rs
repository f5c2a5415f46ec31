//! Serin splits traffic between a stable and a canary version, measures both, and takes the canary out by itself.
//!
//! This page is the map. Each room below opens with its own reasons.
//!
//! # Threads
//!
//! ```text
//!   worker-0 … worker-N     carry requests; one event loop each, nothing shared but what they only read
//!        │ count in their own shards                    ▲ obey the newest snapshot (one atomic load a request)
//!        ▼                                              │
//!     stats ──────── summed every 100 ms ────────▶ control: config, endpoints, rollouts; publishes snapshots
//!        │                                              │ publishes a view          ▲ commands, one by one
//!        └────────── summed at each scrape ───────▶ serin-admin: health, metrics, API
//! ```
//!
//! Saving state, asking webhooks and queries, sending alerts and looking at certificates have threads of their own, so
//! that neither a slow disk nor a slow answer nor a slow receiver delays a verdict.
//!
//! # A request's walk
//!
//! [`proxy`] accepts it, and its connection's task (`serve`) reads the head; `forward` reads top to bottom what happens
//! then. [`http`] refuses what has two readings; [`plan`] finds the rule and draws the backend; [`upstream`] picks the
//! endpoint and lends a connection; `exchange` moves both directions at once, at the pace of the slower side; the
//! shard records once, at the end. A client's HTTP/2 connection is understood by [`net::http2`], and each of its streams
//! takes the same walk in a task of its own.
//!
//! # A verdict's walk
//!
//! Every tick the control thread ([`app`]) has [`rollout`] read the counters and judge: a breach first, then readiness,
//! then pauses and gates, and only then a step forward. What comes back are effects, and the types fix their order:
//! traffic first, then state ([`store`]), then whoever is told.
//!
//! # What holds everywhere
//!
//! - A request is moved by one task; over HTTP/1.1 it takes no lock and allocates no memory.
//! - What goes out has exactly one reading: heads and framing are written anew, never passed on as they came.
//! - A config is obeyed whole or not at all; what was obeyed before stays in force ([`config`]).
//! - A canary that was taken out stays out, over reloads and restarts, until its revision changes or an operator says
//!   retry.
//! - A backend is charged with its own failures, never with what a client did.
//!
//! Deliberately absent: any call from a worker into another room's thread, any configuration type beside what was
//! written (`config::raw`) and what is obeyed ([`plan`]), and hyper on the request's path: its cold edges only.

// Rooms, top to bottom: a module imports from those below it, never from those above.
#[doc(hidden)]
pub mod fuzzing;

pub mod cli;

pub mod app;

pub mod admin;

pub mod rollout;

pub mod store;

pub mod config;

pub mod proxy;

pub mod upstream;

pub mod http;

pub mod plan;

pub mod stats;

// Beside the rooms, at the bottom: they import nothing of ours.
pub mod logs;
pub mod machine;
pub mod net;
