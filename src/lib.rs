//! Serin: splits traffic between a stable and a canary version, measures both, and takes the canary out by itself.

// Rooms, top to bottom: a module imports from those below it, never from those above.
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
