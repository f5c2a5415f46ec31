//! The judge.

mod counters;
mod detector;
mod limits;
mod time;
mod window;

pub use counters::{Delta, Reader};
pub use detector::Detector;
pub use limits::{Finding, Guard, Reason, Verdict};
pub use time::{Clock, Now, Timestamp, duration_text};
pub use window::Window;
