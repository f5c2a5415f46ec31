//! The process: wires every room to the others, and is the only place that does.
//!
//! Three kinds of threads live in it. The workers carry requests. The control thread owns everything that changes (the
//! config, the endpoints, the rollouts) and publishes it as whole snapshots. The admin thread answers operators from
//! what the control thread published. Messages go to the control thread, snapshots come from it, and nothing else
//! connects the three.

mod control;
mod endpoints;
mod listeners;
mod tls;
mod view;

use crate::{admin, config, proxy, store};
use control::{Control, Request};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

pub use tls::TlsError;

/// What a process is started with; everything else is in the file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The config file.
    pub config: PathBuf,
    /// How many workers there are; at least 1.
    pub workers: usize,
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config cannot be obeyed.
    #[error(transparent)]
    Config(#[from] config::LoadError),
    /// A certificate, or what belongs to it, cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener's address cannot be opened.
    #[error("listener `{listener}`: {source}")]
    Listen {
        /// The listener's name.
        listener: Arc<str>,
        /// Why.
        source: proxy::BindError,
    },
    /// The admin server did not start.
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    /// The rollouts' state has no place.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The system gave no thread or no event queue.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running Serin: its listeners are open.
#[derive(Debug)]
pub struct App {
    listeners: Vec<(Arc<str>, SocketAddr)>,
    admin: SocketAddr,
    handle: Handle,
    thread: JoinHandle<()>,
}

/// Tells a running Serin what the operator wants of the process.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::UnboundedSender<Request>);

/// Where a started process listens.
#[derive(Debug)]
struct Started {
    listeners: Vec<(Arc<str>, SocketAddr)>,
    admin: SocketAddr,
}

impl App {
    /// Starts Serin: returns when every listener is open.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let (requests, received) = mpsc::unbounded_channel();
        // Not tokio's: its blocking receive panics in a caller who is inside a runtime.
        let (started, outcome) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = started.send(Err(error.into()));
                    return;
                }
            };
            // What is asked of endpoints stays on this thread.
            LocalSet::new().block_on(&runtime, async {
                match Control::start(options) {
                    Ok((control, where_it_listens)) => {
                        // Whoever started us is gone: then so is the one who could stop us, and signals still can.
                        let _ = started.send(Ok(where_it_listens));
                        control.run(received).await;
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                    }
                }
            });
        })?;
        let gone = || io::Error::other("the control thread ended before it had started");
        let Started { listeners, admin } = outcome.recv().unwrap_or_else(|_| Err(gone().into()))?;
        Ok(Self { listeners, admin, handle: Handle(requests), thread })
    }

    /// The address that the listener `name` had when it was opened.
    pub fn listener_address(&self, name: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(listener, _)| &**listener == name).map(|&(_, address)| address)
    }

    /// The admin server's address.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Takes the operator's wishes from any thread.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the process has drained.
    pub fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Handle {
    /// Reads the config file again, changed or not.
    pub fn reload(&self) {
        let _ = self.0.send(Request::Reload);
    }

    /// Begins to leave: readiness fails, new connections are accepted for the grace period, then what is under way is
    /// finished.
    pub fn drain(&self) {
        let _ = self.0.send(Request::Drain);
    }
}
