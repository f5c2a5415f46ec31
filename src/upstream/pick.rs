//! Which endpoint of a backend gets the request: of two drawn at random, the one with fewer requests pending.
//!
//! Two choices are enough to keep the longest queue short without looking at every endpoint (Mitzenmacher, "The power
//! of two choices", 2001).

use super::pool::Pool;
use std::rc::Rc;
use std::time::Duration;

/// The endpoint for a request; `None` when the backend has none. `random` is drawn evenly from all of `u64`; `tried` are
/// the endpoints that did not accept this very request's connection. `slow_start` is how long one that has joined is
/// spared.
///
/// An endpoint that rests after connect failures, or was tried, is passed over while there is another one; when there
/// is none, one that rests but was not tried may be back, and comes first. After that the request is sent to any of them
/// all the same: refusing it would only hide that the backend is dead.
pub(super) fn pick<'p>(
    pools: &'p [Rc<Pool>],
    tried: &[Rc<Pool>],
    random: u64,
    now_ms: u64,
    slow_start: Option<Duration>,
) -> Option<&'p Rc<Pool>> {
    match pools {
        [] => None,
        [only] => Some(only),
        _ => {
            let is_new = |pool: &&Rc<Pool>| !tried.iter().any(|tried| Rc::ptr_eq(tried, pool));
            let takes = |pool: &&Rc<Pool>| !pool.endpoint().health.rests(now_ms) && is_new(pool);
            let awake = pools.iter().filter(takes).count();
            let any_new = || match pools.iter().filter(is_new).count() {
                0 => pools.get(draw(random, pools.len())),
                new => pools.iter().filter(is_new).nth(draw(random, new)),
            };
            if awake == 0 {
                return any_new();
            }
            let nth = |n| pools.iter().filter(takes).nth(n);
            let (first, mut second) = (draw(random, awake), draw(random << 32, awake.max(2) - 1));
            if second >= first {
                second += 1;
            }
            match (nth(first), nth(second)) {
                (Some(first), Some(second)) => Some(match slow_start {
                    Some(over) => warmer(first, second, random, now_ms, over),
                    None if second.pending() < first.pending() => second,
                    None => first,
                }),
                // Other workers may have one rest since it was counted.
                (first, second) => first.or(second).or_else(any_new),
            }
        }
    }
}

/// Of two endpoints of which one may have joined lately, the one that gets the request.
///
/// The colder one is let off as often as it is colder. When it is not, what it has pending weighs as much more: so
/// its part is what its warmth says both when there is little to do, where all have nothing pending, and when there is
/// much, where it would else be filled up to what the others have.
fn warmer<'p>(first: &'p Rc<Pool>, second: &'p Rc<Pool>, random: u64, now_ms: u64, over: Duration) -> &'p Rc<Pool> {
    let warmth = |pool: &Rc<Pool>| pool.endpoint().health.warmth(over, now_ms);
    let (of_first, of_second) = (warmth(first), warmth(second));
    // Which two were drawn decided the high bits; a product with an odd number mixes what is left into them.
    let drawn = f64::from(u32::try_from(random.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).expect("32 bits"));
    let (colder, warmer) = (of_first.min(of_second), of_first.max(of_second));
    let is_let_off = drawn / f64::from(u32::MAX) >= colder / warmer;
    let takes_second = if is_let_off {
        of_first < of_second
    } else {
        f64::from(second.pending()) * of_first < f64::from(first.pending()) * of_second
    };
    if takes_second { second } else { first }
}

/// An index below `count` from the high bits of `random`.
fn draw(random: u64, count: usize) -> usize {
    usize::try_from((u128::from(random) * count as u128) >> 64).expect("below the count")
}

#[cfg(test)]
mod tests {
    use super::super::Pools;
    use super::*;
    use crate::plan::{Endpoint, Health};
    use crate::stats::WorkerCounters;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    fn pools(count: u16) -> Vec<Rc<Pool>> {
        let counters = Arc::new(WorkerCounters::default());
        let endpoint = |port| Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port)));
        Pools::of_endpoints((1..=count).map(endpoint), &counters)
    }

    proptest! {
        #[test]
        fn a_resting_endpoint_is_passed_over_while_another_lives(random: u64, count in 2_u16..6, rests in 0_u16..6) {
            let pools = pools(count);
            for pool in pools.iter().take(usize::from(rests)) {
                (0..Health::FAILURES_TO_REST).for_each(|_| pool.endpoint().health.connect_failed(0));
            }
            let picked = pick(&pools, &[], random, 1, None).unwrap();
            prop_assert_eq!(picked.endpoint().health.rests(1), rests >= count);
        }

        #[test]
        fn what_was_tried_is_not_tried_again_while_there_is_another(
            random: u64, count in 2_u16..6, tried in 0_usize..6, rest: [bool; 6],
        ) {
            let pools = pools(count);
            for (pool, _) in pools.iter().zip(rest).filter(|(_, rests)| *rests) {
                (0..Health::FAILURES_TO_REST).for_each(|_| pool.endpoint().health.connect_failed(0));
            }
            let tried = &pools[..tried.min(pools.len())];
            let picked = pick(&pools, tried, random, 0, None).unwrap();
            let again = tried.iter().any(|tried| Rc::ptr_eq(tried, picked));
            prop_assert_eq!(again, tried.len() == pools.len());
        }

        #[test]
        fn of_two_the_one_with_fewer_pending_requests_is_picked(random: u64) {
            let pools = pools(2);
            let _pending = pools[0].begin();
            prop_assert!(Rc::ptr_eq(pick(&pools, &[], random, 0, None).unwrap(), &pools[1]));
        }

        /// With nothing pending anywhere, an endpoint that joined lately gets as much less as it is colder.
        #[test]
        fn an_endpoint_that_joined_lately_gets_its_part_by_and_by(count in 2_u16..6, tenths in 1_u16..=10) {
            const DRAWS: u32 = 4_000;
            let pools = pools(count);
            pools[0].endpoint().health.serve_since(u64::from(10 - tenths) * 1_000);
            let over = Some(Duration::from_secs(10));
            let mut random = SmallRng::seed_from_u64(u64::from(tenths));
            let picked = (0..DRAWS).filter(|_| Rc::ptr_eq(pick(&pools, &[], random.next_u64(), 10_000, over).unwrap(), &pools[0]));
            // Two are drawn: it is among them with twice its part, the first of them in half of those cases.
            let share = f64::from(u32::try_from(picked.count()).unwrap()) / f64::from(DRAWS);
            let (part, warmth) = (1.0 / f64::from(count), f64::from(tenths) / 10.0);
            prop_assert!((share - part * warmth).abs() < 0.04, "{} of {}", share, part * warmth);
        }

        #[test]
        fn an_endpoint_that_joined_lately_is_not_filled_up_to_what_the_others_have(random: u64) {
            let pools = pools(2);
            pools[0].endpoint().health.serve_since(5_000);
            let _one = pools[0].begin();
            let _two = pools[1].begin();
            let picked = pick(&pools, &[], random, 10_000, Some(Duration::from_secs(10))).unwrap();
            prop_assert!(Rc::ptr_eq(picked, &pools[1]), "one pending at half the warmth is as much as two");
        }
    }

    /// Rest is all workers' business, and one that picks does not hold up the others.
    #[test]
    fn one_is_picked_whatever_happens_to_all_of_them_meanwhile() {
        let pools = pools(3);
        let endpoints: Vec<_> = pools.iter().map(|pool| pool.endpoint()).collect();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    for endpoint in &endpoints {
                        (0..Health::FAILURES_TO_REST).for_each(|_| endpoint.health.connect_failed(0));
                    }
                    endpoints.iter().for_each(|endpoint| endpoint.health.connected());
                }
            });
            let mut random = SmallRng::seed_from_u64(1);
            let none = (0..300_000).filter(|_| pick(&pools, &[], random.next_u64(), 0, None).is_none()).count();
            over.store(true, Relaxed);
            assert_eq!(none, 0);
        });
    }
}
