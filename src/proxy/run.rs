//! A worker's event loop: what it is told, its ticks, and its end.

use super::accept::{accept, take};
use super::deadline::TICK;
use super::worker::{Command, Parts, Worker};
use crate::net::Beginning;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Runs a worker until it has drained, or until nobody can tell it anything any more.
pub(super) async fn run(parts: Parts, mut commands: mpsc::UnboundedReceiver<Command>) {
    let worker = Rc::new(Worker::new(parts));
    let mut listeners: HashMap<Arc<str>, (watch::Sender<bool>, JoinHandle<()>)> = HashMap::new();
    let mut takes_commands = true;
    let begun = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            command = commands.recv(), if takes_commands => match command {
                None => return,
                Some(Command::Listen(name, listener, entrance)) => match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        let (stop, stopped) = watch::channel(false);
                        let accepts = tokio::task::spawn_local(accept(Rc::clone(&worker), listener, entrance, stopped));
                        listeners.insert(name, (stop, accepts));
                    }
                    Err(error) => tracing::error!(%error, listener = %name, "cannot register the listener"),
                },
                Some(Command::Unlisten(name)) => {
                    listeners.remove(&name).into_iter().for_each(|(stop, _)| { stop.send_replace(true); });
                }
                Some(Command::Serve(stream, beginning, peer)) => take_over(&worker, stream, beginning, peer),
                Some(Command::Drain) => {
                    worker.draining.set(true);
                    for (_, (stop, accepts)) in listeners.drain() {
                        stop.send_replace(true);
                        // Until it has emptied its queue; its only error would be a panic, and a release ends at those.
                        let _ = accepts.await;
                    }
                    worker.deadlines.wake_all();
                    worker.idle.notify_one();
                }
            },
            _ = ticks.tick() => {
                let passed = begun.elapsed().as_millis() / TICK.as_millis();
                worker.tick(u64::try_from(passed).unwrap_or(u64::MAX));
            }
            () = worker.idle.notified() => {
                if !worker.draining() || worker.is_loaded() {
                    continue;
                }
                // What others have handed over by now is served; from here on they keep what they accept.
                takes_commands = false;
                commands.close();
                while let Ok(command) = commands.try_recv() {
                    if let Command::Serve(stream, beginning, peer) = command {
                        take_over(&worker, stream, beginning, peer);
                    }
                }
                if !worker.is_loaded() {
                    return worker.leave().await;
                }
            }
        }
    }
}

/// Serves a connection that another worker accepted.
fn take_over(worker: &Rc<Worker>, stream: TcpStream, beginning: Beginning, peer: SocketAddr) {
    match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => take(worker, stream, beginning, peer),
        Err(error) => tracing::error!(%error, "cannot register a connection"),
    }
}
