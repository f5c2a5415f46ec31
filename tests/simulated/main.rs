//! Whole rollouts in simulated time: a day of them in seconds, through late faults, clocks that jump, and crashes at every
//! tick. And the judges of the blast radius bench, which has the same streams: its tables are only as good as they are.

mod blast_radius;
mod clocks;
mod crashes;
mod process;
mod rollouts;
mod sim;

#[path = "../../benches/blast_radius/judges/mod.rs"]
mod judges;
#[path = "../../benches/blast_radius/scenario.rs"]
mod scenario;
#[path = "../../benches/blast_radius/trial.rs"]
mod trial;
