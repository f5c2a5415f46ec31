//! A limit on the requests that went through: its windows, its sequential test, and what they come to together.

use super::mean::Durations;
use super::{Finding, Reason, Role, Verdict, times_bucket, us, whole_us};
use crate::plan::{LatencyBound, Metric, Quantile, RateBound, RequestLimit};
use crate::rollout::chance::{excess, rank_above};
use crate::rollout::compare::Allowance;
use crate::rollout::comparison::Comparing;
use crate::rollout::controlled::{Comparison, Controlled};
use crate::rollout::counters::Delta;
use crate::rollout::tally::{Pair, Recent, Tally, float};
use crate::rollout::time::{Now, Timestamp};
use crate::rollout::window::Window;
use crate::stats::bucket_of;
use std::ops::AddAssign;

/// Slow requests in fewer ticks are one pause or two, and no slow version.
const LEAST_SLOW_TICKS: usize = 3;

/// The share that nobody has told: stable gets little, and has to be waited for.
const UNKNOWN_SHARE: f64 = 0.95;

/// `ln(1 / 0.01)`: how sure it is that stable's quantile is not above what it is taken for.
const SURE_OF_STABLE: f64 = 4.605_170_185_988_092;

/// A limit on requests at work.
#[derive(Debug, Clone)]
pub(super) struct RequestGuard {
    limit: RequestLimit,
    role: Role,
    /// The canary's share of what the two get; `None` while nobody has said.
    share: Option<f64>,
    canary: Window,
    /// For a limit relative to stable, what it was while it last had traffic.
    stable: Window,
    recent: Recent<Counted>,
    test: Test,
    against_since: Option<Timestamp>,
}

/// The sequential test of a limit.
#[derive(Debug, Clone)]
enum Test {
    Controlled(Controlled),
    Comparing(Comparing),
    /// A mean, or a limit that only lets a step advance.
    None,
}

/// What both versions did, as the limit asks: how many went wrong, or how long they took.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    /// The canary's since the split last moved, and stable's.
    pair: Pair,
    /// The canary's before that.
    earlier: Tally,
    /// The most that went wrong in one tick.
    worst: u64,
    durations: Durations,
    stable_durations: Durations,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Self) {
        self.pair += other.pair;
        self.earlier += other.earlier;
        self.worst = self.worst.max(other.worst);
        self.durations += other.durations;
        self.stable_durations += other.stable_durations;
    }
}

impl RequestGuard {
    /// Has seen nothing yet.
    pub(super) fn new(limit: RequestLimit, role: Role) -> Self {
        let (canary, stable, recent) =
            (Window::new(limit.window), Window::new(limit.window), Recent::new(limit.window));
        let test = if role == Role::Rollback { Test::of(&limit) } else { Test::None };
        Self { limit, role, share: None, canary, stable, recent, test, against_since: None }
    }

    /// Forgets what stable did: another version stands there now.
    pub(super) fn forget_stable(&mut self) {
        self.stable = Window::new(self.limit.window);
        self.recent.iter_mut().for_each(|slot| slot.stable_durations = Durations::default());
        self.resplit(self.share);
    }

    /// What is compared is compared from here on; `share` is the canary's of what the two get.
    pub(super) fn resplit(&mut self, share: Option<f64>) {
        self.share = share;
        let share = share.unwrap_or(UNKNOWN_SHARE);
        match &mut self.test {
            Test::Controlled(test) => test.compare_anew(share),
            Test::Comparing(test) => test.compare_anew(share),
            Test::None => {}
        }
        for slot in self.recent.iter_mut() {
            slot.earlier += std::mem::take(&mut slot.pair).canary;
        }
    }

    /// Takes in what was counted since the last call.
    pub(super) fn observe(&mut self, canary: &Delta, stable: &Delta, now: Now) {
        // Asked before stable's window has this tick: what it is compared with must not be what it shows itself.
        let pair = self.slow_bucket().map_or_else(Pair::default, |slow| Pair {
            canary: self.asked(canary, slow),
            stable: self.asked(stable, slow),
        });
        let last = Tally { wrong: self.stable.counts().failed, of: self.stable.counts().judged };
        match &mut self.test {
            Test::Controlled(test) => test.take(pair),
            Test::Comparing(test) => test.take(pair, last),
            Test::None => {}
        }
        self.canary.push(canary, now.monotonic);
        // Empty ticks do not age what a relative limit compares with: at 100 % of the traffic there would soon be
        // nothing.
        if !self.is_relative() || self.asked_of(stable) > 0 {
            self.stable.push(stable, now.monotonic);
        }
        let durations = |delta: &Delta| Durations::of_tick(delta.timed, delta.duration_sum_us).unwrap_or_default();
        let counted = Counted {
            pair,
            worst: pair.canary.wrong,
            durations: durations(canary),
            stable_durations: durations(stable),
            ..Counted::default()
        };
        let any = !canary.is_empty() || !stable.is_empty();
        self.recent.push(any.then_some(counted), now.monotonic);
        if self.over() || self.test.evidence().is_some_and(|evidence| evidence > 0.0) {
            self.against_since.get_or_insert(now.wall);
        } else {
            self.against_since = None;
        }
    }

    /// What it comes to now.
    pub(super) fn finding(&self) -> Finding {
        let (verdict, reason) = self.verdict();
        Finding {
            verdict,
            reason,
            value: self.value(&self.canary),
            stable_value: self.value(&self.stable),
            samples: self.asked_of(self.canary.counts()),
            evidence: self.test.evidence(),
            since: self.against_since,
        }
    }

    fn verdict(&self) -> (Verdict, Option<Reason>) {
        let inconclusive = |reason| (Verdict::Inconclusive, Some(reason));
        match self.test.found() {
            Some(Comparison::Worse) => return (Verdict::Breach, Some(Reason::Detector)),
            Some(found) => return inconclusive(reason_of(found)),
            None => {}
        }
        let least = self.limit.min_requests.max(1);
        if self.asked_of(self.canary.counts()) < least {
            return inconclusive(Reason::NotEnoughRequests);
        }
        if self.is_relative() && self.asked_of(self.stable.counts()) < least {
            return inconclusive(Reason::NothingToCompareWith);
        }
        match (self.over(), self.role) {
            (false, _) => (Verdict::Healthy, None),
            (true, Role::Promotion) => inconclusive(Reason::Window),
            (true, Role::Rollback) => match self.window_found() {
                None => inconclusive(Reason::WithinChance),
                Some(Comparison::Worse) => (Verdict::Breach, Some(Reason::Window)),
                Some(found) => inconclusive(reason_of(found)),
            },
        }
    }

    /// What the window comes to that is over its limit; `None` when chance explains it.
    fn window_found(&self) -> Option<Comparison> {
        let counted = self.recent.total();
        let alpha = self.limit.alpha;
        match (self.limit.metric, &self.test) {
            (Metric::LatencyMean { max }, _) => {
                let at_least = counted.durations.at_least(alpha).filter(|least| *least > us(max))?;
                let stable = Durations::mean_as_met(self.recent.iter().map(|s| (&s.stable_durations, &s.durations)));
                let shared = stable.is_some_and(|stable| stable > us(max) && stable >= at_least);
                Some(if shared { Comparison::Shared } else { Comparison::Worse })
            }
            (metric, Test::Controlled(test)) => {
                let mut canary = counted.pair.canary;
                canary += counted.earlier;
                if let Metric::Latency { .. } = metric {
                    canary = canary.without(self.worst_ticks());
                }
                (excess(canary, test.p0()) >= -alpha.ln()).then(|| test.compare(counted.pair))
            }
            // The comparison of rates is the sequential test, and that has not found anything.
            (_, Test::Comparing(_) | Test::None) => None,
        }
    }

    /// What went wrong in the two worst ticks: what is left of the window has to do without them.
    fn worst_ticks(&self) -> u64 {
        let mut worst: Vec<u64> = self.recent.iter().map(|slot| slot.worst).collect();
        worst.sort_unstable_by(|a, b| b.cmp(a));
        worst.iter().take(LEAST_SLOW_TICKS - 1).sum()
    }

    /// Whether the window's value is over the limit, however few requests it is from.
    fn over(&self) -> bool {
        match self.limit.metric {
            Metric::ErrorRate { max } => {
                let rates = self.canary.error_rate().zip(allowed(max, self.stable.error_rate()));
                // Correctly rounded division: 5 of 100 is the same number as a limit of 0.05.
                rates.is_some_and(|(rate, max)| rate > max)
            }
            // By bucket: a limit is a bucket's upper bound, so this counts exactly who was slower.
            Metric::Latency { quantile, max } => {
                let max = match max {
                    LatencyBound::Time(max) => Some(bucket_of(whole_us(max))),
                    LatencyBound::TimesStable(times) => self.value(&self.stable).map(|us| times_bucket(us, times)),
                };
                self.canary.quantile_bucket(quantile).zip(max).is_some_and(|(bucket, max)| bucket > max)
            }
            Metric::LatencyMean { max } => self.canary.mean_us().is_some_and(|mean| mean > us(max)),
        }
    }

    /// The bucket above which a request is too slow now; `None` while that cannot be said. Of no meaning for a rate.
    fn slow_bucket(&self) -> Option<usize> {
        match self.limit.metric {
            Metric::ErrorRate { .. } => Some(0),
            Metric::Latency { max: LatencyBound::Time(max), .. } => Some(bucket_of(whole_us(max))),
            Metric::Latency { quantile, max: LatencyBound::TimesStable(times) } => {
                let rank = rank_above(quantile.share(), self.stable.counts().timed, SURE_OF_STABLE)?;
                Some(times_bucket(float(self.stable.ranked_us(rank)?), times))
            }
            Metric::LatencyMean { .. } => None,
        }
    }

    fn asked(&self, delta: &Delta, slow: usize) -> Tally {
        match self.limit.metric {
            Metric::ErrorRate { .. } => Tally { wrong: delta.failed, of: delta.judged },
            _ => Tally { wrong: delta.slower_than(slow), of: delta.timed },
        }
    }

    fn asked_of(&self, delta: &Delta) -> u64 {
        match self.limit.metric {
            Metric::ErrorRate { .. } => delta.judged,
            Metric::Latency { .. } | Metric::LatencyMean { .. } => delta.timed,
        }
    }

    fn is_relative(&self) -> bool {
        match self.limit.metric {
            Metric::ErrorRate { max } => !matches!(max, RateBound::Share(_)),
            Metric::Latency { max, .. } => !matches!(max, LatencyBound::Time(_)),
            Metric::LatencyMean { .. } => false,
        }
    }

    fn value(&self, window: &Window) -> Option<f64> {
        match self.limit.metric {
            Metric::ErrorRate { .. } => window.error_rate(),
            Metric::Latency { quantile, .. } => window.quantile_us(quantile).map(float),
            Metric::LatencyMean { .. } => window.mean_us(),
        }
    }
}

impl Test {
    fn of(limit: &RequestLimit) -> Self {
        let slow = |quantile: Quantile| {
            Self::Controlled(Controlled::new(1.0 - quantile.share(), limit.alpha, float(LEAST_SLOW_TICKS as u64)))
        };
        match limit.metric {
            Metric::ErrorRate { max: RateBound::Share(max) } => {
                Self::Controlled(Controlled::new(max, limit.alpha, 1.0))
            }
            Metric::ErrorRate { max: RateBound::TimesStable(times) } => {
                Self::Comparing(Comparing::new(Allowance::Times(times), limit.alpha))
            }
            Metric::ErrorRate { max: RateBound::AboveStable(more) } => {
                Self::Comparing(Comparing::new(Allowance::Above(more), limit.alpha))
            }
            Metric::Latency { quantile, .. } => slow(quantile),
            Metric::LatencyMean { .. } => Self::None,
        }
    }

    fn evidence(&self) -> Option<f64> {
        match self {
            Self::Controlled(test) => Some(test.evidence()),
            Self::Comparing(test) => Some(test.evidence()),
            Self::None => None,
        }
    }

    fn found(&self) -> Option<Comparison> {
        match self {
            Self::Controlled(test) => test.found(),
            Self::Comparing(test) => test.alarmed().then_some(Comparison::Worse),
            Self::None => None,
        }
    }
}

fn reason_of(found: Comparison) -> Reason {
    match found {
        Comparison::Worse => Reason::Window,
        Comparison::Shared => Reason::StableAlsoFailing,
        Comparison::TooFew => Reason::NothingToCompareWith,
    }
}

/// The share that the canary may fail where stable fails `stable`.
fn allowed(max: RateBound, stable: Option<f64>) -> Option<f64> {
    match max {
        RateBound::Share(max) => Some(max),
        RateBound::TimesStable(times) => stable.map(|stable| Allowance::Times(times).of(stable)),
        RateBound::AboveStable(more) => stable.map(|stable| Allowance::Above(more).of(stable)),
    }
}
