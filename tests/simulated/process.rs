//! What happens to a process from outside: its config changes, it is asked how things are, it is killed.

use crate::sim::plan::Spec;
use crate::sim::world::{World, shards};
use serin::rollout::RolloutStatus;
use serin::store::{Documents, Error, Store};
use std::sync::{Arc, Mutex};

impl World {
    /// Another plan is in force.
    pub(crate) fn reload(&mut self, spec: &Spec) {
        self.plan = spec.plan();
        let effects = self.controller.apply_plan(&self.plan, &self.registry, self.now());
        self.shards = shards(&self.plan, &self.registry);
        self.act(effects);
    }

    /// Where the rollout stands.
    pub(crate) fn status(&self) -> RolloutStatus {
        self.controller.status(self.now()).remove(0)
    }

    /// What was decided last.
    pub(crate) fn last_event(&self) -> Option<&'static str> {
        self.decisions.last().map(|decision| decision.event.name())
    }
}

/// A file as a process sees it: it outlives the process, and what is written just before a crash may not get there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    documents: Documents,
    /// What is written from now on is lost.
    dying: bool,
}

impl Disk {
    /// Whether what is written from now on is lost.
    pub(crate) fn set_dying(&self, dying: bool) {
        self.0.lock().expect("no test panics while it writes").dying = dying;
    }
}

impl Store for Disk {
    fn load(&mut self) -> Result<Documents, Error> {
        Ok(self.0.lock().expect("no test panics while it writes").documents.clone())
    }

    fn save(&mut self, documents: &Documents) -> Result<(), Error> {
        let mut contents = self.0.lock().expect("no test panics while it writes");
        if !contents.dying {
            contents.documents.clone_from(documents);
        }
        Ok(())
    }
}
