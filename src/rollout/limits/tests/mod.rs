//! What a limit says, case by case; the simulations that show what its verdicts are worth are in files of their own.

mod healthy;
mod outage;
mod query;
mod relative;
mod simulated;

use super::*;
use crate::plan::{Quantile, RequestLimit};
use proptest::prelude::*;

fn limit(metric: Metric) -> RequestLimit {
    RequestLimit { metric, window: Duration::from_secs(300), min_requests: 50, alpha: 1e-5 }
}

fn guard(metric: Metric) -> Guard {
    Guard::new(Limit::Requests(limit(metric)), Role::Rollback)
}

fn errors() -> Guard {
    guard(Metric::ErrorRate { max: RateBound::Share(0.05) })
}

fn p99(max: LatencyBound) -> Guard {
    guard(Metric::Latency { quantile: Quantile::from_milli_percent(99_000).unwrap(), max })
}

fn p99_ms(ms: u64) -> Guard {
    p99(LatencyBound::Time(Duration::from_millis(ms)))
}

/// `judged` requests of `ms` each, of which `failed` failed.
fn requests(judged: u64, failed: u64, ms: u64) -> Delta {
    Delta {
        requests: judged,
        judged,
        failed,
        timed: judged,
        duration_sum_us: judged * ms * 1_000,
        durations: vec![(u16::try_from(bucket_of(ms * 1_000)).unwrap(), judged)],
        ..Delta::default()
    }
}

fn none() -> Delta {
    Delta::default()
}

fn at_ms(ms: u64) -> Now {
    let since = Duration::from_millis(ms);
    Now { monotonic: since, wall: Timestamp::from_duration(Duration::from_secs(1_700_000_000) + since) }
}

fn at(seconds: u64) -> Now {
    at_ms(seconds * 1_000)
}

fn verdict(guard: &Guard) -> (Verdict, Option<Reason>) {
    (guard.finding().verdict, guard.finding().reason)
}

fn inconclusive(reason: Reason) -> (Verdict, Option<Reason>) {
    (Verdict::Inconclusive, Some(reason))
}

const HEALTHY: (Verdict, Option<Reason>) = (Verdict::Healthy, None);
const BY_DETECTOR: (Verdict, Option<Reason>) = (Verdict::Breach, Some(Reason::Detector));
const BY_WINDOW: (Verdict, Option<Reason>) = (Verdict::Breach, Some(Reason::Window));

#[test]
fn too_few_requests_are_neither_healthy_nor_a_breach() {
    let mut guard = errors();
    assert_eq!(verdict(&guard), inconclusive(Reason::NotEnoughRequests));
    guard.observe(&requests(49, 3, 1), &none(), at(0));
    assert_eq!(verdict(&guard), inconclusive(Reason::NotEnoughRequests));
    guard.observe(&requests(11, 0, 1), &none(), at(1));
    assert_eq!(verdict(&guard), HEALTHY, "3 of 60 is 5 %, and that is within 5 %");
}

#[test]
fn the_detector_does_not_wait_for_the_window() {
    let mut guard = errors();
    guard.observe(&requests(5, 5, 1), &requests(10, 0, 1), at(7));
    let finding = guard.finding();
    assert_eq!((finding.verdict, finding.reason), BY_DETECTOR);
    assert_eq!((finding.value, finding.stable_value, finding.samples), (Some(1.0), Some(0.0), 5));
    assert!(finding.evidence.unwrap() >= 1.0);
    assert_eq!(finding.since, Some(at(7).wall));
}

#[test]
fn a_window_over_its_limit_is_a_breach_once_chance_does_not_explain_it() {
    let mut guard = errors();
    guard.observe(&requests(1_000, 60, 1), &none(), at(0));
    assert_eq!(verdict(&guard), inconclusive(Reason::WithinChance), "6 % of 1,000 is luck, one time in a few");
    guard.observe(&requests(20_000, 1_200, 1), &none(), at(1));
    assert_eq!(verdict(&guard), BY_WINDOW, "6 % of 20,000 is none");
    assert!(guard.finding().evidence.unwrap() < 1.0, "too slight for the detector");
}

#[test]
fn exactly_the_limit_is_within_it_and_just_above_is_not() {
    let mut guard = p99_ms(500);
    let mut mixed = requests(990, 0, 100);
    mixed.merge(&requests(10, 0, 510));
    guard.observe(&mixed, &none(), at(0));
    assert_eq!(verdict(&guard), HEALTHY, "1 % may be slower than the p99's limit");
    guard.observe(&requests(1, 0, 510), &none(), at(0));
    assert_eq!(verdict(&guard), inconclusive(Reason::WithinChance));
    let mut on_time = p99_ms(500);
    on_time.observe(&requests(1_000, 0, 500), &none(), at(0));
    assert_eq!(verdict(&on_time), HEALTHY, "as slow as the limit is not slower than it");
}

#[test]
fn a_canary_that_is_always_too_slow_is_found_in_a_few_requests() {
    let mut guard = p99_ms(500);
    for tick in 0..3 {
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
        guard.observe(&requests(2, 0, 700), &requests(20, 0, 20), at_ms(100 * tick));
    }
    assert_eq!(verdict(&guard), BY_DETECTOR);
}

/// Ten minutes at 100 requests a second; the first pause comes when hardly anything else is in the window.
#[test]
fn one_pause_however_many_it_holds_up_is_no_breach_and_neither_is_one_a_minute() {
    let mut guard = p99_ms(500);
    for tick in 0..6_000 {
        let paused = tick % 600 == 20;
        let canary = if paused { requests(40, 0, 800) } else { requests(10, 0, 20) };
        guard.observe(&canary, &none(), at_ms(100 * tick));
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
    }
    assert_eq!(verdict(&guard), HEALTHY, "40 of 6,000 are less than 1 %");
}

#[test]
fn a_mean_over_its_limit_is_a_breach_once_it_is_sure() {
    let mut guard = guard(Metric::LatencyMean { max: Duration::from_millis(500) });
    for tick in 0..10 {
        guard.observe(&requests(5, 5, 490 + tick * 2), &none(), at_ms(100 * tick));
    }
    assert_eq!((verdict(&guard), guard.finding().evidence), (HEALTHY, None));
    guard.observe(&requests(1, 0, 30_000), &none(), at(1));
    assert_eq!(verdict(&guard), inconclusive(Reason::WithinChance), "one request is not the mean's doing");
    for tick in 0..2_000 {
        guard.observe(&requests(5, 0, 600), &requests(5, 0, 20), at_ms(1_100 + 100 * tick));
    }
    assert_eq!(verdict(&guard), BY_WINDOW);
}

#[test]
fn a_mean_that_stable_shares_is_not_the_canarys_doing() {
    let mut guard = guard(Metric::LatencyMean { max: Duration::from_millis(500) });
    for tick in 0..1_000 {
        guard.observe(&requests(5, 0, 600 + tick % 20), &requests(5, 0, 600 + tick % 30), at_ms(100 * tick));
    }
    assert_eq!(verdict(&guard), inconclusive(Reason::StableAlsoFailing));
}

#[test]
fn a_limit_that_lets_a_step_advance_takes_nothing_out() {
    let metric = Metric::ErrorRate { max: RateBound::Share(0.01) };
    let mut guard = Guard::new(Limit::Requests(limit(metric)), Role::Promotion);
    guard.observe(&requests(1_000, 500, 1), &none(), at(0));
    assert_eq!((verdict(&guard), guard.finding().evidence), (inconclusive(Reason::Window), None));
    guard.observe(&requests(100, 0, 1), &none(), at(301));
    assert_eq!(verdict(&guard), HEALTHY);
}

#[test]
fn what_speaks_against_it_is_dated_from_when_it_began_and_forgotten_when_it_ends() {
    let mut guard = errors();
    guard.observe(&requests(100, 0, 1), &none(), at(0));
    assert_eq!(guard.finding().since, None);
    guard.observe(&requests(2, 2, 1), &none(), at(1));
    guard.observe(&none(), &none(), at(2));
    assert_eq!(guard.finding().since, Some(at(1).wall));
    guard.observe(&requests(100, 0, 1), &none(), at(3));
    assert_eq!(guard.finding().since, None);
}

fn metrics() -> impl Strategy<Value = Metric> {
    let quantile = Quantile::from_milli_percent(95_000).unwrap();
    let max = Duration::from_millis(500);
    proptest::sample::select(vec![
        Metric::ErrorRate { max: RateBound::Share(0.05) },
        Metric::ErrorRate { max: RateBound::TimesStable(2.0) },
        Metric::ErrorRate { max: RateBound::AboveStable(0.01) },
        Metric::Latency { quantile, max: LatencyBound::Time(max) },
        Metric::Latency { quantile, max: LatencyBound::TimesStable(1.5) },
        Metric::LatencyMean { max },
    ])
}

fn deltas() -> impl Strategy<Value = Delta> {
    (0_u64..2_000, 0.0..=1.0, 1_u64..2_000).prop_map(|(judged, part, ms)| {
        let failed = (0..judged).filter(|i| float(*i) < part * float(judged)).count() as u64;
        if judged == 0 { none() } else { requests(judged, failed, ms) }
    })
}

proptest! {
    /// And a verdict without a reason is Healthy, one with enough requests, within the limit.
    #[test]
    fn whatever_is_counted_a_finding_is_made_of_numbers_and_has_its_reason(
        metric in metrics(),
        ticks in proptest::collection::vec((deltas(), deltas(), 0_u64..60_000, 0..20), 1..60),
    ) {
        let (mut guard, mut now) = (guard(metric), 0);
        for (canary, stable, wait, event) in ticks {
            now += wait;
            match event {
                0 => guard.forget_stable(),
                1 => guard.resplit(1.0),
                2 => guard.resplit(0.3),
                _ => guard.observe(&canary, &stable, at_ms(now)),
            }
            let finding = guard.finding();
            for number in [finding.value, finding.stable_value, finding.evidence].into_iter().flatten() {
                prop_assert!(number.is_finite() && number >= 0.0, "{finding:?}");
            }
            prop_assert_eq!(finding.reason.is_none(), finding.verdict == Verdict::Healthy);
            let within = bounds(guard.limit(), finding.stable_value).1.zip(finding.value).is_some_and(|(m, v)| v <= m);
            prop_assert!(finding.verdict != Verdict::Healthy || (within && finding.samples >= 50), "{finding:?}");
        }
    }
}
