//! The judge: takes the canary out when a limit is breached, by the counters that the requests themselves went through.
//!
//! Read it in the order of a verdict's walk. [`counters`](Reader) turns growing totals into deltas; a [`Window`] and a
//! [`Detector`] take them in, with stable as their control; a [`Guard`] makes one limit's [`Finding`] of both; [`step`]
//! makes of the findings what to do. All of that is pure: no clock, no file, no socket, so a day of it runs in a
//! second. [`Controller`] is where it meets the world, and the one thing that the rooms above need. The world outside
//! is asked by `ask` (webhooks through `hook`, metrics through `prometheus`) and told by `alert`, each on a thread of
//! its own.
//!
//! Deliberately absent: a metrics server that a rollback has to wait for, any waiting inside a tick, and any decision
//! from the wall clock.

mod alert;
mod ask;
mod call;
mod chance;
mod compare;
mod comparison;
mod control;
mod controlled;
mod counters;
mod detector;
mod gates;
mod hook;
mod judge;
mod limits;
mod machine;
mod prometheus;
mod record;
mod state;
mod status;
#[cfg(test)]
mod stub;
mod tally;
mod time;
mod trial;
mod verb;
mod window;
mod written;

pub use alert::Patience;
pub use control::{Controller, Effects, Published, Rollbacks};
pub use counters::{Delta, Reader};
pub use detector::Detector;
pub use limits::{Answer, Finding, Guard, Reason, Role, Verdict};
pub use machine::{Action, Event, Moment, obey, step};
pub use record::{Decision, Grounds, Kind, LimitRecord, Unit};
pub use state::{At, PausedFrom, Phase, Standing, State};
pub use status::{LatencyStatus, RolloutStatus, SideStatus, StepStatus, WebhookStatus};
pub use time::{Clock, Now, TICK, Timestamp, duration_text};
pub use trial::{Heard, HookAnswer, Observation, Progress, Trial};
pub use verb::{Verb, VerbError};
pub use window::Window;
