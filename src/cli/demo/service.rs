//! One version of the demo's service: an HTTP server on a thread of its own, told when to begin to fail.

use super::{Clock, Error};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// The response field that says which version answered: how the clients know whom to charge.
pub(super) const VERSION_FIELD: &str = "x-version";
/// What the service takes to answer: anything from the first to the second, so that there are quantiles to look at.
const WORK: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(7));

/// A running service. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a service has counted. Moments are in microseconds of the demo's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Requests that it answered with an error.
    pub(super) failed: u64,
    /// When it sent the first of them; 0 for never.
    pub(super) first_failed_us: u64,
    /// When the last request of all reached it; 0 for never.
    pub(super) last_request_us: u64,
}

#[derive(Debug)]
struct Shared {
    version: &'static str,
    clock: Clock,
    /// An `f64`, by its bits.
    fail_rate: AtomicU64,
    failed: AtomicU64,
    first_failed_us: AtomicU64,
    last_request_us: AtomicU64,
}

impl Service {
    pub(super) fn start(version: &'static str, clock: Clock) -> Result<Self, Error> {
        let failed = |source| Error::Start { what: "services", source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let shared = Arc::new(Shared {
            version,
            clock,
            fail_rate: AtomicU64::new(0.0_f64.to_bits()),
            failed: AtomicU64::new(0),
            first_failed_us: AtomicU64::new(0),
            last_request_us: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(format!("service-{version}"))
            .spawn(move || {
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("it is non-blocking");
                    tokio::select! {
                        () = serve(listener, serving) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it fails this share of its requests.
    pub(super) fn fail(&self, rate: f64) {
        self.shared.fail_rate.store(rate.to_bits(), Relaxed);
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            failed: self.shared.failed.load(Relaxed),
            first_failed_us: self.shared.first_failed_us.load(Relaxed),
            last_request_us: self.shared.last_request_us.load(Relaxed),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A service that panicked has been seen by its clients.
            let _ = thread.join();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        // Nothing but a lack of files fails here, and the next client finds the same.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answer = service_fn(|_: Request<Incoming>| answer(&shared));
            // A client that closes is the end of the connection, whatever hyper calls it.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(shared: &Shared) -> Result<Response<Full<Bytes>>, Infallible> {
    shared.last_request_us.fetch_max(shared.clock.micros(), Relaxed);
    tokio::time::sleep(rand::random_range(WORK.0..WORK.1)).await;
    let fails = rand::random_bool(f64::from_bits(shared.fail_rate.load(Relaxed)));
    let (status, text) = if fails {
        let _ = shared.first_failed_us.compare_exchange(0, shared.clock.micros(), Relaxed, Relaxed);
        shared.failed.fetch_add(1, Relaxed);
        (StatusCode::INTERNAL_SERVER_ERROR, "out of order\n")
    } else {
        (StatusCode::OK, "hello\n")
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(VERSION_FIELD, http::HeaderValue::from_static(shared.version));
    Ok(response)
}
