//! A whole backend, asked and judged. What time does is told, not waited for; only answers come over real sockets.

use super::*;
use crate::plan::{
    Endpoints, HealthCheck, HealthQuestion, OutlierDetection, Protocol, Standing, SuccessRate, Upstream,
};
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Runs a test where probes can be spawned.
fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// A watch over one backend.
struct Scene {
    watch: Watch,
    backend: Backend,
    endpoints: [Arc<[Endpoint]>; 1],
    now_ms: u64,
}

impl Scene {
    fn new(upstream: Upstream, endpoints: Vec<Endpoint>) -> Self {
        let backend = Backend {
            name: "shop".into(),
            version: "1".into(),
            endpoints: Endpoints::Static(Vec::new()),
            tls: None,
            protocol: Protocol::Http1,
            proxy_protocol: None,
            upstream,
        };
        let mut scene = Self { watch: Watch::new(2), backend, endpoints: [endpoints.into()], now_ms: 1 };
        scene.settle();
        scene
    }

    fn settle(&mut self) {
        self.watch.settle(std::slice::from_ref(&self.backend), &self.endpoints, self.now_ms);
    }

    /// A look after so long; whether it changed anything.
    fn after(&mut self, ms: u64) -> bool {
        self.now_ms += ms;
        self.watch.look(&BTreeSet::new(), self.now_ms)
    }

    /// The places of the endpoints that are used.
    fn used(&self) -> Vec<usize> {
        let available = &self.watch.available()[0];
        let place = |used: &Endpoint| available.all.iter().position(|one| one.address == used.address).unwrap();
        available.used.iter().map(place).collect()
    }

    fn fail(&self, index: usize, times: usize) {
        (0..times).for_each(|n| self.endpoints[0][index].health.request_failed(n % 2, 5));
    }

    /// Looks until `holds`, a check's interval further each time.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let looks = async {
            while !holds(self) {
                self.after(1_000);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looks).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }
}

fn endpoints(count: u16) -> Vec<Endpoint> {
    (0..count).map(|n| Endpoint::new(([127, 0, 0, 1], 1_000 + n).into())).collect()
}

fn outliers(success_rate: Option<SuccessRate>) -> Upstream {
    let outliers = OutlierDetection {
        consecutive_failures: 5,
        interval: Duration::from_secs(10),
        base_ejection_time: Duration::from_secs(30),
        max_ejection_percent: 50,
        success_rate,
    };
    Upstream { outliers: Some(outliers), ..Upstream::default() }
}

fn health() -> Upstream {
    let health = HealthCheck {
        question: HealthQuestion::Get("/healthz".into()),
        interval: Duration::from_millis(900),
        timeout: Duration::from_secs(5),
        healthy_threshold: 2,
        unhealthy_threshold: 3,
    };
    Upstream { health: Some(health), ..Upstream::default() }
}

/// An endpoint that answers every request with the status that is written in it.
async fn service() -> (Endpoint, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(listener.local_addr().unwrap());
    let status = Arc::new(AtomicU16::new(200));
    let theirs = Arc::clone(&status);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1_024]).await;
            let reply = format!("HTTP/1.1 {} x\r\ncontent-length: 0\r\n\r\n", theirs.load(SeqCst));
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    });
    (endpoint, status)
}

#[test]
fn an_endpoint_is_used_once_it_has_answered_leaves_when_it_answers_badly_and_comes_back() {
    local(async {
        let ((one, status), (two, _)) = (service().await, service().await);
        let mut scene = Scene::new(health(), vec![one, two]);
        assert_eq!(scene.watch.available()[0].standing, Standing::Down, "nobody has said how he is");
        assert_eq!(scene.used(), [0, 1], "so health is ignored");
        assert_eq!(scene.watch.unasked().collect::<Vec<_>>(), ["shop"]);
        scene.until("both are well", |scene| scene.watch.conditions(0)[0].ready == 2).await;
        assert_eq!(scene.watch.available()[0].standing, Standing::Well);
        assert_eq!(scene.watch.unasked().count(), 0);
        status.store(503, SeqCst);
        scene.until("the first is out", |scene| scene.used() == [1]).await;
        assert_eq!(scene.watch.conditions(0)[0], Conditions { ready: 1, unhealthy: 1, ..Conditions::default() });
        assert!(scene.watch.is_ready(BackendId::new(0), 0));
        status.store(200, SeqCst);
        scene.until("it is back", |scene| scene.used() == [0, 1]).await;
    });
}

#[test]
fn what_served_before_it_was_asked_serves_until_it_answers_badly_and_what_joins_waits() {
    local(async {
        let ((one, _), (two, _)) = (service().await, service().await);
        let mut scene = Scene::new(Upstream::default(), vec![one.clone()]);
        scene.backend.upstream = health();
        scene.settle();
        assert_eq!(scene.watch.available()[0].standing, Standing::Well);
        scene.endpoints = [Arc::from([one, two])];
        scene.settle();
        assert_eq!(scene.used(), [0]);
        scene.until("the new one is well", |scene| scene.used() == [0, 1]).await;
    });
}

#[test]
fn a_side_without_requests_is_asked_for_a_connection_and_begins_and_ceases_to_be_ready() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut scene = Scene::new(Upstream::default(), vec![Endpoint::new(listener.local_addr().unwrap())]);
        let side = BackendId::new(0);
        let mut until = async |ready: bool| {
            let looks = async {
                while scene.watch.is_ready(side, 0) != ready {
                    scene.now_ms += 1_000;
                    scene.watch.look(&[side].into(), scene.now_ms);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), looks).await.expect("it is noticed");
        };
        // Whom nobody asks is not doubted; whom nobody has reached yet is.
        until(true).await;
        until(false).await;
        until(true).await;
        drop(listener);
        until(false).await;
    });
}

#[test]
fn five_failures_in_a_row_eject_an_endpoint_for_its_time() {
    local(async {
        let mut scene = Scene::new(outliers(None), endpoints(3));
        scene.fail(1, 4);
        assert!(!scene.after(20));
        scene.fail(1, 1);
        assert!(scene.after(20));
        assert_eq!(scene.used(), [0, 2]);
        assert_eq!(scene.watch.conditions(0)[0], Conditions { ready: 2, ejected: 1, ..Conditions::default() });
        scene.fail(0, 5);
        assert!(!scene.after(20), "one of three is the most");
        scene.fail(1, 7);
        assert!(!scene.after(29_900), "what was under way changes nothing");
        assert!(scene.after(100));
        assert_eq!(scene.used(), [0, 1, 2]);
        let warmth = |index: usize| scene.endpoints[0][index].health.warmth(Duration::from_secs(10), scene.now_ms);
        assert_eq!((warmth(0), warmth(1)), (1.0, 0.1), "what comes back begins slowly, as what joins does");
        scene.fail(1, 4);
        assert!(!scene.after(20), "the count starts anew");
    });
}

#[test]
fn the_success_rates_of_an_interval_are_compared_when_it_is_over() {
    local(async {
        let rate = SuccessRate { minimum_hosts: 5, minimum_requests: 100, stdev_factor: 1.9 };
        let mut scene = Scene::new(outliers(Some(rate)), endpoints(5));
        scene.after(0);
        let serve = |scene: &Scene, failing: usize| {
            for (index, endpoint) in scene.endpoints[0].iter().enumerate() {
                for n in 0..100 {
                    if index == failing && n % 3 == 0 {
                        endpoint.health.request_failed(n % 2, 5);
                    } else {
                        endpoint.health.request_answered(n % 2);
                    }
                }
            }
        };
        serve(&scene, 4);
        assert!(!scene.after(9_000), "the interval is not over");
        assert!(scene.after(1_000));
        assert_eq!(scene.used(), [0, 1, 2, 3]);
        assert!(!scene.after(10_000), "nobody had enough requests in this one");
    });
}

#[test]
fn a_backend_that_is_no_longer_watched_for_failures_has_all_its_endpoints() {
    local(async {
        let mut scene = Scene::new(outliers(None), endpoints(2));
        scene.fail(0, 5);
        scene.after(20);
        assert_eq!(scene.used(), [1]);
        scene.backend.upstream = Upstream::default();
        scene.settle();
        assert_eq!(scene.used(), [0, 1]);
        assert!(!scene.watch.is_busy());
    });
}

#[test]
fn what_failed_before_failures_are_watched_again_ejects_nobody() {
    local(async {
        let rate = SuccessRate { minimum_hosts: 2, minimum_requests: 1, stdev_factor: 0.5 };
        let mut scene = Scene::new(outliers(Some(rate)), endpoints(4));
        scene.after(0);
        let settle_with = |scene: &mut Scene, upstream| {
            scene.backend.upstream = upstream;
            scene.settle();
        };
        // A strike, failures that are nearly one, and bad rates: of all of them, the workers may learn late.
        scene.fail(0, 5);
        scene.fail(1, 4);
        (2..4).for_each(|index| scene.endpoints[0][index].health.request_answered(0));
        settle_with(&mut scene, Upstream::default());
        scene.fail(0, 5);
        scene.after(3_600_000);
        settle_with(&mut scene, outliers(Some(rate)));
        assert!(!scene.after(20), "neither for the strike nor for the rates");
        scene.fail(1, 4);
        assert!(!scene.after(20), "the count starts anew");
        scene.fail(1, 1);
        assert!(scene.after(20) && scene.used() == [0, 2, 3], "what fails from now on does");
        // A reload that leaves it on forgets nothing.
        scene.fail(2, 5);
        scene.settle();
        assert!(scene.after(20) && scene.used() == [0, 3]);
    });
}
