//! The control thread: everything that changes, changes here, one thing after the other.

use super::endpoints::KnownEndpoints;
use super::listeners::Listeners;
use super::tls::TlsFiles;
use super::view::Shown;
use super::{Options, StartError, Started};
use crate::admin::{self, Command, ConfigView, EventLog, Sources, View};
use crate::config::{self, Watcher};
use crate::net::tls::Acceptor;
use crate::plan::{BackendId, Plan, Snapshot};
use crate::proxy::{self, Workers};
use crate::rollout::{self, Controller, Effects, VerbError};
use crate::stats::Registry;
use crate::stats::export::ConfigFacts;
use crate::store;
use crate::upstream::{Discovered, Watch};
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// What the operator wants of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Reload,
    Drain,
}

/// How long readiness waits for the first answers of the name servers, and of the endpoints to their health checks.
const FIRST_LOOKUPS: Duration = Duration::from_secs(2);
/// How long leaving waits for the state to be saved and alerts to be delivered.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The control thread's possessions.
pub(super) struct Control {
    config: PathBuf,
    workers_count: usize,
    plan: Arc<Plan>,
    registry: Arc<Registry>,
    snapshots: Arc<ArcSwap<Snapshot>>,
    view: Arc<ArcSwap<View>>,
    workers: Workers,
    listeners: Listeners,
    tls: TlsFiles,
    admin: admin::Server,
    admin_acceptor: Arc<Acceptor>,
    commands: mpsc::Sender<Command>,
    events: EventLog,
    known: KnownEndpoints,
    controller: Controller,
    watch: Watch,
    watcher: Watcher,
    clock: rollout::Clock,
    workers_clock: proxy::Clock,
    facts: ConfigFacts,
    loaded_at: String,
    last_reload_error: Option<String>,
    /// Begins when the process does.
    first_lookups_until: Instant,
    leaving: Leaving,
    inbox: Option<Inbox>,
}

/// What others send to the control thread.
struct Inbox {
    commands: mpsc::Receiver<Command>,
    discovered: mpsc::Receiver<Discovered>,
}

/// How far the process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// New connections are accepted until then.
    Grace {
        until: Instant,
    },
    /// What is under way has until then.
    Draining {
        until: Instant,
    },
}

impl Control {
    /// Loads the config, opens everything, and starts the other threads. Runs inside the control thread's runtime.
    pub(super) fn start(options: Options) -> Result<(Self, Started), StartError> {
        // Watched before it is read: a change in between is then noticed.
        let watcher = Watcher::new(&options.config);
        let plan = Arc::new(config::load(&options.config)?.plan);
        let tls = TlsFiles::default().prepare(&plan)?;
        let registry = Arc::new(Registry::new(options.workers));
        // Before any address is open: it may wait for a process that is on its way out, and nobody is to wait with it.
        let store = store::open(&plan.store, &options.config)?;
        let listeners = Listeners::default();
        let opened = listeners.open(&plan.listeners, options.workers)?;
        let (clock, workers_clock) = (rollout::Clock::start(), proxy::Clock::start());
        let (results, discovered) = mpsc::channel(64);
        let known = KnownEndpoints::new(&plan, &tls, results);
        let (controller, effects) = Controller::new(&plan, store, &registry, clock.now())?;
        let endpoints = known.of(&plan);
        let mut watch = Watch::new(options.workers);
        watch.settle(&plan.backends, &endpoints, workers_clock.now_ms());
        let first = Snapshot::new(Arc::clone(&plan), watch.available(), &controller.canary_shares(), &registry);
        let snapshots = Arc::new(ArcSwap::from_pointee(first));
        let workers = Workers::start(options.workers, &snapshots, &registry, workers_clock)?;
        let view = Arc::new(ArcSwap::from_pointee(View::default()));
        let (commands, received) = mpsc::channel(64);
        let events = EventLog::new(controller.past(&effects));
        let sources = Sources {
            counters: Arc::clone(&registry),
            view: Arc::clone(&view),
            events: events.reader(),
            commands: commands.clone(),
        };
        let admin_acceptor = Arc::new(Acceptor::new(tls.admin()));
        let admin = admin::Server::bind(plan.admin.address, Arc::clone(&admin_acceptor), sources)?;
        tracing::info!(address = %admin.local_addr(), "admin listening");
        let mut control = Self {
            facts: ConfigFacts { hash: Arc::from(plan.hash.as_str()), ..ConfigFacts::default() },
            loaded_at: clock.now().wall.to_string(),
            config: options.config,
            workers_count: options.workers,
            plan,
            registry,
            snapshots,
            view,
            workers,
            listeners,
            tls,
            admin,
            admin_acceptor,
            commands,
            events,
            known,
            controller,
            watch,
            watcher,
            clock,
            workers_clock,
            last_reload_error: None,
            first_lookups_until: Instant::now() + FIRST_LOOKUPS,
            leaving: Leaving::No,
            inbox: Some(Inbox { commands: received, discovered }),
        };
        control.act(effects);
        control.listeners.change(&control.plan.listeners, opened, &control.tls, &control.workers);
        control.show();
        let started = Started { listeners: control.listeners.addresses(), admin: control.admin.local_addr() };
        Ok((control, started))
    }

    /// Runs until the process has drained.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        let Some(mut inbox) = self.inbox.take() else { return };
        let mut ticks = tokio::time::interval(rollout::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut looks = tokio::time::interval(Watch::PERIOD);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.has_left() {
            tokio::select! {
                () = self.watcher.changed() => self.reload(),
                Some(request) = requests.recv() => match request {
                    Request::Reload => self.reload(),
                    Request::Drain => self.leave(),
                },
                Some(discovered) = inbox.discovered.recv() => {
                    self.known.found(discovered, &self.plan, &self.tls);
                    self.publish(&self.controller.canary_shares());
                }
                Some(command) = inbox.commands.recv() => self.obey(command),
                _ = ticks.tick() => self.tick(),
                _ = looks.tick(), if self.watch.is_busy() => if !self.look() {
                    continue;
                },
            }
            self.show();
        }
        self.controller.flush(LAST_WORDS);
        tracing::info!("stopped");
    }

    fn tick(&mut self) {
        let now_ms = self.workers_clock.now_ms();
        self.look();
        let watch = &self.watch;
        let ready = |backend: BackendId| watch.is_ready(backend, now_ms);
        let effects = self.controller.tick(&self.registry, ready, self.clock.now());
        self.act(effects);
        if self.tls.have_changed(&self.plan) {
            self.reload_certificates();
        }
        let now = Instant::now();
        if now >= self.first_lookups_until {
            self.known.stop_waiting();
        }
        match self.leaving {
            Leaving::Grace { until } if now >= until => {
                self.workers.drain();
                self.leaving = Leaving::Draining { until: now + self.plan.drain.timeout };
            }
            _ => {}
        }
    }

    /// Sees how the endpoints are; whether other ones are used from now on.
    fn look(&mut self) -> bool {
        let changed = self.watch.look(&self.controller.unserved(), self.workers_clock.now_ms());
        if changed {
            self.publish(&self.controller.canary_shares());
        }
        changed
    }

    /// The traffic first, then the state, then everyone who is told.
    fn act(&mut self, effects: Effects) {
        let published = effects.publish(|shares| self.publish(shares));
        self.events.add(self.controller.finish(published));
    }

    /// Puts the plan, the endpoints and the shares of this moment in force.
    fn publish(&mut self, shares: &[Option<f64>]) {
        self.watch.settle(&self.plan.backends, &self.known.of(&self.plan), self.workers_clock.now_ms());
        let plan = Arc::clone(&self.plan);
        self.snapshots.store(Arc::new(Snapshot::new(plan, self.watch.available(), shares, &self.registry)));
    }

    fn reload(&mut self) {
        match self.try_reload() {
            Ok(()) => {
                self.facts.reloads += 1;
                self.last_reload_error = None;
                self.judge_files();
                tracing::info!(config = %self.config.display(), hash = %self.facts.hash, "config loaded");
            }
            Err(error) => {
                self.facts.reloads_refused += 1;
                let report = match &error {
                    StartError::Config(error) => error.report(false),
                    other => other.to_string(),
                };
                tracing::error!(
                    config = %self.config.display(), report,
                    "the config was refused; the one before stays in force"
                );
                self.last_reload_error = Some(report);
                self.judge_files();
            }
        }
    }

    /// Everything that can fail comes before anything that changes.
    fn try_reload(&mut self) -> Result<(), StartError> {
        let plan = Arc::new(config::load(&self.config)?.plan);
        let tls = self.tls.prepare(&plan)?;
        let opened = self.listeners.open(&plan.listeners, self.workers_count)?;
        let admin = if plan.admin.address == self.plan.admin.address {
            None
        } else {
            let sources = Sources {
                counters: Arc::clone(&self.registry),
                view: Arc::clone(&self.view),
                events: self.events.reader(),
                commands: self.commands.clone(),
            };
            Some(admin::Server::bind(plan.admin.address, Arc::clone(&self.admin_acceptor), sources)?)
        };
        if plan.store != self.plan.store {
            tracing::warn!("a change of `store` takes effect at the next start");
        }
        if let Some(admin) = admin {
            tracing::info!(address = %admin.local_addr(), "admin listening");
            self.admin = admin;
        }
        self.plan = Arc::clone(&plan);
        self.facts.hash = Arc::from(plan.hash.as_str());
        self.loaded_at = self.clock.now().wall.to_string();
        self.tls = tls;
        self.admin_acceptor.set(self.tls.admin());
        self.known.apply(&plan, &self.tls);
        let effects = self.controller.apply_plan(&plan, &self.registry, self.clock.now());
        self.act(effects);
        self.listeners.change(&plan.listeners, opened, &self.tls, &self.workers);
        Ok(())
    }

    /// Takes up the certificates that lie in the plan's files now, as far as they can be used.
    fn reload_certificates(&mut self) {
        match self.tls.prepare(&self.plan) {
            Ok(tls) => self.tls = tls,
            // The plan is in force, and so is a certificate for everything in it.
            Err(error) => tracing::error!(%error, "the certificates were not read"),
        }
        if self.judge_files() {
            tracing::info!("the certificates' files have changed, and are in force");
        }
        self.admin_acceptor.set(self.tls.admin());
        self.listeners.show(&self.tls);
        self.known.apply(&self.plan, &self.tls);
        self.publish(&self.controller.canary_shares());
    }

    /// Says what is wrong with the certificates' files; whether they, and the config, are in force as they are.
    fn judge_files(&mut self) -> bool {
        let problems = self.tls.problems();
        for problem in problems {
            tracing::error!(problem, "a certificate was refused");
        }
        self.facts.last_reload_successful = self.last_reload_error.is_none() && problems.is_empty();
        problems.is_empty()
    }

    fn obey(&mut self, Command { rollout, verb, reply }: Command) {
        let now = self.clock.now();
        let answer = self.controller.command(&rollout, verb, &self.registry, now).and_then(|effects| {
            self.act(effects);
            let status = self.controller.status(now).into_iter().find(|status| *status.name == *rollout);
            let status = status.map(|status| serde_json::to_value(status).expect("a status is strings and numbers"));
            status.ok_or_else(|| VerbError::Unknown { name: rollout.clone(), known: Vec::new() })
        });
        // Before the answer: whoever has it finds what was done wherever it looks.
        self.show();
        // Who asked may have hung up; what was asked is done all the same.
        let _ = reply.send(answer);
    }

    fn leave(&mut self) {
        if self.leaving == Leaving::No {
            tracing::info!(grace = ?self.plan.drain.grace, "leaving: readiness fails, new connections are still accepted");
            self.watcher.let_go();
            self.leaving = Leaving::Grace { until: Instant::now() + self.plan.drain.grace };
        }
    }

    fn has_left(&self) -> bool {
        let Leaving::Draining { until } = self.leaving else { return false };
        if !self.workers.drained() && Instant::now() >= until {
            tracing::warn!(connections = self.workers.connections(), "drain.timeout is over: closing what is left");
            return true;
        }
        self.workers.drained()
    }

    /// Publishes what operators see.
    fn show(&self) {
        let mut not_ready: Vec<String> =
            self.known.awaited().map(|host| format!("{host} has not been looked up yet")).collect();
        if Instant::now() < self.first_lookups_until {
            let unasked = self.watch.unasked();
            not_ready.extend(unasked.map(|name| format!("not every endpoint of {name} has said yet how it is")));
        }
        if self.leaving != Leaving::No {
            not_ready.push("the process is leaving".into());
        }
        let config = ConfigView {
            plan: Arc::clone(&self.plan),
            file: self.config.clone(),
            loaded_at: self.loaded_at.clone(),
            listeners: self.listeners.addresses(),
            last_reload_error: self.last_reload_error.clone().or_else(|| self.tls.problem()),
        };
        let shown = Shown {
            plan: &self.plan,
            not_ready,
            config: Arc::new(config),
            facts: self.facts.clone(),
            certificates: self.tls.facts(),
            conditions: self.watch.conditions(self.workers_clock.now_ms()),
            controller: &self.controller,
            now: self.clock.now(),
        };
        self.view.store(Arc::new(shown.view()));
    }
}
