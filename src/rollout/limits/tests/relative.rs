//! Limits that are relative to stable.

use super::simulated::{SECOND, Traffic};
use super::*;

fn times(times: f64) -> Guard {
    guard(Metric::ErrorRate { max: RateBound::TimesStable(times) })
}

fn above(more: f64) -> Guard {
    guard(Metric::ErrorRate { max: RateBound::AboveStable(more) })
}

#[test]
fn it_takes_enough_of_both_to_compare() {
    let mut guard = times(2.0);
    guard.observe(&requests(49, 0, 1), &requests(500, 5, 1), at(0));
    assert_eq!(verdict(&guard), inconclusive(Reason::NotEnoughRequests));
    guard.observe(&requests(1, 1, 1), &none(), at(1));
    assert_eq!(verdict(&guard), HEALTHY, "2 % is within twice 1 %");
    guard.observe(&requests(1, 1, 1), &none(), at(2));
    assert_eq!(verdict(&guard), inconclusive(Reason::WithinChance));
    guard.forget_stable();
    assert_eq!(verdict(&guard), inconclusive(Reason::NothingToCompareWith));
}

#[test]
fn the_bound_is_what_stables_value_makes_it_now() {
    let limit = Limit::Requests(limit(Metric::ErrorRate { max: RateBound::AboveStable(0.01) }));
    assert_eq!(bounds(&limit, Some(0.02)), (None, Some(0.03)));
    assert_eq!(bounds(&limit, Some(0.995)), (None, Some(1.0)));
    assert_eq!(bounds(&limit, None), (None, None));
}

#[test]
fn a_canary_within_its_allowance_stays_and_one_beyond_goes() {
    println!("limit    stable   share   within: breach in 60,000 requests   beyond: canary's requests to the breach");
    for share in [0.1, 0.5, 0.9] {
        for (name, make, stable, within, beyond) in [
            ("2x", times(2.0), 0.01, 0.02, [0.05, 0.1, 0.5, 1.0]),
            ("+1%", above(0.01), 0.01, 0.02, [0.05, 0.1, 0.5, 1.0]),
            ("2x", times(2.0), 0.1, 0.2, [0.3, 0.4, 0.5, 1.0]),
        ] {
            let (mut guard, mut traffic) = (make.clone(), Traffic::new(31, 1_000.0, share));
            let found = traffic.run(&mut guard, 60 * SECOND, within, stable);
            let delays = beyond.map(|p| {
                let (mut guard, mut traffic) = (make.clone(), Traffic::new(32, 100.0, share));
                assert_eq!(traffic.run(&mut guard, 20 * SECOND, stable, stable), None, "{name} {stable} {share}");
                let before = traffic.canary_requests;
                traffic.run(&mut guard, 100_000 * SECOND, p, stable).expect("found at last");
                (p, traffic.canary_requests - before)
            });
            println!("{name:<8} {stable:<8} {share:<7} {found:?}   {delays:?}");
            assert_eq!(found, None, "{name} {stable} {share}");
            assert!(delays[3].1 <= if share > 0.5 { 800 } else { 100 }, "{name} {stable} {share}: {delays:?}");
        }
    }
}

#[test]
fn with_all_of_the_traffic_it_is_compared_with_what_stable_did_last() {
    let (mut guard, mut traffic) = (times(2.0), Traffic::new(33, 100.0, 0.5));
    assert_eq!(traffic.run(&mut guard, 60 * SECOND, 0.01, 0.01), None);
    traffic.set_share(&mut guard, 1.0);
    assert_eq!(traffic.run(&mut guard, 900 * SECOND, 0.01, 0.01), None);
    assert_eq!(guard.finding().verdict, Verdict::Healthy, "{:?}", guard.finding());
    let before = traffic.canary_requests;
    traffic.run(&mut guard, 60 * SECOND, 1.0, 0.0).expect("found");
    assert!(traffic.canary_requests - before <= 30);
}

#[test]
fn a_quantile_is_held_to_so_many_times_stables() {
    let mut guard = p99(LatencyBound::TimesStable(1.5));
    for tick in 0..100 {
        guard.observe(&requests(5, 0, 140), &requests(10, 0, 100), at_ms(100 * tick));
    }
    let finding = guard.finding();
    assert_eq!((finding.verdict, finding.stable_value), (Verdict::Healthy, Some(100_000.0)), "{finding:?}");
    for tick in 100..103 {
        assert_ne!(guard.finding().verdict, Verdict::Breach);
        guard.observe(&requests(5, 0, 170), &requests(10, 0, 100), at_ms(100 * tick));
    }
    assert_eq!(verdict(&guard), BY_DETECTOR);
}

#[test]
fn when_both_become_slow_at_once_nobody_is_blamed() {
    let mut guard = p99(LatencyBound::TimesStable(1.5));
    for tick in 0..2_000 {
        let ms = if tick < 1_000 { 100 } else { 900 };
        guard.observe(&requests(5, 0, ms), &requests(10, 0, ms), at_ms(100 * tick));
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
    }
}

#[test]
fn stables_window_does_not_age_while_stable_gets_nothing() {
    let mut guard = p99(LatencyBound::TimesStable(1.5));
    guard.observe(&requests(100, 0, 100), &requests(500, 0, 100), at(0));
    guard.observe(&requests(100, 0, 100), &none(), at(3_600));
    assert_eq!(verdict(&guard), HEALTHY);
}
