//! A canary that hangs, seen by clients that do not wait for it; and limits that stable is needed for.

use super::*;
use crate::harness::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

/// Clients that hang up on what is not answered soon, and ask again.
struct Impatient {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Impatient {
    fn start(address: SocketAddr, patience: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..8).map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(SeqCst) {
                    client.set_patience(patience);
                    client.send("GET /load HTTP/1.1\r\nHost: test\r\n\r\n");
                    match client.try_response("GET") {
                        Ok(_) => std::thread::sleep(Duration::from_millis(15)),
                        Err(_) => client = Client::connect(address),
                    }
                }
            })
        });
        Self { threads: threads.collect(), stop }
    }

    #[track_caller]
    fn stop(self) {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a client does not panic"));
    }
}

/// Answers long after the clients, who wait for 300 ms, are gone.
fn hanging() -> Scene {
    let mut scene = Scene::new();
    scene.canary.delay(Duration::from_secs(3));
    scene.weights = "[50, 100]";
    scene
}

fn impatient(serin: &mut Serin) -> Impatient {
    Impatient::start(serin.address(), Duration::from_millis(300))
}

#[test]
fn a_canary_that_hangs_breaks_its_latency_limit_though_nobody_waits_for_its_answers() {
    let scene = hanging();
    let latency = "rollback: [{ metric: latency-p99, max: 250ms, window: 5m, minRequests: 5 }, ";
    let mut serin = Serin::start(&scene.config().replace("rollback: [", latency));
    let load = impatient(&mut serin);
    until(&serin, "RolledBack");
    load.stop();
    let limit = &rollout(&serin)["lastDecision"]["grounds"]["limit"];
    assert_eq!(limit["metric"], "latency-p99", "{limit}");
    assert!(limit["value"].as_f64().unwrap() >= 300.0 && limit["stableValue"].as_f64().unwrap() <= 250.0, "{limit}");
}

#[test]
fn without_a_latency_limit_its_step_is_held_and_told_with_the_reason() {
    let mut scene = hanging();
    scene.more = "    inconclusive: { after: 1s, then: hold }".into();
    let mut serin = Serin::start(&scene.config());
    let load = impatient(&mut serin);
    let is_told = || history(&serin).contains(&("inconclusive".to_owned(), Some(1)));
    eventually("it is told that nothing can be concluded", is_told);
    let status = rollout(&serin);
    assert_eq!((&status["step"], &status["limits"][0]["reason"]), (&1.into(), &"clients-hang-up".into()), "{status}");
    assert!(status["message"].as_str().unwrap().contains("clients hang up on it"), "{status}");
    let told =
        status["history"].as_array().unwrap().iter().find(|decision| decision["event"] == "inconclusive").unwrap();
    let why = told["grounds"]["inconclusive"]["why"].as_str().unwrap();
    assert!(why.contains("clients hang up on it"), "{told}");
    // It answers again: what has been given up leaves the window of the step, or is outweighed.
    scene.canary.delay(Duration::ZERO);
    until_step(&serin, 2);
    load.stop();
}

#[test]
fn started_again_at_the_last_step_it_passes_although_nothing_of_stables_is_known() {
    let mut scene = Scene::new();
    (scene.weights, scene.hold) = ("[50, 100]", "2s");
    let compared = "rollback: [{ metric: error-rate, comparedToStable: 2x, window: 5m, minRequests: 5 }, \
                    { metric: latency-p50, comparedToStable: 10x, window: 5m, minRequests: 5 }, ";
    let mut serin = Serin::start(&scene.config().replace("rollback: [", compared));
    let first = load(&mut serin);
    until_step(&serin, 2);
    first.stop();
    eventually("the step is on the disk", || serin.saved(ROLLOUT)["step"] == 2);
    let mut serin = serin.restart();
    assert_eq!(rollout(&serin)["step"], 2);
    let second = load(&mut serin);
    until(&serin, "Promoting");
    second.stop().assert_flawless();
    let limit = &rollout(&serin)["limits"][0];
    assert!(limit["verdict"] == "Healthy" && limit["stableValue"].is_null(), "{limit}");
}
