//! Who is ejected, for how long, and who comes back. Pure.
//!
//! An ejection ends by time alone. A health check that passes does not end it: that an endpoint answers a probe says
//! nothing of the requests that it fails.

use super::success::{Outlier, outliers};
use crate::plan::OutlierDetection;
use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

/// No ejection lasts longer, unless the first one does.
const LONGEST: Duration = Duration::from_secs(300);

/// One endpoint's past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ejection {
    until_ms: Option<u64>,
    /// How often it was ejected and not forgiven.
    times: u32,
}

/// What is seen of a backend's endpoints, in an order of the caller's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Which had a strike since the last look.
    pub(super) struck: &'a [bool],
    /// When an interval is over: the success rate of each within it, for those that had enough requests.
    pub(super) rates: Option<&'a [Option<f64>]>,
}

/// What becomes of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Ejected { why: Why, lasts: Duration },
    Returned,
}

/// Why an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Why {
    Failures(u32),
    SuccessRate(Outlier),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(count) => write!(f, "{count} requests in a row failed"),
            Self::SuccessRate(Outlier { rate, mean, .. }) => {
                write!(
                    f,
                    "{:.1}% of its requests went well, of the endpoints' on average {:.1}%",
                    rate * 100.0,
                    mean * 100.0
                )
            }
        }
    }
}

impl Ejection {
    pub(super) fn is_ejected(self) -> bool {
        self.until_ms.is_some()
    }

    fn eject(&mut self, base: Duration, now_ms: u64) -> Duration {
        self.times = self.times.saturating_add(1);
        let lasts = base.saturating_mul(self.times).min(LONGEST.max(base));
        self.until_ms = Some(now_ms.saturating_add(u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX)));
        lasts
    }
}

/// Looks at a backend's endpoints at `now_ms`, and says what becomes of whom; `ejections` in the order of `seen`.
pub(super) fn look(
    settings: &OutlierDetection,
    ejections: &mut [&mut Ejection],
    seen: Seen<'_>,
    now_ms: u64,
) -> Vec<(usize, Change)> {
    let most = ejections.len() * settings.max_ejection_percent as usize / 100;
    let mut changes = Vec::new();
    // First those whose time is over, then those for whom there is no room any more since others have left.
    let mut ejected: Vec<usize> = (0..ejections.len()).filter(|&index| ejections[index].is_ejected()).collect();
    ejected.sort_by_key(|&index| Reverse(ejections[index].until_ms));
    while let Some(&index) = ejected.last() {
        if ejected.len() <= most && ejections[index].until_ms > Some(now_ms) {
            break;
        }
        ejections[index].until_ms = None;
        changes.push((index, Change::Returned));
        ejected.pop();
    }
    let mut room = most - ejected.len();
    let returned: Vec<usize> = changes.iter().map(|(index, _)| *index).collect();
    let mut eject = |ejections: &mut [&mut Ejection], index: usize, why| {
        if room > 0 && !ejections[index].is_ejected() && !returned.contains(&index) {
            room -= 1;
            let lasts = ejections[index].eject(settings.base_ejection_time, now_ms);
            changes.push((index, Change::Ejected { why, lasts }));
        }
    };
    for (index, _) in seen.struck.iter().enumerate().filter(|(_, struck)| **struck) {
        eject(ejections, index, Why::Failures(settings.consecutive_failures));
    }
    if let Some(rates) = seen.rates {
        for ejection in ejections.iter_mut().filter(|ejection| !ejection.is_ejected()) {
            ejection.times = ejection.times.saturating_sub(1);
        }
        for outlier in settings.success_rate.map(|rate| outliers(rate, rates)).unwrap_or_default() {
            eject(ejections, outlier.index, Why::SuccessRate(outlier));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SuccessRate;
    use proptest::prelude::*;

    fn settings(max_ejection_percent: u32) -> OutlierDetection {
        OutlierDetection {
            consecutive_failures: 5,
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_percent,
            success_rate: Some(SuccessRate { minimum_hosts: 3, minimum_requests: 1, stdev_factor: 1.0 }),
        }
    }

    /// A look with these strikes and no interval over.
    fn strike(ejections: &mut [Ejection], struck: &[bool], now_s: u64) -> Vec<(usize, Change)> {
        let mut all: Vec<_> = ejections.iter_mut().collect();
        look(&settings(50), &mut all, Seen { struck, rates: None }, now_s * 1_000)
    }

    fn lasts(changes: &[(usize, Change)]) -> Option<u64> {
        match changes {
            [(_, Change::Ejected { lasts, .. })] => Some(lasts.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn each_ejection_lasts_longer_than_the_one_before_up_to_five_minutes_and_good_times_are_forgiven() {
        let mut both = [Ejection::default(); 2];
        let mut now_s = 0;
        for expected in (1..=12).map(|times| (30 * times).min(300)) {
            assert_eq!(lasts(&strike(&mut both, &[true, false], now_s)), Some(expected));
            assert!(strike(&mut both, &[true, false], now_s + expected - 1).is_empty(), "it is out already");
            now_s += expected;
            assert_eq!(strike(&mut both, &[true, false], now_s), [(0, Change::Returned)], "old strikes do not count");
        }
        for _ in 0..11 {
            let mut all: Vec<_> = both.iter_mut().collect();
            look(&settings(50), &mut all, Seen { struck: &[false; 2], rates: Some(&[None; 2]) }, now_s * 1_000);
        }
        assert_eq!(lasts(&strike(&mut both, &[true, false], now_s)), Some(60), "one of twelve is left, and this one");
    }

    #[test]
    fn an_only_endpoint_is_never_ejected() {
        assert!(strike(&mut [Ejection::default()], &[true], 0).is_empty());
    }

    #[test]
    fn an_outlier_is_ejected_when_the_interval_is_over_and_the_reason_tells_its_numbers() {
        let mut three = [Ejection::default(); 3];
        let mut all: Vec<_> = three.iter_mut().collect();
        let rates = [Some(1.0), Some(0.25), Some(1.0)];
        let changes = look(&settings(50), &mut all, Seen { struck: &[false; 3], rates: Some(&rates) }, 0);
        let [(1, Change::Ejected { why, .. })] = changes[..] else { panic!("{changes:?}") };
        assert_eq!(why.to_string(), "25.0% of its requests went well, of the endpoints' on average 75.0%");
    }

    #[test]
    fn an_ejected_endpoint_comes_back_when_too_few_others_are_left() {
        let mut four = [Ejection::default(); 4];
        assert_eq!(strike(&mut four, &[true, true, false, false], 0).len(), 2);
        let changes = strike(&mut four[..3], &[false; 3], 1);
        assert_eq!(changes, [(1, Change::Returned)], "one of three may be ejected");
    }

    proptest! {
        /// Whatever happens, and however the set of endpoints changes: no more are ejected than may be, every ejection
        /// ends when it said it would or before, and an endpoint's changes alternate.
        #[test]
        fn never_more_are_ejected_than_may_be(
            percent in 0_u32..=100,
            looks in proptest::collection::vec(
                (1_usize..9, any::<[bool; 8]>(), proptest::option::of(any::<[Option<u8>; 8]>()), 0_u64..90_000),
                1..40,
            ),
        ) {
            let mut ejections = [Ejection::default(); 8];
            let mut out = [None::<u64>; 8];
            let mut now_ms = 0;
            for (count, struck, rates, passes) in looks {
                now_ms += passes;
                let rates = rates.map(|rates| rates.map(|rate| rate.map(|rate| f64::from(rate) / 255.0)));
                let seen = Seen { struck: &struck[..count], rates: rates.as_ref().map(|rates| &rates[..count]) };
                let mut all: Vec<_> = ejections[..count].iter_mut().collect();
                for (index, change) in look(&settings(percent), &mut all, seen, now_ms) {
                    match change {
                        Change::Ejected { lasts, .. } => {
                            prop_assert!(out[index].is_none());
                            out[index] = Some(now_ms + u64::try_from(lasts.as_millis()).unwrap());
                        }
                        Change::Returned => prop_assert!(out[index].take().is_some()),
                    }
                }
                let ejected = ejections[..count].iter().filter(|ejection| ejection.is_ejected()).count();
                prop_assert!(ejected * 100 <= count * percent as usize, "{} of {}", ejected, count);
                prop_assert!(out[..count].iter().flatten().all(|until| *until > now_ms));
                prop_assert_eq!(ejected, out[..count].iter().flatten().count());
            }
        }
    }
}
