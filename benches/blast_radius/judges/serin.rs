//! Serin itself: the controller that runs in production, with the limits of the design's example.

use super::{Judge, Reverted};
use crate::sim::plan::Spec;
use crate::sim::stream::{Request, Side};
use crate::sim::world::World;
use serin::rollout::{Grounds, Reason};
use serin::store::MemoryStore;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Serin(World);

impl Serin {
    pub(crate) fn new() -> Self {
        Self(World::start(&Spec::default(), Box::new(MemoryStore::default()), Duration::ZERO))
    }
}

impl Judge for Serin {
    fn name(&self) -> &'static str {
        "Serin"
    }

    fn advance(&mut self, at: Duration) {
        self.0.advance(at);
    }

    fn side(&self, point: u64) -> Side {
        self.0.side(point)
    }

    fn record(&mut self, request: &Request, side: Side) {
        self.0.record(request, side);
    }

    fn reverted(&self) -> Option<Reverted> {
        let decision = self.0.decisions.last().filter(|_| self.0.is_out())?;
        let why = match &decision.grounds {
            Grounds::Limit(limit) => {
                let by = match limit.reason {
                    Some(Reason::Detector) => "by the sequential test",
                    Some(Reason::Window) => "by the window",
                    _ => "otherwise",
                };
                format!("{} {by}", limit.metric)
            }
            other => other.label().to_owned(),
        };
        Some(Reverted { at: self.0.published[self.0.published.len() - 1].at, why, blind: false })
    }
}
