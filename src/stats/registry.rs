//! Which series there are.
//!
//! A series lives as long as the process, by its labels: a plan that names the same route, rule, backend and version
//! again goes on counting where the last one stopped, as Prometheus expects of a counter.

use super::mirrors::{MirrorKey, MirrorOutcome, MirrorShard};
use super::shard::{Shard, Totals};
use super::worker::{WorkerCounters, WorkerTotals};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All series, for one number of workers. Made by the control thread, read by the admin thread; workers never see it.
#[derive(Debug)]
pub struct Registry {
    workers: Box<[Arc<WorkerCounters>]>,
    series: RwLock<BTreeMap<SeriesKey, Arc<[Arc<Shard>]>>>,
    mirrors: RwLock<BTreeMap<MirrorKey, Arc<[Arc<MirrorShard>]>>>,
}

/// What a series is counted under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// The route's name.
    pub route: Arc<str>,
    /// The rule's name.
    pub rule: Arc<str>,
    /// The backend's name.
    pub backend: Arc<str>,
    /// The backend's version.
    pub version: Arc<str>,
}

/// A series and what it has counted.
#[derive(Debug, Clone)]
pub struct Series {
    /// Its labels.
    pub key: SeriesKey,
    /// The sum of its shards.
    pub totals: Totals,
}

impl Registry {
    /// Without a series yet; each will have a shard for each of `workers`.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            series: RwLock::default(),
            mirrors: RwLock::default(),
        }
    }

    /// The counters of worker `index` that belong to no series.
    ///
    /// # Panics
    /// When there are not that many workers.
    pub fn worker(&self, index: usize) -> Arc<WorkerCounters> {
        Arc::clone(&self.workers[index])
    }

    /// What all workers have counted beside the series.
    pub fn worker_totals(&self) -> WorkerTotals {
        let mut totals = WorkerTotals::default();
        self.workers.iter().for_each(|worker| worker.add_to(&mut totals));
        totals
    }

    /// The shards of the series `key`, made at the first call.
    pub fn shards(&self, key: &SeriesKey) -> Arc<[Arc<Shard>]> {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        let made = series.entry(key.clone()).or_insert_with(|| self.workers.iter().map(|_| Arc::default()).collect());
        Arc::clone(made)
    }

    /// The shards of the copies that are counted under `key`, made at the first call.
    pub fn mirror_shards(&self, key: &MirrorKey) -> Arc<[Arc<MirrorShard>]> {
        let mut mirrors = self.mirrors.write().unwrap_or_else(PoisonError::into_inner);
        let made = mirrors.entry(key.clone()).or_insert_with(|| self.workers.iter().map(|_| Arc::default()).collect());
        Arc::clone(made)
    }

    /// The copies of requests by what became of them, in the order of the labels.
    pub fn read_mirrors(&self) -> Vec<(MirrorKey, MirrorOutcome, u64)> {
        let mirrors = self.mirrors.read().unwrap_or_else(PoisonError::into_inner);
        let all = mirrors.iter().flat_map(|(key, shards)| MirrorOutcome::ALL.map(|outcome| (key, shards, outcome)));
        all.map(|(key, shards, outcome)| (key.clone(), outcome, shards.iter().map(|s| s.count(outcome)).sum()))
            .collect()
    }

    /// What the series `key` has counted; zeroes where there is none.
    pub fn totals(&self, key: &SeriesKey) -> Totals {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.get(key).map(|shards| sum(shards)).unwrap_or_default()
    }

    /// Every series with what it has counted, in the order of the labels.
    pub fn read(&self) -> Vec<Series> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.iter().map(|(key, shards)| Series { key: key.clone(), totals: sum(shards) }).collect()
    }
}

fn sum(shards: &[Arc<Shard>]) -> Totals {
    let mut totals = Totals::default();
    shards.iter().for_each(|shard| shard.add_to(&mut totals));
    totals
}
