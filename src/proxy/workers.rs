//! The workers' threads, from outside.

use super::clock::Clock;
use super::per_client::PerClient;
use super::run::run;
use super::worker::{Command, Parts};
use crate::net::Entrance;
use crate::plan::Snapshot;
use crate::stats::Registry;
use arc_swap::ArcSwap;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc;

/// All workers. Dropping it does not end them: [`drain`](Self::drain) does.
#[derive(Debug)]
pub struct Workers {
    commands: Arc<[mpsc::UnboundedSender<Command>]>,
    threads: Vec<JoinHandle<()>>,
    loads: Arc<[AtomicUsize]>,
}

impl Workers {
    /// Starts `count` workers that obey `snapshots`.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start(
        count: usize,
        snapshots: &Arc<ArcSwap<Snapshot>>,
        registry: &Registry,
        clock: Clock,
    ) -> io::Result<Self> {
        let (commands, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let commands: Arc<[_]> = commands.into();
        let loads: Arc<[AtomicUsize]> = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let clients = Arc::<PerClient>::default();
        let mut threads = Vec::with_capacity(count);
        for (id, receiver) in receivers.into_iter().enumerate() {
            let parts = Parts {
                id,
                snapshots: Arc::clone(snapshots),
                counters: registry.worker(id),
                loads: Arc::clone(&loads),
                peers: Arc::clone(&commands),
                clients: Arc::clone(&clients),
                clock,
            };
            let thread = std::thread::Builder::new().name(format!("worker-{id}"));
            threads.push(thread.spawn(move || {
                let _half_a_proxy_is_worse_than_a_restart = AbortOnPanic;
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .enable_time()
                    .event_interval(31)
                    .build_local(LocalOptions::default())
                    .expect("the system gives a process its first event queues");
                runtime.block_on(run(parts, receiver));
            })?);
        }
        Ok(Self { commands, threads, loads })
    }

    /// Accepts connections on `listeners`, one for each worker, under a `name` of the caller's; they begin as `entrance`
    /// says at the time.
    pub fn listen(&self, name: &Arc<str>, listeners: Vec<TcpListener>, entrance: &Arc<Entrance>) {
        for (commands, listener) in self.commands.iter().zip(listeners) {
            // A worker that is gone has drained, and the process is ending.
            let _ = commands.send(Command::Listen(Arc::clone(name), listener, Arc::clone(entrance)));
        }
    }

    /// Stops accepting under this name; the connections go on.
    pub fn unlisten(&self, name: &Arc<str>) {
        for commands in self.commands.iter() {
            let _ = commands.send(Command::Unlisten(Arc::clone(name)));
        }
    }

    /// Stops accepting everywhere, tells clients to close, and ends each worker when its last connection has closed.
    pub fn drain(&self) {
        for commands in self.commands.iter() {
            let _ = commands.send(Command::Drain);
        }
    }

    /// Whether every worker has ended.
    pub fn drained(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Client connections that are open.
    pub fn connections(&self) -> usize {
        self.loads.iter().map(|load| load.load(Relaxed)).sum()
    }
}

/// Ends the process when its thread panics.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
