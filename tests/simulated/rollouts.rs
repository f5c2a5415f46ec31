//! A rollout from its first request to its end, at the pace at which people run them.

use crate::sim::plan::{CANARY, HOLD, Spec, WEIGHTS};
use crate::sim::stream::{Health, Side, Stream, Weather};
use crate::sim::world::{Publication, World};
use serin::rollout::Phase;
use serin::store::MemoryStore;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Requests a second.
const RATE: f64 = 3.0;

/// What most clients see of a service that is well.
const WELL: f64 = 0.001;

/// How a rollout went.
struct Rollout {
    world: World,
    /// Users whose requests failed at the canary.
    failed: u64,
}

/// A rollout of `spec` over `rate` requests a second in `weather`. Its pipeline rolls stable forward as soon as it is
/// asked to. Ends with the rollout, at the latest after `length`.
fn roll_out(spec: &Spec, rate: f64, length: Duration, weather: impl Fn(Duration) -> Weather) -> Rollout {
    let mut world = World::start(spec, Box::new(MemoryStore::default()), Duration::ZERO);
    let (mut failed, mut asked) = (0, false);
    for request in Stream::new(1, rate, length, weather) {
        world.advance(request.at);
        if world.is_out() || world.last_event() == Some("promoted") {
            break;
        }
        if world.last_event() == Some("promoting") && !std::mem::replace(&mut asked, true) {
            world.reload(&Spec { stable_version: CANARY, ..spec.clone() });
        }
        let side = world.side(request.point);
        failed += u64::from(side == Side::Canary && request.outcome(side).failed);
        world.record(&request, side);
    }
    Rollout { world, failed }
}

/// When the canary first had each of the steps' weights.
fn steps(world: &World) -> [Duration; 5] {
    WEIGHTS.map(|weight| {
        let reached = |p: &&Publication| (p.share * 100.0 - weight).abs() < 1e-9;
        world.published.iter().find(reached).unwrap_or_else(|| panic!("{weight} %: {:?}", world.published)).at
    })
}

/// Every step was held for its time, and for hardly more: until the first requests have come, nothing counts.
#[track_caller]
fn assert_on_time(world: &World, hold: Duration, evidence: Duration) {
    let steps = steps(world);
    for (at, next) in steps.iter().zip(&steps[1..]) {
        let took = next.saturating_sub(*at);
        assert!(took >= hold && took <= hold + evidence, "{took:?}: {steps:?}");
    }
}

#[test]
fn a_healthy_canary_takes_its_steps_on_time_and_replaces_stable() {
    let Rollout { world, .. } = roll_out(&Spec::default(), RATE, 3 * HOUR, |_| Weather::same(Health::failing(WELL)));
    assert_eq!(world.status().phase, Phase::Succeeded, "{}", world.status().message);
    assert_on_time(&world, HOLD, 3 * MINUTE);
    let last_step = world.published.iter().rposition(|p| p.share >= 1.0).expect("it had all of the traffic");
    let (up, down) = world.published.split_at(last_step + 1);
    assert!(up.is_sorted_by(|a, b| a.share <= b.share), "{up:?}");
    assert!(down.is_sorted_by(|a, b| a.share >= b.share) && down.len() > 10, "it returns bit by bit: {down:?}");
    let returned = down[down.len() - 1].at.saturating_sub(down[0].at);
    assert!(returned >= Duration::from_secs(25) && returned <= Duration::from_secs(35), "{returned:?}");
    assert!(down[down.len() - 1].share <= 0.0, "stable has it all: {down:?}");
}

/// A day; a quarter of it in a build without optimisation, where a tick costs many times as much.
#[test]
fn a_rollout_of_a_day_is_over_in_a_second() {
    let hold = if cfg!(debug_assertions) { 6 } else { 24 } * HOUR / 5;
    let spec = Spec { hold, rollback_window: HOUR, promotion_window: HOUR, min_requests: 20, ..Spec::default() };
    let Rollout { world, .. } = roll_out(&spec, 0.1, 48 * HOUR, |_| Weather::same(Health::failing(WELL)));
    assert_eq!(world.status().phase, Phase::Succeeded, "{}", world.status().message);
    assert_on_time(&world, hold, 2 * HOUR);
}

#[test]
fn a_fault_in_the_fourth_step_takes_the_canary_out_of_it() {
    let onset = 55 * MINUTE;
    let Rollout { world, failed } = roll_out(&Spec::default(), RATE, HOUR, |at| {
        let canary = Health::failing(if at < onset { WELL } else { 0.5 });
        Weather { canary, ..Weather::same(Health::failing(WELL)) }
    });
    assert!(world.is_out(), "{}", world.status().message);
    let decision = world.decisions.last().expect("it was decided");
    assert_eq!((decision.step, decision.weight), (Some(4), 75.0));
    let last = world.published[world.published.len() - 1];
    assert!(last.share <= 0.0 && last.at > onset && last.at < onset + MINUTE, "{last:?}");
    assert!(failed < 60, "{failed} requests failed");
}

/// What hurts both versions is no reason to leave one for the other, and none to go on either.
#[test]
fn time_in_which_requests_fail_is_not_held() {
    let bad = 20 * MINUTE..30 * MINUTE;
    let Rollout { world, .. } = roll_out(&Spec::default(), RATE, 3 * HOUR, |at| {
        // Over the promotion's 1 %, within the rollback's 5 %.
        Weather::same(Health::failing(if bad.contains(&at) { 0.03 } else { WELL }))
    });
    assert_eq!(world.status().phase, Phase::Succeeded, "{}", world.status().message);
    let steps = steps(&world);
    assert!(steps[2] > steps[1] + HOLD + 10 * MINUTE, "{steps:?}");
}
