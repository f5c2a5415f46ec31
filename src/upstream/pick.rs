//! Which endpoint of a backend gets the request: of two drawn at random, the one with fewer requests pending.
//!
//! Two choices are enough to keep the longest queue short without looking at every endpoint (Mitzenmacher, "The power
//! of two choices", 2001).

use super::pool::Pool;
use std::rc::Rc;

/// The endpoint for a request; `None` when the backend has none. `random` is drawn evenly from all of `u64`; `tried` are
/// the endpoints that did not accept this very request's connection.
///
/// An endpoint that rests after connect failures, or was tried, is passed over while there is another one; when there
/// is none, the request is sent to any of them all the same: refusing it would only hide that the backend is dead.
pub fn pick<'p>(pools: &'p [Rc<Pool>], tried: &[Rc<Pool>], random: u64, now_ms: u64) -> Option<&'p Rc<Pool>> {
    match pools {
        [] => None,
        [only] => Some(only),
        _ => {
            let takes = |pool: &&Rc<Pool>| {
                !pool.endpoint().health.rests(now_ms) && !tried.iter().any(|tried| Rc::ptr_eq(tried, pool))
            };
            let awake = pools.iter().filter(takes).count();
            if awake == 0 {
                return pools.get(draw(random, pools.len()));
            }
            let nth = |n| pools.iter().filter(takes).nth(n);
            let (first, mut second) = (draw(random, awake), draw(random << 32, awake.max(2) - 1));
            if second >= first {
                second += 1;
            }
            match (nth(first), nth(second)) {
                (Some(first), Some(second)) if second.pending() < first.pending() => Some(second),
                (first, _) => first,
            }
        }
    }
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
    use std::net::SocketAddr;
    use std::sync::Arc;

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
            let picked = pick(&pools, &[], random, 1).unwrap();
            prop_assert_eq!(picked.endpoint().health.rests(1), rests >= count);
        }

        #[test]
        fn what_was_tried_is_not_tried_again_while_there_is_another(random: u64, count in 2_u16..6, tried in 0_usize..6) {
            let pools = pools(count);
            let tried = &pools[..tried.min(pools.len())];
            let picked = pick(&pools, tried, random, 0).unwrap();
            let again = tried.iter().any(|tried| Rc::ptr_eq(tried, picked));
            prop_assert_eq!(again, tried.len() == pools.len());
        }

        #[test]
        fn of_two_the_one_with_fewer_pending_requests_is_picked(random: u64) {
            let pools = pools(2);
            let _pending = pools[0].begin();
            prop_assert!(Rc::ptr_eq(pick(&pools, &[], random, 0).unwrap(), &pools[1]));
        }
    }
}
