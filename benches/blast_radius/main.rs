//! Blast radius: what a canary that fails costs the users until it is out, and how often one that is well is taken out,
//! by Serin and by three others on the same recorded streams of requests. Prints Markdown tables.
//!
//! ```text
//! cargo bench --bench blast_radius [-- [--quick] [--seed N]]
//! ```
//!
//! Nothing is measured on a clock: time is simulated, so the machine has no part in the numbers, and the same seed gives
//! the same tables. `--quick` does the same with a few short streams, to see that it works.

#[path = "../../tests/simulated/sim/mod.rs"]
mod sim;

mod interval;
mod judges;
mod scenario;
mod tables;
mod trial;

use std::error::Error;

/// What a run is asked for.
#[derive(Debug, Clone, Copy)]
struct Options {
    seed: u64,
    quick: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = options(std::env::args().skip(1))?;
    tables::print(options.seed, options.quick);
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options { seed: 1, quick: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo adds.
            "--bench" => {}
            "--quick" => options.quick = true,
            "--seed" => options.seed = arguments.next().ok_or("--seed needs a number")?.parse()?,
            other => return Err(format!("`{other}`: there are --quick and --seed N").into()),
        }
    }
    Ok(options)
}
