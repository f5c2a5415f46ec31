//! Clocks that jump: a machine that slept, a hypervisor that stopped it, an NTP server that was wrong.

use crate::sim::draw::Draws;
use crate::sim::plan::Spec;
use crate::sim::stream::{Health, Stream, Weather};
use crate::sim::world::{Publication, World};
use serin::store::MemoryStore;
use std::time::Duration;

const HOLD: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(1_200);

/// The most that a tick counts for, in seconds.
const LONGEST_TICK: f64 = 1.0;

/// From two seconds, which the windows outlive, to a day, which empties them.
fn a_while(draws: &mut Draws) -> Duration {
    Duration::from_secs_f64(2.0 * 43_200_f64.powf(draws.unit()))
}

fn spec() -> Spec {
    Spec { hold: HOLD, min_requests: 10, ..Spec::default() }
}

/// A rollout in which `jump` has its way with the clocks after every 20 seconds; `seen` sees it before and after.
fn with_jumps(
    mut jump: impl FnMut(&mut [Duration; 2]),
    mut seen: impl FnMut((Option<usize>, f64), (Option<usize>, f64)),
) -> Vec<Publication> {
    let mut world = World::start(&spec(), Box::new(MemoryStore::default()), Duration::ZERO);
    // Between two ticks, so that exactly one comes in the second after it.
    let mut next = Duration::from_millis(20_050);
    for request in Stream::new(2, 10.0, LENGTH, |_| Weather::same(Health::failing(0.0))) {
        while next <= request.at {
            world.advance(next);
            let stands = |world: &World| (world.status().step, world.status().held_seconds);
            let before = stands(&world);
            jump(&mut world.ahead);
            world.advance(next + Duration::from_secs(1));
            seen(before, stands(&world));
            next += Duration::from_secs(20);
        }
        world.advance(request.at);
        world.record(&request, world.side(request.point));
    }
    world.published
}

#[test]
fn a_clock_that_jumps_holds_nothing() {
    let mut draws = Draws::new(3);
    let mut jumps = 0;
    let jump = |[monotonic, wall]: &mut [Duration; 2]| {
        *monotonic += a_while(&mut draws);
        *wall += a_while(&mut draws);
    };
    let published = with_jumps(jump, |before, after| {
        jumps += 1;
        let most = LONGEST_TICK + 0.2;
        if after.0 == before.0 {
            assert!(after.1 <= before.1 + most, "{before:?} {after:?}");
        } else {
            assert!(before.1 >= HOLD.as_secs_f64() - most, "{before:?} {after:?}");
        }
    });
    assert!(jumps > 50);
    // It does get on between the jumps, by one step at a time.
    let shares: Vec<_> = published.iter().map(|p| p.share).collect();
    assert!(shares.len() > 2 && [0.0, 0.1, 0.3, 0.5, 0.75, 1.0].starts_with(&shares), "{shares:?}");
}

#[test]
fn nothing_is_decided_by_the_wall_clock() {
    let without = with_jumps(|_| {}, |_, _| {});
    let mut draws = Draws::new(4);
    // Forwards and backwards: up to a day ahead of where it was at first.
    let with = with_jumps(|[_, wall]| *wall = a_while(&mut draws), |_, _| {});
    assert_eq!(with, without);
    assert!(without.len() > 5, "{without:?}");
}
