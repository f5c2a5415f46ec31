//! False alarms: what a healthy canary has to fear from being looked at ten times a second, for millions of requests.

use super::simulated::Traffic;
use super::*;

/// Breaches and, in percent, ticks that were Healthy, over `requests` of the canary's.
fn breaches(p: f64, stable: f64, share: f64, requests: u64, seed: u64) -> (u64, u64) {
    let mut traffic = Traffic::new(seed, 1_000.0, share);
    let (mut guard, mut breaches, mut healthy, mut ticks) = (errors(), 0, 0, 0);
    while traffic.canary_requests < requests {
        match traffic.tick(&mut guard, p, stable) {
            Verdict::Breach => {
                breaches += 1;
                guard = errors();
            }
            Verdict::Healthy => healthy += 1,
            Verdict::Inconclusive => {}
        }
        ticks += 1;
    }
    (breaches, healthy * 100 / ticks)
}

#[test]
fn a_healthy_canary_stays_whatever_the_window_shows_by_chance() {
    println!("canary   stable  share   breaches in 1,000,000 of its requests   healthy ticks");
    for (p, stable, share, most) in [
        (0.04, 0.0, 1.0, 0),
        (0.04, 0.001, 0.5, 0),
        (0.049, 0.001, 1.0, 6),
        (0.05, 0.001, 1.0, 10),
        (0.05, 0.05, 0.5, 3),
        (0.06, 0.06, 0.5, 3),
    ] {
        let (found, healthy) = breaches(p, stable, share, 1_000_000, 21);
        println!("{p:<8} {stable:<7} {share:<7} {found:>3} {healthy:>40} %");
        assert!(found <= most, "{p} {stable} {share}: {found}");
        assert!(p > 0.045 || healthy >= 95, "{p}: {healthy} % of the ticks");
    }
}

/// Fewer requests, where a window of 50 is over its limit in a third of all looks.
#[test]
fn a_window_of_fifty_requests_is_no_more_dangerous() {
    let mut breaches = 0;
    for seed in 0..5 {
        let (mut guard, mut traffic) = (errors(), Traffic::new(seed, 0.2, 1.0));
        breaches += u64::from(traffic.run(&mut guard, 400_000, 0.04, 0.0).is_some());
    }
    println!("{breaches} breaches in 5 runs of 8,000 requests at 0.2 a second");
    assert_eq!(breaches, 0);
}
