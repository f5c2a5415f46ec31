//! The judges of the blast radius bench keep to their rules, and Serin's users are hurt least.

use crate::judges::{self, Judge, Reverted};
use crate::scenario::{LENGTH, Scenario};
use crate::sim::plan::{HOLD, WEIGHTS};
use crate::sim::stream::{Health, Request, Side, Stream, Weather};
use crate::trial::{self, Tally};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Where the judges stand in every list of them.
const SCRIPT: usize = 0;
const FLAGGER: usize = 1;
const FLAGGER_EXAMPLE: usize = 2;
const ARGO: usize = 3;
const SERIN: usize = 4;

/// A request to the canary a second, of which those in the seconds of `failing` fail, up to the judge's revert.
fn once_a_second(judge: usize, failing: impl Fn(u64) -> bool, seconds: u64) -> Option<Reverted> {
    let mut judge = judges::all().remove(judge);
    let requests = |failing| {
        let weather = Weather::same(Health::failing(f64::from(u8::from(failing))));
        Stream::new(1, 1.0, LENGTH, move |_| weather).next().expect("a first one")
    };
    for second in 0..seconds {
        let at = Duration::from_secs(second);
        judge.advance(at);
        judge.record(&Request { at, ..requests(failing(second)) }, Side::Canary);
    }
    judge.advance(Duration::from_secs(seconds));
    judge.reverted()
}

fn at_minute(reverted: Option<Reverted>) -> Option<u64> {
    reverted.map(|reverted| {
        assert!(!reverted.blind && reverted.at.as_secs() % 60 == 0, "{reverted:?}");
        reverted.at.as_secs() / 60
    })
}

#[test]
fn the_script_counts_to_more_than_five_in_five_minutes() {
    assert_eq!(at_minute(once_a_second(SCRIPT, |second| second < 6, 1_000)), Some(1));
    assert_eq!(at_minute(once_a_second(SCRIPT, |second| second < 5, 1_000)), None);
    assert_eq!(at_minute(once_a_second(SCRIPT, |second| second % 60 == 0, 1_000)), None, "five in five minutes");
    assert_eq!(at_minute(once_a_second(SCRIPT, |second| second % 50 == 0, 1_000)), Some(6), "six in five minutes");
}

#[test]
fn flagger_counts_failed_checks_to_its_threshold_and_never_down() {
    assert_eq!(at_minute(once_a_second(FLAGGER, |_| true, 1_000)), Some(1));
    assert_eq!(at_minute(once_a_second(FLAGGER, |_| false, 4_000)), None);
    assert_eq!(at_minute(once_a_second(FLAGGER_EXAMPLE, |_| true, 1_000)), Some(10));
    let every_other_minute = |second: u64| (second / 60).is_multiple_of(2);
    assert_eq!(at_minute(once_a_second(FLAGGER_EXAMPLE, every_other_minute, 2_000)), Some(19));
}

#[test]
fn argo_fails_at_the_third_measurement_below_its_limit() {
    assert_eq!(at_minute(once_a_second(ARGO, |_| true, 4_000)), Some(15));
    assert_eq!(at_minute(once_a_second(ARGO, |_| false, 4_000)), None);
    // Of five minutes, the last scrapes are what it sees.
    assert_eq!(at_minute(once_a_second(ARGO, |second| second % 300 < 270, 4_000)), None);
    assert_eq!(at_minute(once_a_second(ARGO, |second| second % 300 >= 270, 4_000)), Some(15));
}

/// Nothing at all comes: the three that ask for a rate have none, the script counts no failures.
#[test]
fn without_traffic_some_take_the_canary_out_and_serin_waits() {
    let reverted: Vec<_> = judges::all()
        .into_iter()
        .map(|mut judge| {
            judge.advance(LENGTH);
            judge.reverted().map(|reverted| (reverted.at.as_secs() / 60, reverted.blind))
        })
        .collect();
    assert_eq!(reverted, [None, Some((1, true)), Some((10, true)), Some((15, true)), None]);
}

#[test]
fn every_judge_takes_a_healthy_canary_through_the_same_steps() {
    for mut judge in judges::all() {
        let (mut shares, mut looks) = (Vec::new(), (0..).map(|look| look * MINUTE / 6).peekable());
        for request in Stream::new(1, 5.0, LENGTH + 5 * MINUTE, |_| Weather::same(Health::failing(0.0))) {
            judge.advance(request.at);
            judge.record(&request, judge.side(request.point));
            if looks.next_if(|look| *look <= request.at).is_some() {
                let share = share(&*judge);
                if share > 0 && shares.last().is_none_or(|(last, _)| *last != share) {
                    shares.push((share, request.at));
                }
            }
        }
        let (weights, since): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
        assert_eq!(weights, WEIGHTS.map(per_thousand), "{}", judge.name());
        // Serin counts from its first fifty requests on.
        let late = |(at, next): (&Duration, &Duration)| next.saturating_sub(*at + HOLD);
        let late: Vec<_> = since.iter().zip(&since[1..]).map(late).collect();
        assert!(late.iter().all(|late| *late <= 3 * MINUTE), "{}: {late:?}", judge.name());
    }
}

/// The canary's part in thousandths.
fn share(judge: &dyn Judge) -> u64 {
    let canary = |thousandth: &u64| judge.side(u64::MAX / 1_000 * thousandth + 1_000_000) == Side::Canary;
    u64::try_from((0..1_000).filter(canary).count()).expect("1,000 at most")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a weight of the plan")]
fn per_thousand(weight: f64) -> u64 {
    (weight * 10.0) as u64
}

#[test]
fn the_same_seed_gives_the_same_tallies_and_another_one_others() {
    let run = |seed| trial::run(Scenario::Broken(0.2), 10.0, seed, 5 * MINUTE);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// The point of it all: where there is enough traffic to tell, Serin is out soon, and whoever hurts fewer users takes
/// healthy canaries out as well.
#[test]
fn a_fault_hurts_the_fewest_users_under_serin_of_all_that_leave_a_healthy_canary_in() {
    let healthy = trial::run(Scenario::Healthy(0.01), 10.0, 1, 35 * MINUTE);
    let trusted = |tallies: &[Tally]| -> Vec<Tally> {
        let both = tallies.iter().zip(&healthy);
        both.filter(|(_, healthy)| healthy.reverted.is_none()).map(|(tally, _)| tally.clone()).collect()
    };
    assert!(healthy[SERIN].reverted.is_none() && trusted(&healthy).len() > 1, "{healthy:?}");
    let at_once = Scenario::FAULTS.into_iter().filter(|scenario| scenario.onset().is_zero());
    for (scenario, rate) in at_once.flat_map(|scenario| [(scenario, 10.0), (scenario, 100.0)]) {
        let soon = match scenario {
            // Some 500 requests to the canary tell 10 % from 5 %, some 80 tell 20 %: sixty a minute are too few for the first.
            Scenario::Broken(share) if share < 0.15 && rate < 100.0 => continue,
            Scenario::Broken(share) if share < 0.25 => 2 * MINUTE,
            _ => MINUTE,
        };
        let tallies = trial::run(scenario, rate, 1, 2 * MINUTE);
        let what = || format!("{} at {rate}/s: {:?} {tallies:?}", scenario.name(), trial::names());
        let least = trusted(&tallies).iter().map(|tally| tally.excess).min().expect("Serin at least");
        assert_eq!(tallies[SERIN].excess, least, "{}", what());
        let out_after = tallies[SERIN].reverted.as_ref().map(|reverted| reverted.at);
        assert!(out_after.is_some_and(|after| after < soon), "{}", what());
    }
}

#[test]
fn a_canary_that_is_as_good_as_stable_hurts_nobody() {
    for scenario in Scenario::HEALTHY {
        for tally in trial::run(scenario, 0.5, 1, 35 * MINUTE) {
            assert_eq!(tally.excess, 0, "{}", scenario.name());
            assert!(tally.requests > 0 || tally.reverted.is_some(), "{}", scenario.name());
        }
    }
}

#[test]
fn serin_takes_no_canary_out_that_is_as_good_as_stable() {
    for scenario in Scenario::HEALTHY {
        for (rate, length) in [(0.5, LENGTH), (10.0, 35 * MINUTE)] {
            let tally = trial::run(scenario, rate, 1, length).remove(SERIN);
            assert_eq!(tally.reverted, None, "{} at {rate}/s", scenario.name());
        }
    }
}
