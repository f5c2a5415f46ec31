//! The open listeners, and how a reload changes them: first everything new is opened, then nothing can fail any more.

use super::StartError;
use super::tls::TlsFiles;
use crate::net::{Entrance, IpNet};
use crate::plan::Listener;
use crate::proxy::{Workers, bind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// The listeners that are open.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: Vec<Open>,
}

#[derive(Debug, Clone)]
struct Open {
    /// What the workers know it by. Not its name, which a reload may change while the sockets stay.
    key: Arc<str>,
    name: Arc<str>,
    /// As the file has it: the port may be 0.
    written: SocketAddr,
    bound: SocketAddr,
    entrance: Arc<Entrance>,
    proxies: Arc<[IpNet]>,
}

/// Sockets that are open and not yet given to the workers; dropping them closes them.
pub(super) struct Opened(Vec<(Listener, Vec<TcpListener>)>);

impl Listeners {
    /// Opens those of `wanted` that are not open. Nothing changes yet.
    pub(super) fn open(&self, wanted: &[Listener], workers: usize) -> Result<Opened, StartError> {
        let new = wanted.iter().filter(|listener| !self.open.iter().any(|open| open.is(listener)));
        let bound = new.map(|listener| match bind(listener.address, workers) {
            Ok(sockets) => Ok((listener.clone(), sockets)),
            Err(source) => Err(StartError::Listen { listener: Arc::clone(&listener.name), source }),
        });
        bound.collect::<Result<_, _>>().map(Opened)
    }

    /// Accepts on what was opened, and no longer on what is not in `wanted`; all with the certificates of `tls`.
    pub(super) fn change(&mut self, wanted: &[Listener], opened: Opened, tls: &TlsFiles, workers: &Workers) {
        self.open.retain_mut(|open| {
            let stays = wanted.iter().find(|listener| open.is(listener));
            if let Some(listener) = stays {
                open.name = Arc::clone(&listener.name);
                open.proxies = Arc::clone(&listener.proxies);
            } else {
                tracing::info!(listener = %open.name, address = %open.bound, "no longer listening");
                workers.unlisten(&open.key);
            }
            stays.is_some()
        });
        self.show(tls);
        for (listener, sockets) in opened.0 {
            let bound = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(listener.address);
            let key = Arc::from(bound.to_string());
            let entrance = Arc::new(Entrance::new(tls.listener(&listener.name), &listener.proxies));
            workers.listen(&key, sockets, &entrance);
            tracing::info!(listener = %listener.name, address = %bound, tls = listener.tls.is_some(), "listening");
            let Listener { name, address: written, proxies, .. } = listener;
            self.open.push(Open { key, name, written, bound, entrance, proxies });
        }
    }

    /// From now on connections begin with the certificates of `tls`, or in clear where it has none.
    pub(super) fn show(&self, tls: &TlsFiles) {
        self.open.iter().for_each(|open| open.entrance.set(tls.listener(&open.name), &open.proxies));
    }

    /// Each with its name and the address that it is bound to.
    pub(super) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.open.iter().map(|open| (Arc::clone(&open.name), open.bound)).collect()
    }
}

impl Open {
    fn is(&self, listener: &Listener) -> bool {
        // One that took any free port is told from another such by its name alone.
        self.written == listener.address && (self.written.port() != 0 || self.name == listener.name)
    }
}
