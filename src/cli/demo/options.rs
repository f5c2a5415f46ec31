//! What can be said on the command line.

use std::time::Duration;

/// See Serin take a failing canary out: two services, real load, the real proxy and the real judge, in one process.
#[derive(Debug, Clone, PartialEq, clap::Args)]
#[command(after_help = "Example:\n  serin demo --fail-rate 20% --weight 5 --for 30s")]
pub struct Options {
    /// How long it runs; the canary begins to fail after a third of it
    #[arg(long = "for", value_name = "DURATION", default_value = "12s", value_parser = duration)]
    pub duration: Duration,

    /// The share of its requests that the canary fails then; 0% for a canary that stays well
    #[arg(long, value_name = "RATIO", default_value = "50%", value_parser = ratio)]
    pub fail_rate: f64,

    /// The canary's weight, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub weight: u8,

    /// The proxy's port on the loopback address; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,

    /// The admin API's port on the loopback address; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub admin_port: u16,
}

impl Options {
    /// When the canary begins to fail, from the start.
    pub(super) fn fails_after(&self) -> Duration {
        self.duration / 3
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit_ms) = if let Some(number) = text.strip_suffix("ms") {
        (number, 1)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1_000)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60_000)
    } else {
        return Err("a duration such as 12s or 1m".into());
    };
    let number: u32 = number.parse().map_err(|_| "a duration such as 12s or 1m".to_string())?;
    let duration = Duration::from_millis(u64::from(number) * unit_ms);
    if (Duration::from_secs(3)..=Duration::from_secs(3_600)).contains(&duration) {
        Ok(duration)
    } else {
        Err("between 3s and 60m, so that there is something to see".into())
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let ratio = number.parse::<f64>().map_err(|_| "a ratio such as 50% or 0.5".to_string())? / scale;
    if (0.0..=1.0).contains(&ratio) { Ok(ratio) } else { Err("between 0% and 100%".into()) }
}
