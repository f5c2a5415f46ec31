//! What is known of a name, and what an answer changes about it. Pure.

use super::Pace;
use std::net::IpAddr;
use std::time::Duration;

/// What a name server said of one family of addresses, A or AAAA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Family {
    /// These, for this long.
    Found { ips: Vec<IpAddr>, ttl: Duration },
    /// That there are none, or that there is no such name.
    Absent,
    /// Nothing that can be believed.
    Failed { error: String },
}

/// What was said of a name: of A and of AAAA.
pub(super) type Answer = [Family; 2];

/// What is known of a name.
#[derive(Debug, Default)]
pub(super) struct Known {
    families: [Vec<IpAddr>; 2],
    told: Option<Vec<IpAddr>>,
    failures: u32,
}

/// What an answer led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Learnt {
    /// All addresses, sorted and each once, if they are not those of the last time.
    pub(super) changed: Option<Vec<IpAddr>>,
    /// How the name stands.
    pub(super) condition: Condition,
    /// How long to wait before asking again.
    pub(super) wait: Duration,
}

/// How a name stands.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Found,
    Absent,
    Failing { error: String },
}

impl PartialEq for Condition {
    /// Failing in another way is no change worth a line.
    fn eq(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Eq for Condition {}

impl Known {
    /// Takes an answer in. A family that failed keeps what is known of it.
    pub(super) fn learn(&mut self, answer: Answer, pace: Pace) -> Learnt {
        let (mut shortest_ttl, mut failure, mut absent) = (None::<Duration>, None, 0);
        for (known, family) in self.families.iter_mut().zip(answer) {
            match family {
                Family::Found { ips, ttl } => {
                    *known = ips;
                    shortest_ttl = Some(shortest_ttl.map_or(ttl, |shortest| shortest.min(ttl)));
                }
                Family::Absent => {
                    known.clear();
                    absent += 1;
                }
                Family::Failed { error } => failure = Some(error),
            }
        }
        self.failures = if failure.is_some() { self.failures.saturating_add(1) } else { 0 };
        let ttl = shortest_ttl.map(|ttl| between(ttl.clamp(pace.ttl.0, pace.ttl.1), 1.1));
        let (condition, wait) = match (ttl, failure) {
            (Some(ttl), None) => (Condition::Found, ttl),
            // One family is better than none, and is no reason to worry anybody: many servers know no AAAA.
            (Some(ttl), Some(_)) => (Condition::Found, ttl.min(self.backoff(pace))),
            (None, Some(error)) => (Condition::Failing { error }, self.backoff(pace)),
            (None, None) => {
                debug_assert_eq!(absent, 2);
                (Condition::Absent, between(pace.absent.0, pace.absent.1.div_duration_f64(pace.absent.0)))
            }
        };
        let certain = !matches!(condition, Condition::Failing { .. });
        let now = self.all();
        // Before anything is known a failure says nothing, not even that there is nothing.
        let changed = self.told.as_ref().map_or(certain, |told| *told != now).then(|| now.clone());
        if changed.is_some() {
            self.told = Some(now);
        }
        Learnt { changed, condition, wait }
    }

    fn all(&self) -> Vec<IpAddr> {
        let mut all = self.families.concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn backoff(&self, pace: Pace) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        between(pace.backoff.0.saturating_mul(1 << doublings).min(pace.backoff.1), 1.1)
    }
}

/// From `least` to `times` as long, at random, so that replicas that started together do not ask together.
fn between(least: Duration, times: f64) -> Duration {
    least.mul_f64(rand::random_range(1.0..=times))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ips: &[&str], ttl: u64) -> Family {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        Family::Found { ips, ttl: Duration::from_secs(ttl) }
    }

    fn failed() -> Family {
        Family::Failed { error: "SERVFAIL".into() }
    }

    /// Learns from `answer`; what changed as text, and the wait.
    fn learn(known: &mut Known, answer: Answer) -> (Option<Vec<String>>, Duration) {
        let learnt = known.learn(answer, Pace::default());
        (learnt.changed.map(|ips| ips.iter().map(ToString::to_string).collect()), learnt.wait)
    }

    fn ips(ips: &[&str]) -> Vec<String> {
        ips.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_order_of_the_records_is_no_change() {
        let mut known = Known::default();
        let both = [found(&["10.0.0.2", "10.0.0.1", "10.0.0.2"], 5), found(&["::2"], 5)];
        assert_eq!(learn(&mut known, both).0, Some(ips(&["10.0.0.1", "10.0.0.2", "::2"])));
        let turned = [found(&["10.0.0.1", "10.0.0.2"], 5), found(&["::2"], 5)];
        assert_eq!(learn(&mut known, turned).0, None);
        assert_eq!(learn(&mut known, [found(&["10.0.0.1"], 5), Family::Absent]).0, Some(ips(&["10.0.0.1"])));
    }

    #[test]
    fn a_failure_keeps_what_is_known_of_its_family() {
        let mut known = Known::default();
        assert_eq!(learn(&mut known, [failed(), failed()]).0, None);
        assert_eq!(learn(&mut known, [failed(), Family::Absent]).0, None, "half an answer is none");
        assert_eq!(learn(&mut known, [found(&["10.0.0.1"], 5), found(&["::1"], 5)]).0, Some(ips(&["10.0.0.1", "::1"])));
        assert_eq!(learn(&mut known, [failed(), failed()]).0, None);
        assert_eq!(learn(&mut known, [found(&["10.0.0.2"], 5), failed()]).0, Some(ips(&["10.0.0.2", "::1"])));
        assert_eq!(learn(&mut known, [failed(), Family::Absent]).0, Some(ips(&["10.0.0.2"])));
    }

    #[test]
    fn a_name_that_is_gone_has_no_addresses_and_one_that_never_was_says_so_once() {
        let mut known = Known::default();
        assert_eq!(learn(&mut known, [Family::Absent, Family::Absent]).0, Some(ips(&[])));
        assert_eq!(learn(&mut known, [Family::Absent, Family::Absent]).0, None);
        assert_eq!(learn(&mut known, [found(&["10.0.0.1"], 5), Family::Absent]).0, Some(ips(&["10.0.0.1"])));
        assert_eq!(learn(&mut known, [Family::Absent, Family::Absent]).0, Some(ips(&[])));
    }

    #[test]
    fn it_waits_for_the_shortest_ttl_within_bounds() {
        let wait = |v4, v6| learn(&mut Known::default(), [v4, v6]).1.as_secs_f64();
        assert!((5.0..=5.5).contains(&wait(found(&["10.0.0.1"], 5), found(&["::1"], 60))));
        assert!((1.0..=1.1).contains(&wait(found(&["10.0.0.1"], 0), Family::Absent)));
        assert!((300.0..=330.0).contains(&wait(found(&["10.0.0.1"], 86_400), Family::Absent)));
        assert!((1.0..=1.1).contains(&wait(found(&["10.0.0.1"], 60), failed())), "the failed half is asked again soon");
        for _ in 0..100 {
            assert!((1.0..=2.0).contains(&wait(Family::Absent, Family::Absent)));
        }
    }

    #[test]
    fn failures_in_a_row_are_retried_ever_more_slowly_until_one_succeeds() {
        let mut known = Known::default();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
            let wait = learn(&mut known, [failed(), failed()]).1.as_secs_f64();
            assert!((expected..=expected * 1.1).contains(&wait), "{wait} after {expected}");
        }
        learn(&mut known, [found(&["10.0.0.1"], 5), Family::Absent]);
        assert!(learn(&mut known, [failed(), failed()]).1 < Duration::from_secs(2));
    }
}
