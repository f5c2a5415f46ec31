//! The controller under simulated time: it ticks, and requests are counted, when the simulation says so.
//!
//! It ticks as the control thread does, every [`TICK`], but leaves out ticks in which nothing was counted: then once a
//! second is enough, which is the most that a tick counts for as held time.

use super::plan::Spec;
use super::stream::{Request, Side};
use serin::plan::{Plan, Split};
use serin::rollout::{Controller, Decision, Effects, Now, TICK, Timestamp};
use serin::stats::{Cause, Exchange, Registry, Shard};
use serin::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// When a tick comes in which nothing was counted.
const IDLE: Duration = Duration::from_secs(1);

/// The wall clock's time at the start: some day of 2026.
const EPOCH: Duration = Duration::from_secs(1_780_000_000);

/// What was published at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Publication {
    /// Since the simulation began.
    pub(crate) at: Duration,
    /// The canary's part, 0 to 1.
    pub(crate) share: f64,
}

/// One rollout in a world whose time is a number.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) controller: Controller,
    pub(crate) registry: Registry,
    pub(crate) plan: Arc<Plan>,
    /// Everything that was published, in order; never empty.
    pub(crate) published: Vec<Publication>,
    /// Everything that was decided, in order.
    pub(crate) decisions: Vec<Decision>,
    /// How far the machine's clocks are ahead of the simulation: monotonic, wall.
    pub(crate) ahead: [Duration; 2],
    /// Stable's and the canary's counters.
    pub(crate) shards: [Arc<[Arc<Shard>]>; 2],
    elapsed: Duration,
    /// The next tick.
    due: Duration,
    split: Split,
}

impl World {
    /// A process that starts `elapsed` after the simulation began, with what `store` holds.
    pub(crate) fn start(spec: &Spec, store: Box<dyn Store>, elapsed: Duration) -> Self {
        let (plan, registry, ahead) = (spec.plan(), Registry::new(1), [Duration::ZERO; 2]);
        let (controller, effects) =
            Controller::new(&plan, store, &registry, now(elapsed, ahead)).expect("there is a thread for the store");
        let shards = shards(&plan, &registry);
        let mut world = Self {
            controller,
            registry,
            split: Split::new(&plan.rules[0].backend_refs),
            plan,
            published: Vec::new(),
            decisions: Vec::new(),
            ahead,
            shards,
            elapsed,
            due: elapsed + TICK,
        };
        world.act(effects);
        world
    }

    /// Goes on to `elapsed`, with every tick that is due by then. What is past stays past.
    pub(crate) fn advance(&mut self, elapsed: Duration) {
        while self.due <= elapsed {
            self.elapsed = self.due;
            self.due += IDLE;
            let effects = self.controller.tick(&self.registry, |_| true, self.now());
            self.act(effects);
        }
        self.elapsed = self.elapsed.max(elapsed);
    }

    /// Who gets a request that falls on `point`.
    pub(crate) fn side(&self, point: u64) -> Side {
        if self.split.pick(point) == Some(1) { Side::Canary } else { Side::Stable }
    }

    /// Counts `request` as served by `side`. The world has come to the moment of the request.
    pub(crate) fn record(&mut self, request: &Request, side: Side) {
        let outcome = request.outcome(side);
        let code = match (request.aborted, outcome.failed) {
            (true, _) => Exchange::CLIENT_CLOSED,
            (false, true) => 503,
            (false, false) => 200,
        };
        self.shards[usize::from(side == Side::Canary)][0].record(&Exchange {
            code,
            failure: outcome.failed.then_some(Cause::Status),
            grpc: None,
            head: None,
            duration: outcome.took,
        });
        let (nanos, tick) = (self.elapsed.as_nanos(), TICK.as_nanos());
        let grid = u64::try_from((nanos / tick + 1) * tick).expect("no simulation takes centuries");
        self.due = self.due.min(Duration::from_nanos(grid));
    }

    /// Whether the canary was taken out.
    pub(crate) fn is_out(&self) -> bool {
        self.decisions.last().is_some_and(|last| last.event.name() == "rolled-back")
    }

    /// This moment on the machine's clocks.
    pub(crate) fn now(&self) -> Now {
        now(self.elapsed, self.ahead)
    }

    /// The traffic first, then the state, then everyone who is told.
    pub(crate) fn act(&mut self, effects: Effects) {
        let (rule, rollout) = (&self.plan.rules[0], &self.plan.rollouts[0]);
        let published = effects.publish(|shares| {
            self.split = Split::guarded(&rule.backend_refs, rollout.stable, rollout.canary, shares[0]);
            self.published.push(Publication { at: self.elapsed, share: shares[0].expect("the rollout has steps") });
        });
        self.decisions.extend(self.controller.finish(published));
    }
}

fn now(elapsed: Duration, [monotonic, wall]: [Duration; 2]) -> Now {
    Now { monotonic: elapsed + monotonic, wall: Timestamp::from_duration(EPOCH + elapsed + wall) }
}

/// The counters of `plan`'s stable and canary.
pub(crate) fn shards(plan: &Plan, registry: &Registry) -> [Arc<[Arc<Shard>]>; 2] {
    let rollout = &plan.rollouts[0];
    [rollout.stable, rollout.canary].map(|backend| registry.shards(&plan.series_key(rollout.rule, backend)))
}
