//! Recorded streams: each request says when it comes, where it falls, and what would become of it on either side.
//!
//! Both sides' fates hang on the same draws. So whoever judges the stream, the users and their luck are the same, and
//! where the canary is as good as stable, a request that fails there would have failed at stable too.
//!
//! A request counts at the moment at which it comes. Its duration is what a limit on latency sees, and delays nothing:
//! the same for every judge.

use super::draw::Draws;
use std::time::Duration;

/// One of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Stable,
    Canary,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Request {
    /// Since the stream's beginning.
    pub(crate) at: Duration,
    /// Where it falls on the line that the weights divide.
    pub(crate) point: u64,
    /// Whether the client hangs up before the response is whole.
    pub(crate) aborted: bool,
    /// What stable would make of it.
    pub(crate) stable: Outcome,
    /// What the canary would make of it.
    pub(crate) canary: Outcome,
}

/// What a version makes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) failed: bool,
    pub(crate) took: Duration,
}

/// How the two versions and the clients do at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) stable: Health,
    pub(crate) canary: Health,
    /// The share of the clients that hang up.
    pub(crate) aborting: f64,
}

/// How a version does at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    /// The share of the requests that fail.
    pub(crate) failing: f64,
    /// What every request takes beyond the usual.
    pub(crate) delay: Duration,
}

/// A stream, made as it is read.
#[derive(Debug)]
pub(crate) struct Stream<W> {
    draws: Draws,
    rate: f64,
    seconds: f64,
    length: Duration,
    weather: W,
}

impl Request {
    /// What `side` would make of it.
    pub(crate) fn outcome(&self, side: Side) -> Outcome {
        match side {
            Side::Stable => self.stable,
            Side::Canary => self.canary,
        }
    }
}

impl Health {
    /// Failing so often, as fast as usual.
    pub(crate) fn failing(failing: f64) -> Self {
        Self { failing, delay: Duration::ZERO }
    }
}

impl Weather {
    /// Both versions are the same.
    pub(crate) fn same(health: Health) -> Self {
        Self { stable: health, canary: health, aborting: 0.0 }
    }
}

impl<W: Fn(Duration) -> Weather> Stream<W> {
    /// `rate` requests a second on average, each on its own, for `length`, in what `weather` says of each moment.
    pub(crate) fn new(seed: u64, rate: f64, length: Duration, weather: W) -> Self {
        Self { draws: Draws::new(seed), rate, seconds: 0.0, length, weather }
    }
}

impl<W: Fn(Duration) -> Weather> Iterator for Stream<W> {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        self.seconds += self.draws.wait(self.rate);
        let at = Duration::from_secs_f64(self.seconds);
        let (point, luck, patience) = (self.draws.point(), self.draws.unit(), self.draws.unit());
        // 5 ms, and 20 ms on average on top: nothing near any limit.
        let usual = Duration::from_millis(5) + Duration::from_secs_f64(self.draws.wait(50.0));
        let weather = (self.weather)(at);
        let outcome = |health: Health| Outcome { failed: luck < health.failing, took: usual + health.delay };
        (at < self.length).then(|| Request {
            at,
            point,
            aborted: patience < weather.aborting,
            stable: outcome(weather.stable),
            canary: outcome(weather.canary),
        })
    }
}
