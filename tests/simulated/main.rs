//! Whole rollouts in simulated time: a day of them in seconds, through late faults, clocks that jump, and crashes at every
//! tick.

mod clocks;
mod crashes;
mod process;
mod rollouts;
mod sim;
