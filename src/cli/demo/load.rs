//! The demo's clients: a few keep-alive connections that ask at a steady pace and count who answered what.

use super::service::VERSION_FIELD;
use super::{Error, settings};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

const CLIENTS: u32 = 16;
/// What each client leaves between two requests: about 640 requests a second of all together.
const PACE: Duration = Duration::from_millis(25);

/// The clients, running.
#[derive(Debug)]
pub(super) struct Load {
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// What the clients have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clients {
    /// Whole responses from the stable version.
    pub(super) stable: u64,
    /// Those among them that were errors.
    pub(super) stable_failed: u64,
    /// Whole responses from the canary.
    pub(super) canary: u64,
    /// Requests that neither version answered: the proxy's own replies, and connections that broke.
    pub(super) unanswered: u64,
}

impl Clients {
    /// The requests that were lost although the canary had no part in them.
    pub(super) fn lost(&self) -> u64 {
        self.stable_failed + self.unanswered
    }
}

#[derive(Debug, Default)]
struct Counters {
    stable: AtomicU64,
    stable_failed: AtomicU64,
    canary: AtomicU64,
    unanswered: AtomicU64,
}

type Connection = SendRequest<Empty<Bytes>>;

impl Load {
    pub(super) fn start(front: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Start { what: "clients", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let counters = Arc::<Counters>::default();
        let counting = Arc::clone(&counters);
        let thread = std::thread::Builder::new()
            .name("clients".into())
            .spawn(move || {
                runtime.block_on(async {
                    let mut clients = tokio::task::JoinSet::new();
                    for number in 0..CLIENTS {
                        let first = PACE * number / CLIENTS;
                        clients.spawn(client(front, first, Arc::clone(&counting), stopped.clone()));
                    }
                    clients.join_all().await;
                });
            })
            .map_err(failed)?;
        Ok(Self { counters, stop, thread })
    }

    pub(super) fn seen(&self) -> Clients {
        self.counters.read()
    }

    /// Every client finishes the request that it is at; then all that they have seen.
    pub(super) fn stop(self) -> Clients {
        self.stop.send_replace(true);
        self.thread.join().expect("a client has nothing to panic about");
        self.counters.read()
    }
}

impl Counters {
    fn read(&self) -> Clients {
        Clients {
            stable: self.stable.load(Relaxed),
            stable_failed: self.stable_failed.load(Relaxed),
            canary: self.canary.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
        }
    }
}

async fn client(front: SocketAddr, first: Duration, counters: Arc<Counters>, mut stopped: watch::Receiver<bool>) {
    tokio::time::sleep(first).await;
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        tokio::select! {
            _ = pace.tick() => {}
            _ = stopped.changed() => return,
        }
        match ask(front, &mut connection).await {
            Some((version, failed)) if version == settings::STABLE_VERSION => {
                counters.stable.fetch_add(1, Relaxed);
                counters.stable_failed.fetch_add(u64::from(failed), Relaxed);
            }
            Some((version, _)) if version == settings::CANARY_VERSION => {
                counters.canary.fetch_add(1, Relaxed);
            }
            _ => {
                counters.unanswered.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Asks once: the version that answered in full, and whether it was an error. `None` when no version did.
async fn ask(front: SocketAddr, connection: &mut Option<Connection>) -> Option<(String, bool)> {
    let request = Request::get("/").header("host", "demo.test").body(Empty::new()).expect("all its parts are valid");
    // A kept connection may have been closed by the other side, which costs no request.
    let mut kept = connection.take();
    let usable = match &mut kept {
        Some(sender) => sender.ready().await.is_ok(),
        None => false,
    };
    let mut sender = match kept {
        Some(sender) if usable => sender,
        _ => connect(front).await?,
    };
    let response = sender.send_request(request).await.ok()?;
    let version = response.headers().get(VERSION_FIELD).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let failed = !response.status().is_success();
    response.into_body().collect().await.ok()?;
    *connection = Some(sender);
    version.map(|version| (version, failed))
}

async fn connect(front: SocketAddr) -> Option<Connection> {
    let stream = TcpStream::connect(front).await.ok()?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
    // Its error is the request's too, and is counted there.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Some(sender)
}

/// Requests a second that each version answered, over the last second or so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rate {
    pub(super) stable: f64,
    pub(super) canary: f64,
}

/// The last looks at the counters, from which rates are read.
#[derive(Debug, Default)]
pub(super) struct Rates(VecDeque<(Duration, Clients)>);

impl Rates {
    const LOOKS: usize = 6;

    /// Takes in what was seen at `now`; the rates since the oldest look that is kept.
    pub(super) fn update(&mut self, now: Duration, seen: Clients) -> Rate {
        self.0.push_back((now, seen));
        if self.0.len() > Self::LOOKS {
            self.0.pop_front();
        }
        let (then, before) = self.0.front().expect("one was pushed");
        let seconds = now.saturating_sub(*then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a demo's requests are far below 2^53")]
        let rate = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Rate { stable: rate(seen.stable - before.stable), canary: rate(seen.canary - before.canary) }
    }
}
