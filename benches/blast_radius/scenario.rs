//! What happens to the two versions while a rollout is under way.

use crate::sim::stream::{Health, Weather};
use std::time::Duration;

/// The share of requests that fail when a version is well.
const WELL: f64 = 0.001;

const MINUTE: Duration = Duration::from_secs(60);

/// The rollout of 10, 30, 50, 75, 100 % with a quarter of an hour each.
pub(crate) const LENGTH: Duration = Duration::from_secs(75 * 60);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scenario {
    /// This share of all requests fails, at either side.
    Healthy(f64),
    /// This share of the canary's requests fails, from its first on.
    Broken(f64),
    /// The canary's caches are cold: for half a minute everything takes 800 ms longer.
    SlowStart,
    /// Half of the canary's requests fail, from the fiftieth minute on.
    LateFault,
    /// What both depend on is gone from the twentieth minute to the thirtieth: everything fails.
    SharedOutage,
    /// In one minute of ten, half of the clients hang up.
    Aborts,
}

impl Scenario {
    /// Those in which the canary is to blame.
    pub(crate) const FAULTS: [Self; 6] =
        [Self::Broken(1.0), Self::Broken(0.5), Self::Broken(0.2), Self::Broken(0.1), Self::LateFault, Self::SlowStart];

    /// Those in which it is not.
    pub(crate) const HEALTHY: [Self; 5] =
        [Self::Healthy(0.001), Self::Healthy(0.01), Self::Healthy(0.04), Self::SharedOutage, Self::Aborts];

    /// As the tables have it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Healthy(share) => format!("healthy, {} % errors", share * 100.0),
            Self::Broken(share) => format!("{} % fail", share * 100.0),
            Self::SlowStart => "slow for its first 30 s".to_owned(),
            Self::LateFault => "50 % fail from minute 50 on".to_owned(),
            Self::SharedOutage => "both down for 10 minutes".to_owned(),
            Self::Aborts => "clients hang up in bursts".to_owned(),
        }
    }

    /// When the canary's fault begins.
    pub(crate) fn onset(self) -> Duration {
        if self == Self::LateFault { 50 * MINUTE } else { Duration::ZERO }
    }

    /// How everyone does `at` so long after the rollout began.
    pub(crate) fn weather(self, at: Duration) -> Weather {
        let well = Weather::same(Health::failing(WELL));
        match self {
            Self::Healthy(share) => Weather::same(Health::failing(share)),
            Self::Broken(share) => Weather { canary: Health::failing(share), ..well },
            Self::SlowStart if at < MINUTE / 2 => {
                Weather { canary: Health { delay: Duration::from_millis(800), ..well.canary }, ..well }
            }
            Self::LateFault if at >= self.onset() => Weather { canary: Health::failing(0.5), ..well },
            Self::SharedOutage if at >= 20 * MINUTE && at < 30 * MINUTE => Weather::same(Health::failing(1.0)),
            Self::Aborts if at.as_secs() / 60 % 10 == 5 => Weather { aborting: 0.5, ..well },
            Self::SlowStart | Self::LateFault | Self::SharedOutage | Self::Aborts => well,
        }
    }
}
