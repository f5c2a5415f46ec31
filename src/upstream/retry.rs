//! How many requests a worker may try again: a share of those that it was given, and a few in any case.
//!
//! Where a backend fails because it has too much to do, trying again makes that worse. A limit on each request alone does
//! not help, since all requests fail then: three tries each are three times the load. What bounds the load is a bound over
//! all requests together (Finagle's and linkerd's retry budget): however the backend fails, it gets at most a fifth more.
//! The few in any case are for services so quiet that a fifth of their requests is less than one.

use std::cell::RefCell;

/// Of the requests of the last [`SECONDS`], those that may be tried again.
const SHARE: u64 = 5;
/// And so many more for each second.
const RESERVE: u64 = 3;
/// How long a request, and a retry, is remembered.
const SECONDS: usize = 10;

/// A worker's budget: of the last ten seconds, retries are no more than a fifth of the requests and three a second.
#[derive(Debug, Default)]
pub struct RetryBudget(RefCell<Window>);

/// What was counted, a slot a second: the second that a slot is of says whether it is still of the window.
#[derive(Debug, Default)]
struct Window([Slot; SECONDS]);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    /// Counts a request that may be tried again, at its first try.
    pub fn deposit(&self, now_ms: u64) {
        self.0.borrow_mut().slot(now_ms / 1_000).requests += 1;
    }

    /// Takes what one more try costs; false where that is more than there is.
    pub fn withdraw(&self, now_ms: u64) -> bool {
        let mut window = self.0.borrow_mut();
        let second = now_ms / 1_000;
        let (requests, retries) = window.sums(second);
        let affordable = retries < requests / SHARE + RESERVE * SECONDS as u64;
        if affordable {
            window.slot(second).retries += 1;
        }
        affordable
    }
}

impl Window {
    fn slot(&mut self, second: u64) -> &mut Slot {
        let place = usize::try_from(second % SECONDS as u64).expect("below the number of slots");
        let slot = &mut self.0[place];
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot
    }

    /// Requests and retries of the window that ends with `second`.
    fn sums(&self, second: u64) -> (u64, u64) {
        let recent = self.0.iter().filter(|slot| slot.second + SECONDS as u64 > second);
        recent.fold((0, 0), |(requests, retries), slot| (requests + slot.requests, retries + slot.retries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One thing that happens, and how many milliseconds after the one before.
    fn events() -> impl Strategy<Value = Vec<(bool, u64)>> {
        let pause = prop_oneof![8 => 0_u64..30, 1 => 0_u64..3_000, 1 => 9_000_u64..12_000];
        proptest::collection::vec((proptest::bool::weighted(0.5), pause), 1..600)
    }

    /// How many of `moments` fall into the ten whole seconds that end with that of `now_ms`.
    fn recent(moments: &[u64], now_ms: u64) -> u64 {
        moments.iter().filter(|&&at| at / 1_000 + SECONDS as u64 > now_ms / 1_000).count() as u64
    }

    proptest! {
        /// The promise itself, after each event and whatever came before: no more than a fifth and three a second; and no
        /// less, so that a try is refused only where it would be too much.
        #[test]
        fn retries_are_a_fifth_of_the_requests_and_three_a_second(events in events()) {
            let budget = RetryBudget::default();
            let (mut now_ms, mut requests, mut retries) = (0, Vec::new(), Vec::new());
            for (is_request, pause) in events {
                now_ms += pause;
                if is_request {
                    budget.deposit(now_ms);
                    requests.push(now_ms);
                    continue;
                }
                let most = recent(&requests, now_ms) / SHARE + RESERVE * SECONDS as u64;
                let granted = budget.withdraw(now_ms);
                prop_assert_eq!(granted, recent(&retries, now_ms) < most);
                if granted {
                    retries.push(now_ms);
                }
                prop_assert!(recent(&retries, now_ms) <= most);
            }
        }

        /// Where everything fails and is tried again as often as it may be, over any length of time.
        #[test]
        fn a_backend_that_always_fails_gets_at_most_a_fifth_more(rate in 1_u64..400, seconds in 1_u64..60) {
            let budget = RetryBudget::default();
            let mut retries = 0;
            for request in 0..rate * seconds {
                let now_ms = request * 1_000 / rate;
                budget.deposit(now_ms);
                retries += (0..10).filter(|_| budget.withdraw(now_ms)).count() as u64;
            }
            let windows = seconds.div_ceil(SECONDS as u64) + 1;
            prop_assert!(retries <= rate * seconds / SHARE + rate * 2 + windows * RESERVE * SECONDS as u64, "{}", retries);
        }
    }

    #[test]
    fn what_was_spent_comes_back_when_it_is_ten_seconds_ago() {
        let budget = RetryBudget::default();
        let spend = |now_ms| std::iter::repeat_with(|| budget.withdraw(now_ms)).take_while(|granted| *granted).count();
        assert_eq!(spend(0), 30);
        assert_eq!((spend(9_999), spend(10_000), spend(10_001)), (0, 30, 0));
        (0..50).for_each(|_| budget.deposit(15_000));
        assert_eq!(spend(15_000), 10);
    }
}
