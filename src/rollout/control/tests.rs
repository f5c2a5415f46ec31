//! The controller with real counters and a store that can be looked into; with the world outside, in
//! [`asking`]; under new names, in [`renamed`].

mod asking;
mod renamed;

use super::*;
use crate::config::defaults;
use crate::plan::{
    Admin, Alert, AlertFormat, Available, Backend, BackendRef, Drain, Endpoints, Limit, Matcher, Metric, RateBound,
    RequestLimit, RolloutId, Route, RouteId, Rule, RuleFilters, RuleId, Severity, Snapshot, Upstream,
};
use crate::rollout::stub::Stub;
use crate::rollout::{Clock, Grounds, Timestamp, Verdict};
use crate::stats::{Cause, Exchange};
use crate::store::{Error, MemoryStore};
use serde_json::json;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Survives the controller, as a file does.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<MemoryStore>>);

impl Store for Kept {
    fn load(&mut self) -> Result<Documents, Error> {
        self.0.lock().unwrap().load()
    }

    fn save(&mut self, documents: &Documents) -> Result<(), Error> {
        self.0.lock().unwrap().save(documents)
    }
}

fn error_rate(max: f64) -> Limit {
    let metric = Metric::ErrorRate { max: RateBound::Share(max) };
    Limit::Requests(RequestLimit { metric, window: FIVE_MINUTES, min_requests: 50, alpha: 1e-5 })
}

fn mean(ms: u64) -> Limit {
    let metric = Metric::LatencyMean { max: Duration::from_millis(ms) };
    Limit::Requests(RequestLimit { metric, window: Duration::from_secs(60), min_requests: 50, alpha: 1e-5 })
}

/// A rule of 90 to 10 for each of `rollouts`: its name, the canary's version, its limits.
pub(in crate::rollout) fn plan(rollouts: &[(&str, &str, &[Limit])]) -> Arc<Plan> {
    let backend = |name: String, version: &str| Backend {
        name: name.into(),
        version: version.into(),
        endpoints: Endpoints::Static(Vec::new()),
        tls: None,
        protocol: crate::plan::Protocol::Http1,
        proxy_protocol: None,
        upstream: Upstream::default(),
    };
    let with_ids = || rollouts.iter().enumerate();
    let (stable, canary) = (|i| BackendId::new(2 * i), |i| BackendId::new(2 * i + 1));
    let part = |backend, weight| BackendRef { backend, weight };
    let rule = |i: usize| Rule {
        route: RouteId::new(0),
        name: rollouts[i].0.into(),
        backend_refs: vec![part(stable(i), 90), part(canary(i), 10)],
        filters: RuleFilters::default(),
        rollout: Some(RolloutId::new(i)),
    };
    let rollout = |i: usize| Rollout {
        name: rollouts[i].0.into(),
        rule: RuleId::new(i),
        stable: stable(i),
        canary: canary(i),
        revision: rollouts[i].1.into(),
        stickiness: None,
        stable_caught_up: false,
        progression: None,
        rollback: rollouts[i].2.to_vec(),
        webhooks: Vec::new(),
        alerts: Vec::new(),
    };
    Arc::new(Plan {
        hash: String::new(),
        listeners: Vec::new(),
        admin: Admin { address: "127.0.0.1:0".parse().unwrap(), token_file: None, tls: None },
        backends: with_ids()
            .flat_map(|(_, (name, version, _))| {
                [backend(format!("{name}-stable"), "1.4.1"), backend(format!("{name}-canary"), version)]
            })
            .collect(),
        routes: vec![Route { name: "route".into() }],
        rules: with_ids().map(|(i, _)| rule(i)).collect(),
        matcher: Matcher::new([]),
        rollouts: with_ids().map(|(i, _)| rollout(i)).collect(),
        limits: defaults::LIMITS,
        http2: defaults::HTTP2,
        timeouts: defaults::TIMEOUTS,
        headers: defaults::HEADERS,
        drain: Drain { grace: Duration::ZERO, timeout: Duration::ZERO },
        store: crate::plan::Store::BesideConfig,
        dns: crate::plan::Dns::default(),
        grpc: crate::plan::Grpc::default(),
    })
}

fn one(version: &str) -> Arc<Plan> {
    plan(&[("data-tier", version, &[error_rate(0.05)])])
}

/// A controller, its counters, and what was published.
struct Bench {
    controller: Controller,
    registry: Registry,
    clock: Clock,
    /// The shares of every snapshot so far.
    published: Vec<Vec<Option<f64>>>,
}

impl Bench {
    fn new(plan: &Arc<Plan>, store: impl Store + 'static) -> Self {
        let (registry, clock) = (Registry::new(2), Clock::start());
        let (controller, effects) = Controller::new(plan, Box::new(store), &registry, clock.now()).unwrap();
        let mut bench = Self { controller, registry, clock, published: Vec::new() };
        bench.act(effects);
        bench
    }

    fn act(&mut self, effects: Effects) {
        let published = effects.publish(|shares| self.published.push(shares.to_vec()));
        self.controller.finish(published);
    }

    fn tick(&mut self) {
        let effects = self.controller.tick(&self.registry, |_| true, self.clock.now());
        self.act(effects);
    }

    fn reload(&mut self, plan: &Arc<Plan>) {
        let effects = self.controller.apply_plan(plan, &self.registry, self.clock.now());
        self.act(effects);
    }

    fn retry(&mut self, name: &str) -> Result<(), VerbError> {
        let effects = self.controller.command(name, Verb::Retry, &self.registry, self.clock.now())?;
        self.act(effects);
        Ok(())
    }

    /// `count` requests with `code` to `rollout`'s canary.
    fn serve(&self, rollout: usize, count: usize, code: u16) {
        let spec = &self.controller.plan.rollouts[rollout];
        let shards = self.registry.shards(&self.controller.plan.series_key(spec.rule, spec.canary));
        let failure = (code >= 499).then_some(Cause::Status);
        let exchange = Exchange { code, failure, grpc: None, head: None, duration: Duration::from_millis(10) };
        (0..count).for_each(|i| shards[i % 2].record(&exchange));
    }

    fn fail(&mut self, rollout: usize) {
        self.serve(rollout, 5, 503);
        self.tick();
    }

    fn status(&self) -> RolloutStatus {
        self.controller.status(self.clock.now()).remove(0)
    }

    fn share(&self) -> Option<f64> {
        self.controller.canary_shares()[0]
    }

    /// The process ends, the state saved.
    fn end(self) {
        assert!(self.controller.writer.flush(Duration::from_secs(30)));
    }
}

#[test]
fn a_canary_that_fails_is_out_at_the_next_tick() {
    let mut bench = Bench::new(&one("1.5.0"), Kept::default());
    bench.serve(0, 100, 200);
    bench.tick();
    assert_eq!((bench.status().phase, bench.share()), (Phase::Progressing, None));
    assert_eq!(bench.published, [[None]], "a tick that decides nothing publishes nothing");
    bench.fail(0);
    assert_eq!(bench.published, [[None], [Some(0.0)]]);
    let status = bench.status();
    assert_eq!((status.phase, status.canary.weight, status.stable.weight), (Phase::RolledBack, 0.0, 100.0));
    let decision = status.last_decision.unwrap();
    assert_eq!((decision.requests, decision.failed, decision.weight), (105, 5, 10.0));
    let rollbacks = [Rollbacks { rollout: "data-tier".into(), reason: "error-rate".into(), count: 1 }];
    assert_eq!(bench.controller.rollbacks(), rollbacks);
    bench.fail(0);
    assert_eq!((bench.published.len(), bench.controller.rollbacks()), (2, rollbacks.to_vec()), "once is enough");
}

#[test]
fn clients_that_hang_up_are_charged_to_nobody() {
    let mut bench = Bench::new(&one("1.5.0"), Kept::default());
    bench.serve(0, 1_000, 499);
    bench.tick();
    let status = bench.status();
    assert_eq!((status.canary.requests, status.canary.aborted, status.canary.failed), (1_000, 1_000, 0));
    assert_eq!((status.phase, status.limits[0].samples), (Phase::Progressing, 0));
}

#[test]
fn a_failed_revision_stays_out_over_reloads_restarts_and_a_turn_outside_the_file() {
    let store = Kept::default();
    let mut bench = Bench::new(&one("1.5.0"), store.clone());
    bench.fail(0);
    bench.reload(&one("1.5.0"));
    assert_eq!(bench.share(), Some(0.0));
    bench.reload(&plan(&[]));
    bench.end();
    let mut bench = Bench::new(&plan(&[]), store.clone());
    bench.reload(&one("1.5.0"));
    assert_eq!(bench.published.last().unwrap(), &[Some(0.0)]);
    bench.end();
    let mut bench = Bench::new(&one("1.5.0"), store);
    assert_eq!(bench.published, [[Some(0.0)]], "out in the very first snapshot");
    assert!(bench.status().last_decision.is_some());
    bench.reload(&one("1.5.1"));
    assert_eq!(bench.share(), None);
    bench.reload(&one("1.5.0"));
    assert_eq!(bench.share(), Some(0.0));
}

#[test]
fn retry_and_another_version_start_afresh() {
    let mut bench = Bench::new(&one("1.5.0"), Kept::default());
    assert!(matches!(bench.retry("data-tier"), Err(VerbError::NotNow { phase: Phase::Waiting, .. })));
    assert_eq!(bench.retry("data").unwrap_err().to_string(), "there is no rollout `data`; there are: data-tier");
    bench.fail(0);
    assert_eq!(bench.status().limits[0].verdict, Verdict::Breach);
    bench.retry("data-tier").unwrap();
    bench.tick();
    assert_eq!((bench.status().phase, bench.share()), (Phase::Progressing, None));
    assert_eq!((bench.status().limits[0].evidence, bench.status().canary.requests), (Some(0.0), 0));
    bench.serve(0, 3, 503);
    bench.tick();
    bench.reload(&one("1.5.1"));
    assert_eq!(bench.status().limits[0].evidence, Some(0.0));
    // Back to a version that was counted before: what it did then is the past.
    bench.reload(&one("1.5.0"));
    bench.tick();
    assert_eq!((bench.status().phase, bench.status().canary.requests), (Phase::Progressing, 0));
}

#[test]
fn a_reload_keeps_the_evidence_of_limits_that_stay_and_forgets_that_of_those_that_change() {
    let limits = |max| plan(&[("data-tier", "1.5.0", &[mean(500), error_rate(max)])]);
    let mut bench = Bench::new(&limits(0.05), Kept::default());
    bench.serve(0, 3, 503);
    bench.tick();
    let before = bench.status();
    assert!(before.limits[1].evidence.unwrap() > 0.0);
    bench.reload(&limits(0.05));
    assert_eq!(bench.status(), before);
    bench.reload(&limits(0.06));
    let after = bench.status();
    assert_eq!((after.limits[0].samples, after.limits[1].samples, after.limits[1].evidence), (3, 0, Some(0.0)));
}

/// Never answers, until the test is over.
struct Stuck(Receiver<()>);

impl Store for Stuck {
    fn load(&mut self) -> Result<Documents, Error> {
        Ok(Documents::new())
    }

    fn save(&mut self, _: &Documents) -> Result<(), Error> {
        self.0.recv().map_or(Ok(()), Ok)
    }
}

#[test]
fn a_store_that_hangs_delays_no_judgement() {
    let (_until_the_end, stuck) = channel();
    let limits: &[Limit] = &[error_rate(0.05)];
    let mut bench = Bench::new(&plan(&[("a", "1", limits), ("b", "1", limits)]), Stuck(stuck));
    bench.fail(0);
    bench.fail(1);
    assert_eq!(bench.published, [[None, None], [Some(0.0), None], [Some(0.0), Some(0.0)]]);
    assert!(!bench.controller.writer.flush(Duration::ZERO));
}

/// Something is there, and it is not ours.
struct Unreadable;

impl Store for Unreadable {
    fn load(&mut self) -> Result<Documents, Error> {
        Err(Error::Version { path: "serin-state.json".into(), found: 2, understood: 1 })
    }

    fn save(&mut self, _: &Documents) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_past_that_cannot_be_read_keeps_every_canary_out_until_someone_says_retry() {
    let store = Kept::default();
    store.clone().save(&Documents::from([("data-tier".to_owned(), json!({ "phase": "Unheard-of" }))])).unwrap();
    for mut bench in [Bench::new(&one("1.5.0"), Unreadable), Bench::new(&one("1.5.0"), store)] {
        assert_eq!(bench.published, [[Some(0.0)]]);
        assert_eq!(bench.status().last_decision.unwrap().grounds, Grounds::StateUnreadable);
        bench.retry("data-tier").unwrap();
        assert_eq!(bench.share(), None);
    }
}

#[test]
fn everyone_in_the_list_is_told_with_the_decision() {
    let receiver = Stub::always("200 OK", "");
    let webhook = |path| Alert {
        format: AlertFormat::Webhook,
        url: format!("{}/{path}", receiver.url()).into(),
        severity: Severity::Info,
    };
    let mut plan = one("1.5.0");
    Arc::get_mut(&mut plan).unwrap().rollouts[0].alerts = vec![webhook("a"), webhook("b")];
    let mut bench = Bench::new(&plan, Kept::default());
    bench.fail(0);
    for _ in 0..2 {
        let decision = receiver.next().json()["decision"].take();
        assert_eq!(decision, serde_json::to_value(bench.status().last_decision).unwrap());
    }
    bench.controller.flush(Duration::from_secs(30));
    assert_eq!(bench.controller.alerter.flush(Duration::ZERO), 0);
}

#[test]
fn the_share_of_a_rollback_leaves_nothing_to_the_canary_in_the_snapshot() {
    let mut bench = Bench::new(&one("1.5.0"), Kept::default());
    bench.fail(0);
    let plan = Arc::clone(&bench.controller.plan);
    let nobody = Available::from(Arc::from([]));
    let snapshot = Snapshot::new(plan, vec![nobody.clone(), nobody], &bench.published[1], &bench.registry);
    assert_eq!((snapshot.splits[0].fraction(0), snapshot.splits[0].fraction(1)), (1.0, 0.0));
}

#[test]
fn the_status_is_the_json_that_the_api_promises() {
    let mut bench = Bench::new(&one("1.5.0"), Kept::default());
    bench.serve(0, 5, 503);
    let now = Now { wall: Timestamp::from_duration(Duration::ZERO), ..bench.clock.now() };
    let effects = bench.controller.tick(&bench.registry, |_| true, now);
    bench.act(effects);
    let mut status = serde_json::to_value(bench.status()).unwrap();
    // How far 16^5 is over the level: not a number to be written down here.
    for evidence in [
        "/limits/0/evidence",
        "/lastDecision/grounds/limit/evidence",
        "/lastDecision/limits/0/evidence",
        "/history/0/grounds/limit/evidence",
        "/history/0/limits/0/evidence",
    ] {
        let evidence = status.pointer_mut(evidence).unwrap();
        assert!(evidence.as_f64().unwrap() > 1.0);
        *evidence = json!("over 1");
    }
    let epoch = "1970-01-01T00:00:00.000Z";
    let none = json!({ "meanMs": null, "p50Ms": null, "p99Ms": null });
    let stable = json!({
        "backend": "data-tier-stable", "version": "1.4.1", "weight": 100.0, "ready": true,
        "requests": 0, "failed": 0, "aborted": 0, "errorRate": null, "latency": none,
    });
    let canary = json!({
        "backend": "data-tier-canary", "version": "1.5.0", "weight": 0.0, "ready": true,
        "requests": 5, "failed": 5, "aborted": 0, "errorRate": 1.0,
        "latency": { "meanMs": 10.0, "p50Ms": 10.0, "p99Ms": 10.0 },
    });
    let limit = json!({
        "metric": "error-rate", "unit": "ratio", "max": 0.05, "min": null, "comparedToStable": null,
        "window": "5m", "minSamples": 50, "verdict": "Breach", "reason": "detector", "value": 1.0,
        "stableValue": null, "samples": 5, "evidence": "over 1", "since": epoch,
    });
    let decision = json!({
        "rollout": "data-tier", "revision": "1.5.0", "at": epoch, "event": "rolled-back", "step": null,
        "weight": 10.0, "requests": 5, "failed": 5, "grounds": { "limit": limit }, "limits": [limit],
    });
    assert_eq!(
        status,
        json!({
            "name": "data-tier", "rule": "route/data-tier", "phase": "RolledBack", "revision": "1.5.0",
            "since": epoch, "window": "5m",
            "message": "taken out: error-rate breaks its limit (at most 5 %) on the evidence of the latest requests; over \
                        5m it is 100 %, stable -; `serin retry data-tier` tries it again",
            "steps": [], "step": null, "heldSeconds": 0.0,
            "stable": stable, "canary": canary, "limits": [limit], "promotionLimits": [], "webhooks": [],
            "lastDecision": decision, "history": [decision],
        })
    );
}
