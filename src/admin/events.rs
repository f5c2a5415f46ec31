//! What happened to the rollouts lately: the log that the event stream reads from.
//!
//! The control thread writes, one event at a time; the admin thread reads. Between them lies one immutable list, swapped
//! whole, so a reader holds a place in it and nothing else: one that is slow falls behind, and is told so when what it
//! has not read yet is no longer kept. Nobody waits for it.
//!
//! An event's id is its moment in milliseconds since 1970, or the next number that is free. After a restart the log
//! begins with what the rollouts remember, under the same ids, so a follower goes on where it was.

use crate::rollout::Decision;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// One event, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Grows from event to event, over restarts too.
    pub id: u64,
    /// `info`, `warn` or `error`.
    pub severity: String,
    /// The whole of it in one sentence.
    pub message: String,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
}

/// The log: the control thread's end.
#[derive(Debug)]
pub struct EventLog {
    kept: watch::Sender<Arc<Kept>>,
}

/// The log: a reader's end.
#[derive(Debug, Clone)]
pub struct Events {
    kept: watch::Receiver<Arc<Kept>>,
}

/// The events that are kept, the latest last.
#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    /// The id of the latest one that is not kept any more; 0 when there is none.
    forgotten: u64,
}

/// What comes after a place in the log.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Event(Arc<Event>),
    /// Events up to this id have been missed: they are no longer kept.
    Missed(u64),
}

impl EventLog {
    /// So many are kept; the oldest is forgotten for the next one.
    pub const MOST: usize = 1_000;

    /// With what happened before, in any order.
    pub fn new(mut past: Vec<Decision>) -> Self {
        past.sort_by_key(|decision| decision.at);
        let mut kept = Kept::default();
        past.into_iter().for_each(|decision| kept.push(decision));
        Self { kept: watch::Sender::new(Arc::new(kept)) }
    }

    /// Appends `decisions`, in their order, and wakes whoever waits for one.
    pub fn add(&self, decisions: Vec<Decision>) {
        if decisions.is_empty() {
            return;
        }
        let mut kept = Kept { events: self.kept.borrow().events.clone(), forgotten: self.kept.borrow().forgotten };
        decisions.into_iter().for_each(|decision| kept.push(decision));
        self.kept.send_replace(Arc::new(kept));
    }

    /// For one more reader.
    pub fn reader(&self) -> Events {
        Events { kept: self.kept.subscribe() }
    }
}

impl Kept {
    fn push(&mut self, decision: Decision) {
        if self.events.len() == EventLog::MOST
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.id;
        }
        let free = self.events.back().map_or(0, |latest| latest.id + 1);
        let id = decision.at.unix_ms().max(free);
        let severity = decision.event.severity().name().to_owned();
        self.events.push_back(Arc::new(Event { id, severity, message: decision.to_string(), decision }));
    }

    /// The place of the first event after `id`.
    fn after(&self, id: u64) -> usize {
        self.events.partition_point(|event| event.id <= id)
    }
}

impl Events {
    /// The first `limit` events after the id `since` that are about `rollout`; without `since`, the last ones.
    pub(super) fn list(&self, rollout: Option<&str>, since: Option<u64>, limit: usize) -> Vec<Arc<Event>> {
        let kept = Arc::clone(&self.kept.borrow());
        let found =
            kept.events.range(kept.after(since.unwrap_or(0))..).filter(|event| event.is_about(rollout)).cloned();
        if since.is_some() {
            return found.take(limit).collect();
        }
        let mut latest: Vec<_> = found.rev().take(limit).collect();
        latest.reverse();
        latest
    }

    /// The place from which the last `limit` events about `rollout` are still to come.
    pub(super) fn place_before(&self, rollout: Option<&str>, limit: usize) -> u64 {
        let first = self.list(rollout, None, limit.max(1)).first().map(|event| event.id);
        let latest = self.kept.borrow().events.back().map_or(0, |event| event.id);
        if limit == 0 { latest } else { first.map_or(latest, |id| id - 1) }
    }

    /// Whether an event about `rollout` is kept.
    pub(super) fn know(&self, rollout: &str) -> bool {
        self.kept.borrow().events.iter().any(|event| event.is_about(Some(rollout)))
    }

    /// What comes after the id `place`, waiting for it; `None` when the log is gone.
    pub(super) async fn next(&mut self, rollout: Option<&str>, place: u64) -> Option<Next> {
        loop {
            let kept = Arc::clone(&self.kept.borrow_and_update());
            // A place of 0 is before everything, so nothing that is there can have been missed from it.
            if place > 0 && place < kept.forgotten {
                return Some(Next::Missed(kept.forgotten));
            }
            if let Some(event) = kept.events.range(kept.after(place)..).find(|event| event.is_about(rollout)) {
                return Some(Next::Event(Arc::clone(event)));
            }
            drop(kept);
            self.kept.changed().await.ok()?;
        }
    }
}

impl Event {
    /// Whether it is about `rollout`; every event is about all of them.
    fn is_about(&self, rollout: Option<&str>) -> bool {
        rollout.is_none_or(|name| *self.decision.rollout == *name)
    }
}
