//! Stable as control: what both versions show takes nothing out, what the canary alone shows does, and at what price.

use super::simulated::{SECOND, Traffic};
use super::*;

const SHARES: [f64; 3] = [0.1, 0.5, 0.9];

/// Long enough for some hundred requests.
fn healthy_ticks(a_second: f64) -> u64 {
    if a_second < 1.0 { 1_200 * SECOND } else { 60 * SECOND }
}

/// The mean number of the canary's requests from the start of the fault to the breach.
fn delay(a_second: f64, share: f64, p: f64) -> u64 {
    const RUNS: u64 = 5;
    let requests = (0..RUNS).map(|seed| {
        let (mut guard, mut traffic) = (errors(), Traffic::new(seed, a_second, share));
        assert_eq!(traffic.run(&mut guard, healthy_ticks(a_second), 0.002, 0.002), None, "{a_second} {share} {seed}");
        let before = traffic.canary_requests;
        traffic.run(&mut guard, 100_000 * SECOND, p, 0.002).expect("found at last");
        traffic.canary_requests - before
    });
    requests.sum::<u64>() / RUNS
}

#[test]
fn a_fault_of_the_canarys_alone_is_found_at_every_split() {
    println!("canary's requests from the fault to the breach; limit 5 %, stable healthy");
    println!("rate    share     10 %   20 %   50 %  100 %");
    for a_second in [0.2, 10.0, 1_000.0] {
        for (share, most) in [
            (0.1, [800, 130, 30, 8]),
            (0.5, [1_000, 160, 35, 9]),
            (0.75, [1_100, 300, 80, 20]),
            (0.9, [1_600, 600, 180, 40]),
        ] {
            let delays = [0.1, 0.2, 0.5, 1.0].map(|p| delay(a_second, share, p));
            println!("{a_second:<7} {share:<7} {delays:>6?}");
            // What ended within the tick of the breach is counted with it.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "100 at most")]
            let a_tick = (a_second * share / 10.0) as u64;
            assert!(delays.iter().zip(most).all(|(delay, most)| *delay <= most + 2 * a_tick), "{a_second} {share}");
        }
    }
}

#[test]
fn a_shared_outage_takes_nothing_out_and_when_stable_alone_gets_well_the_canary_goes() {
    println!("rate    share  outage  p      revert after stable alone got well, canary's requests (seconds)");
    for a_second in [0.2, 10.0, 100.0, 1_000.0] {
        for share in SHARES {
            for p in [1.0, 0.3] {
                let long = if a_second < 1.0 { 7_200 } else { 600 };
                let lengths = if a_second > 100.0 { vec![3, 60] } else { vec![3, long] };
                for seconds in lengths {
                    let (mut guard, mut traffic) = (errors(), Traffic::new(5, a_second, share));
                    let name = format!("{a_second:<7} {share:<6} {seconds:>5}s  {p:<5}");
                    traffic.run(&mut guard, healthy_ticks(a_second), 0.002, 0.002);
                    assert_eq!(traffic.run(&mut guard, seconds * SECOND, p, p), None, "{name}");
                    let before = traffic.canary_requests;
                    let ticks = traffic.run(&mut guard, 100_000 * SECOND, p, 0.002).expect("found at last");
                    let requests = traffic.canary_requests - before;
                    println!("{name}  {requests:>6} ({}.{})", ticks / SECOND, ticks % SECOND);
                    assert!(a_second < 100.0 || p < 1.0 || ticks <= 2 * SECOND, "{name}: {ticks}");
                }
            }
        }
    }
}

#[test]
fn no_seed_of_many_blames_the_canary_for_a_shared_outage() {
    let mut blamed = Vec::new();
    for seed in 0..20 {
        for share in SHARES {
            for (p, a_second, seconds) in [(1.0, 0.2, 1_800), (0.3, 0.2, 1_800), (1.0, 10.0, 120), (0.3, 10.0, 120)] {
                let (mut guard, mut traffic) = (errors(), Traffic::new(seed, a_second, share));
                traffic.run(&mut guard, 30 * SECOND, 0.002, 0.002);
                if let Some(ticks) = traffic.run(&mut guard, seconds * SECOND, p, p) {
                    blamed.push((seed, share, p, a_second, ticks));
                }
            }
        }
    }
    println!("{} of 240 blamed: {blamed:?}", blamed.len());
    assert!(blamed.len() <= 2, "1 in 100 is what is promised: {blamed:?}");
}

#[test]
fn a_canary_that_is_far_worse_than_a_failing_stable_goes() {
    for (canary, stable, most) in [(0.5, 0.1, 200), (1.0, 0.3, 200), (0.3, 0.1, 1_500)] {
        let (mut guard, mut traffic) = (errors(), Traffic::new(8, 100.0, 0.1));
        let ticks = traffic.run(&mut guard, 10_000 * SECOND, canary, stable);
        println!("{canary} beside {stable}: {} requests, {ticks:?} ticks", traffic.canary_requests);
        assert!(ticks.is_some() && traffic.canary_requests <= most, "{canary} {stable}");
    }
}

#[test]
fn as_bad_as_a_failing_stable_is_said_to_be_so() {
    let (mut guard, mut traffic) = (errors(), Traffic::new(9, 100.0, 0.5));
    assert_eq!(traffic.run(&mut guard, 600 * SECOND, 1.0, 0.97), None);
    assert_eq!(verdict(&guard), inconclusive(Reason::StableAlsoFailing));
    assert_eq!(traffic.run(&mut guard, 400 * SECOND, 0.002, 0.002), None);
    assert_eq!(verdict(&guard), HEALTHY, "and when both are well, it is over");
}

#[test]
fn when_the_split_moves_during_a_shared_outage_nobody_is_blamed() {
    for seed in 0..20 {
        let (mut guard, mut traffic) = (errors(), Traffic::new(seed, 100.0, 0.1));
        assert_eq!(traffic.run(&mut guard, 120 * SECOND, 0.002, 0.002), None);
        traffic.set_share(&mut guard, 0.75);
        for p in [0.002, 1.0, 0.3, 0.002] {
            assert_eq!(traffic.run(&mut guard, 20 * SECOND, p, p), None, "{seed} {p}");
        }
    }
}

#[test]
fn with_all_of_the_traffic_the_canary_is_judged_alone_and_by_what_it_does_then() {
    let (mut guard, mut traffic) = (errors(), Traffic::new(4, 100.0, 0.75));
    assert_eq!(traffic.run(&mut guard, 60 * SECOND, 0.002, 0.002), None);
    assert_eq!(traffic.run(&mut guard, 20 * SECOND, 1.0, 1.0), None);
    traffic.set_share(&mut guard, 1.0);
    assert_eq!(traffic.run(&mut guard, 60 * SECOND, 0.002, 0.002), None, "that outage was shared");
    let before = traffic.canary_requests;
    traffic.run(&mut guard, 60 * SECOND, 1.0, 0.0).expect("found");
    assert!(traffic.canary_requests - before <= 20, "at 10 requests a tick");
}
