//! Clients that hang up: charged to nobody, and no excuse for a canary that answers nobody.

use super::*;

/// So many requests that their clients gave up after `ms`.
fn abandoned(count: u64, ms: u64) -> Delta {
    let bucket = u16::try_from(bucket_of(ms * 1_000)).unwrap();
    Delta { requests: count, aborted: count, abandoned: vec![(bucket, count)], ..none() }
}

/// 10 that are answered at once and these many that are given up after `ms`.
fn with_abandoned(count: u64, ms: u64) -> Delta {
    let mut delta = requests(10, 0, 10);
    delta.merge(&abandoned(count, ms));
    delta
}

#[test]
fn what_was_given_up_after_the_limit_was_slower_than_the_limit() {
    let mut guard = p99_ms(500);
    for tick in 0..3 {
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
        guard.observe(&abandoned(2, 2_000), &requests(20, 0, 20), at_ms(100 * tick));
    }
    let finding = guard.finding();
    assert_eq!((finding.verdict, finding.reason), BY_DETECTOR);
    assert_eq!((finding.value, finding.stable_value, finding.samples), (Some(2_000_000.0), Some(20_000.0), 6));
}

#[test]
fn so_it_is_in_the_window_where_it_is_too_slight_for_the_detector() {
    let mut guard = p99_ms(500);
    for tick in 0..9_000 {
        let canary = if tick % 8 == 0 { with_abandoned(1, 2_000) } else { requests(10, 0, 10) };
        guard.observe(&canary, &requests(10, 0, 10), at_ms(30 * tick));
    }
    let (evidence, (verdict, reason)) = (guard.finding().evidence.unwrap(), verdict(&guard));
    assert_eq!(verdict, Verdict::Breach, "1.2 % of 90,000 by {reason:?}, evidence {evidence}");
}

#[test]
fn what_was_given_up_before_the_limit_says_nothing_of_it() {
    let mut guard = p99_ms(500);
    for tick in 0..100 {
        guard.observe(&with_abandoned(10, 400), &with_abandoned(10, 400), at_ms(100 * tick));
    }
    let finding = guard.finding();
    assert_eq!((finding.verdict, finding.value, finding.samples), (Verdict::Healthy, Some(10_000.0), 1_000));
}

#[test]
fn what_is_given_up_on_both_is_not_the_canarys_doing() {
    let mut guard = p99_ms(500);
    for tick in 0..300 {
        guard.observe(&with_abandoned(5, 2_000), &with_abandoned(5, 2_000), at_ms(100 * tick));
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
    }
    assert_eq!(verdict(&guard), inconclusive(Reason::StableAlsoFailing));
}

#[test]
fn many_that_are_given_up_at_once_are_one_event() {
    let mut guard = p99_ms(500);
    for tick in 0..600 {
        let canary = if tick == 20 { abandoned(40, 2_000) } else { requests(10, 0, 20) };
        guard.observe(&canary, &requests(10, 0, 20), at_ms(100 * tick));
        assert_ne!(guard.finding().verdict, Verdict::Breach, "{tick}");
    }
}

#[test]
fn a_canary_that_falls_silent_is_not_healthy_on_what_it_did_before() {
    for mut guard in [errors(), guard(Metric::LatencyMean { max: Duration::from_secs(5) }), p99_ms(5_000)] {
        guard.resplit(0.1);
        for tick in 0..1_000 {
            guard.observe(&requests(10, 0, 10), &requests(90, 0, 10), at_ms(100 * tick));
        }
        assert_eq!(verdict(&guard), HEALTHY);
        for tick in 1_000..1_002 {
            guard.observe(&abandoned(10, 2_000), &requests(90, 0, 10), at_ms(100 * tick));
        }
        assert_eq!(verdict(&guard), inconclusive(Reason::ClientsHangUp), "{:?}", guard.limit());
        guard.observe(&requests(10, 0, 10), &requests(90, 0, 10), at_ms(100_200));
        assert_eq!(verdict(&guard), HEALTHY, "it answers again, and 20 of 10,020 are few");
    }
}

#[test]
fn a_canary_that_never_answers_is_told_apart_from_one_that_nobody_asks() {
    let mut guard = errors();
    guard.resplit(0.5);
    guard.observe(&none(), &requests(10, 0, 10), at(0));
    assert_eq!(verdict(&guard), inconclusive(Reason::NotEnoughRequests));
    guard.observe(&abandoned(20, 2_000), &requests(20, 0, 10), at(1));
    assert_eq!(verdict(&guard), inconclusive(Reason::ClientsHangUp));
}

#[test]
fn more_hang_ups_than_the_limit_lets_fail_hold_and_fewer_do_not() {
    for (count, held) in [(0, false), (1, false), (3, true)] {
        let mut guard = errors();
        for tick in 0..1_000 {
            // Of 32 or so with the 1 that hangs up on either.
            let both = with_abandoned(1, 100);
            let mut canary = requests(20, 0, 10);
            canary.merge(&abandoned(count, 100));
            canary.merge(&both);
            let mut stable = requests(20, 0, 10);
            stable.merge(&both);
            guard.observe(&canary, &stable, at_ms(100 * tick));
        }
        assert_eq!(verdict(&guard) == inconclusive(Reason::ClientsHangUp), held, "{count}");
        assert!(held || verdict(&guard) == HEALTHY);
    }
}

#[test]
fn a_burst_of_hang_ups_on_both_changes_nothing() {
    for share in [1_u64, 5, 9] {
        let mut guard = errors();
        for tick in 0..3_000 {
            let side = |share: u64| match tick {
                1_000..1_300 => abandoned(share, 100),
                1_300..1_600 => {
                    let mut half = requests(share, 0, 10);
                    half.merge(&abandoned(share, 100));
                    half
                }
                _ => requests(share, 0, 10),
            };
            guard.observe(&side(share), &side(10 - share), at_ms(100 * tick));
            assert!(tick < 500 || verdict(&guard) == HEALTHY, "{share} {tick}: {:?}", verdict(&guard));
        }
    }
}

#[test]
fn with_all_of_the_traffic_only_silence_holds() {
    let mut guard = errors();
    guard.resplit(1.0);
    for tick in 0..100 {
        guard.observe(&with_abandoned(20, 100), &none(), at_ms(100 * tick));
    }
    assert_eq!(verdict(&guard), HEALTHY, "who is to say that it is not the hour");
    guard.observe(&abandoned(20, 2_000), &none(), at(11));
    assert_eq!(verdict(&guard), inconclusive(Reason::ClientsHangUp));
}
