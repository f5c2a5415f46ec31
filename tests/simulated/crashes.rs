//! A crash at every tick of a fast rollout: with what was decided in that tick saved, and with it lost.

use crate::process::Disk;
use crate::sim::plan::{CANARY, Spec};
use crate::sim::stream::{Health, Side, Stream, Weather};
use crate::sim::world::World;
use serin::rollout::Phase;
use std::time::Duration;

const TICK: Duration = serin::rollout::TICK;
/// So many are enough to end, and to end again after a crash at any of the first [`CRASHES`].
const TICKS: u32 = 100;
const CRASHES: u32 = 70;

/// What becomes of the state that the last tick before the crash hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastSave {
    Kept,
    Lost,
}

/// One way to crash.
#[derive(Debug, Clone, Copy)]
struct Crash {
    /// After this tick.
    tick: u32,
    last_save: LastSave,
}

/// Two processes, one after the other, on one disk.
struct History {
    phase: Phase,
    /// The canary's shares, as they were published by either.
    shares: Vec<f64>,
    /// Requests that the canary got after its failure had been saved.
    served_failed: u64,
}

/// Fails all requests once it is in its third step, or not at all.
fn weather(fails: bool) -> impl Fn(Duration) -> Weather {
    move |at| {
        let canary = Health::failing(f64::from(u8::from(fails && at > Duration::from_millis(2_500))));
        Weather { canary, ..Weather::same(Health::failing(0.0)) }
    }
}

fn roll_out(fails: bool, crash: Option<Crash>) -> History {
    let mut spec = Spec {
        hold: Duration::from_millis(800),
        return_over: Duration::from_millis(500),
        min_requests: 3,
        ..Spec::default()
    };
    let disk = Disk::default();
    let mut world = World::start(&spec, Box::new(disk.clone()), Duration::ZERO);
    let mut stream = Stream::new(5, 100.0, TICKS * TICK, weather(fails)).peekable();
    let (mut shares, mut served_failed, mut failed) = (Vec::new(), 0, false);
    for tick in 1..=TICKS {
        while let Some(request) = stream.next_if(|request| request.at < tick * TICK) {
            world.advance(request.at);
            let side = world.side(request.point);
            served_failed += u64::from(failed && side == Side::Canary);
            world.record(&request, side);
        }
        let crash = crash.filter(|crash| crash.tick == tick);
        if let Some(Crash { last_save: LastSave::Lost, .. }) = crash {
            world.controller.flush(Duration::from_secs(30));
            disk.set_dying(true);
        }
        world.advance(tick * TICK);
        if crash.is_some() {
            world.controller.flush(Duration::from_secs(30));
            disk.set_dying(false);
            shares.extend(world.published.iter().map(|p| p.share));
            world = World::start(&spec, Box::new(disk.clone()), tick * TICK);
        }
        // Known to every later process: what was lost with a crash is found out again.
        failed = world.status().phase == Phase::RolledBack;
        if world.status().phase == Phase::Promoting && spec.stable_version != CANARY {
            spec.stable_version = CANARY;
            world.reload(&spec);
        }
    }
    shares.extend(world.published.iter().map(|p| p.share));
    let phase = world.status().phase;
    History { phase, shares, served_failed }
}

/// No step is left out, until the canary has had all of the traffic.
#[track_caller]
fn assert_one_step_at_a_time(history: &History, crash: Option<Crash>) {
    let mut left = [0.0, 0.1, 0.3, 0.5, 0.75, 1.0].into_iter().peekable();
    let mut highest: f64 = 0.0;
    for share in &history.shares {
        if *share > highest {
            left.next_if(|step| *step <= highest);
            assert_eq!(Some(share), left.peek(), "{crash:?}: {:?}", history.shares);
            highest = *share;
        }
    }
}

fn every_crash(fails: bool, end: Phase) {
    let without = roll_out(fails, None);
    assert_eq!(without.phase, end, "{:?}", without.shares);
    assert_one_step_at_a_time(&without, None);
    for tick in 1..=CRASHES {
        for last_save in [LastSave::Kept, LastSave::Lost] {
            let crash = Some(Crash { tick, last_save });
            let history = roll_out(fails, crash);
            assert_eq!(history.phase, end, "{crash:?}: {:?}", history.shares);
            assert_one_step_at_a_time(&history, crash);
            assert_eq!(history.served_failed, 0, "{crash:?}: {:?}", history.shares);
        }
    }
}

#[test]
fn a_healthy_canary_that_crashes_anywhere_still_replaces_stable_step_by_step() {
    every_crash(false, Phase::Succeeded);
}

#[test]
fn a_failing_canary_is_out_wherever_the_process_crashes_and_stays_out() {
    every_crash(true, Phase::RolledBack);
}
