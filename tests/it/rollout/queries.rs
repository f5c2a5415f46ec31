//! `prometheus` limits, behind a real Prometheus server, and behind none.

use super::*;
use crate::harness::{free_address, no_peer};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Debian's server, scraping Serin every 200 ms.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server; `None`, and says so, where it is not installed.
fn prometheus(address: SocketAddr, scraped: SocketAddr) -> Option<Prometheus> {
    let directory = tempfile::tempdir().expect("a directory");
    let config = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\nscrape_configs: [{{ job_name: serin, \
         static_configs: [{{ targets: ['{scraped}'] }}] }}]\n"
    );
    std::fs::write(directory.path().join("prometheus.yml"), config).expect("it can be written");
    let argument = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let child = Command::new("prometheus")
        .arg(argument("config.file", &directory.path().join("prometheus.yml")))
        .arg(argument("storage.tsdb.path", &directory.path().join("data")))
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some(Prometheus { child, address, _directory: directory }),
        Err(error) => {
            no_peer(&format!("no Prometheus server to run ({error}); install the package `prometheus`"));
            None
        }
    }
}

/// The share of the canary's requests that were answered with 200, as Prometheus has scraped it.
const HEALTH: &str = "sum(rate(serin_requests_total{version='{{canary}}',code='200'}[2s])) / \
                      sum(rate(serin_requests_total{version='{{canary}}'}[2s]))";

fn limit(url: SocketAddr, query: &str) -> String {
    format!(
        "{{ name: repository-health, prometheus: {{ url: \"http://{url}\", query: \"{query}\", timeout: 1s }}, \
         min: 99%, window: 2s, interval: 100ms }}"
    )
}

#[test]
fn what_a_real_prometheus_answers_advances_the_steps_and_its_absence_holds_them() {
    let (address, admin) = (free_address(), free_address());
    let Some(server) = prometheus(address, admin) else { return };
    let mut scene = Scene::new();
    scene.more = format!("    promotion: {{ limits: [{}] }}", limit(server.address, HEALTH));
    let mut serin = Serin::start(&format!("admin: {{ address: \"{admin}\" }}\n{}", scene.config()));
    let load = load(&mut serin);
    until_step(&serin, 2);
    let status = rollout(&serin);
    assert!(status["promotionLimits"][0]["value"].as_f64().is_some_and(|health| health > 0.99), "{status}");
    drop(server);
    eventually("the silence is noticed", || {
        let status = rollout(&serin);
        let reason = &status["promotionLimits"][0]["reason"];
        reason["no-answer"].is_string() && status["promotionLimits"][0]["verdict"] == "Inconclusive"
    });
    let step = rollout(&serin)["step"].clone();
    more_requests(&load, 800);
    let status = rollout(&serin);
    assert_eq!((&status["step"], &status["phase"]), (&step, &"Progressing".into()), "neither on nor back: {status}");
    assert!(status["message"].as_str().unwrap().contains("repository-health"), "and it says why: {status}");
    load.stop().assert_flawless();
}

#[test]
fn what_a_real_prometheus_answers_takes_the_canary_out() {
    let (address, admin) = (free_address(), free_address());
    let Some(server) = prometheus(address, admin) else { return };
    let mut scene = Scene::new();
    scene.hold = "10m";
    // A failure rate that the proxy's own limit tolerates and the query does not.
    let config = scene.config().replace("rollback: [", &format!("rollback: [{}, ", limit(server.address, HEALTH)));
    let mut serin = Serin::start(&format!("admin: {{ address: \"{admin}\" }}\n{config}"));
    let load = load(&mut serin);
    eventually("there is an answer", || rollout(&serin)["limits"][0]["verdict"] == "Healthy");
    scene.canary.fail(3);
    until(&serin, "RolledBack");
    assert_eq!(rollout(&serin)["lastDecision"]["grounds"]["limit"]["metric"], "repository-health");
    load.stop();
}

#[test]
fn a_query_that_nobody_answers_is_neither_a_pass_nor_a_failure() {
    let mut scene = Scene::new();
    let nobody = free_address();
    let config = scene.config().replace("rollback: [", &format!("rollback: [{}, ", limit(nobody, HEALTH)));
    scene.hold = "500ms";
    let mut serin = Serin::start(&config);
    let load = load(&mut serin);
    until_step(&serin, 1);
    more_requests(&load, 800);
    let status = rollout(&serin);
    assert_eq!((&status["step"], &status["phase"]), (&1.into(), &"Progressing".into()), "{status}");
    assert!(status["limits"][0]["reason"]["no-answer"].as_str().unwrap().contains("refused"), "{status}");
    load.stop().assert_flawless();
}
