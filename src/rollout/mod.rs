//! The judge.

mod counters;
mod detector;
mod limits;
mod machine;
mod record;
mod state;
mod time;
mod window;

pub use counters::{Delta, Reader};
pub use detector::Detector;
pub use limits::{Finding, Guard, Reason, Verdict};
pub use machine::{Action, Event, Notice, Observation, step};
pub use record::{Breach, Cause, Decision, Unit};
pub use state::{Phase, State};
pub use time::{Clock, Now, Timestamp, duration_text};
pub use window::Window;
