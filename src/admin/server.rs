//! The server: a thread, a runtime, and connections that cannot hold one another up.
//!
//! Each connection has a head to send in time and a longest life, and when there are too many the oldest gives way:
//! whoever opens connections and lets them lie cannot keep a health probe out.

use super::Sources;
use super::routes::{Peer, router};
use crate::net::Stream;
use crate::net::tls::{Acceptor, Tls};
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::Instant;

/// Scrapers, probes and operators together.
const MOST_CONNECTIONS: usize = 128;
/// Also how long a connection may lie between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After this a connection ends with the response that it is at; a stream of events ends by itself then.
const LONGEST_LIFE: Duration = Duration::from_secs(300);
/// What that response may take.
const LAST_RESPONSE: Duration = Duration::from_secs(10);
/// After a failed accept, which mostly means that the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the admin server did not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not this machine's, or not allowed.
    #[error("the admin server cannot listen on {address}: {source}; change admin.address or stop what listens there")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or no runtime could be had.
    #[error("the admin server cannot start: {0}")]
    Start(#[source] io::Error),
}

/// A running admin server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on `address` (port 0 picks one) and serves on a thread of its own; connections begin as `acceptor` says at
    /// the time.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the system has no thread left.
    pub fn bind(address: SocketAddr, acceptor: Arc<Acceptor>, sources: Sources) -> Result<Self, BindError> {
        let listener = listen(address).map_err(|source| BindError::Listen { address, source })?;
        let address = listener.local_addr().map_err(BindError::Start)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BindError::Start)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(BindError::Start)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("serin-admin".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    () = accept(listener, acceptor, sources) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self { address, stop: Some(stop), thread: Some(thread.map_err(BindError::Start)?) })
    }

    /// The address that it listens on, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic on it has been reported where it happened.
            let _ = thread.join();
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(listener: TcpListener, acceptor: Arc<Acceptor>, sources: Sources) {
    let service = TowerToHyperService::new(router(sources));
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the admin server cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= MOST_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let service = service.clone();
        let until = Instant::now() + LONGEST_LIFE;
        let peer = Peer { address: peer, until };
        let with_peer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            service.call(request.map(Body::new))
        });
        // Without it a response in two segments would wait for the peer's acknowledgement; failing costs no more.
        let _ = stream.set_nodelay(true);
        let tls = acceptor.config();
        open.push_back(
            tokio::task::spawn_local(async move {
                let stream = match tls {
                    None => Stream::Plain(stream),
                    Some(config) => {
                        let tls = Tls::server(stream, config).expect("a config that was made can be served from");
                        let Some(stream) = handshake(tls).await else { return };
                        stream
                    }
                };
                serve(stream, with_peer, until).await;
            })
            .abort_handle(),
        );
    }
}

async fn handshake(mut tls: Box<Tls>) -> Option<Stream> {
    let done = tokio::time::timeout(HEAD_TIMEOUT, poll_fn(|cx| tls.poll_handshake(cx))).await;
    matches!(done, Ok(Ok(()))).then_some(Stream::Tls(tls))
}

async fn serve<S>(stream: Stream, service: S, until: Instant)
where
    S: Service<Request<Incoming>, Response = axum::response::Response, Error = std::convert::Infallible>,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(16 * 1024);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection fails is its client's business.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = tokio::time::sleep_until(until) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LAST_RESPONSE, connection).await;
}
