//! What can be said on the command line.

use crate::config::{parse_duration, parse_ratio};
use clap::Args;
use std::time::Duration;

const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(3_600);

/// See a failing canary being taken out.
///
/// Two services, real load, the real proxy and the real judge, in one process on loopback ports. After a third of the
/// time the canary begins to fail. Exits with 0 when Serin did what it promises: the canary is out (or, when it was
/// told not to fail, still in), and stable has lost no request.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(after_help = "\
Example:
  serin demo
  serin demo --fail-rate 20% --weight 5 --for 30s")]
pub struct DemoArgs {
    /// How long it runs.
    #[arg(long = "for", value_name = "DURATION", default_value = "12s", value_parser = duration)]
    pub duration: Duration,
    /// The share of its requests that the canary fails; 0% for a canary that stays well.
    #[arg(long, value_name = "RATIO", default_value = "50%", value_parser = ratio)]
    pub fail_rate: f64,
    /// The canary's weight, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub weight: u8,
    /// The proxy's port on the loopback address; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// The admin API's port on the loopback address; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub admin_port: u16,
}

impl DemoArgs {
    /// When the canary begins to fail, from the start.
    pub(super) fn fails_after(&self) -> Duration {
        self.duration / 3
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&duration) {
        Ok(duration)
    } else {
        Err("between 3s and 60m, so that there is something to see".into())
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    parse_ratio(text).map_err(|error| error.to_string())
}
