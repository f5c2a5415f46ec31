//! The controller and those that it asks and tells, at real sockets.

use super::*;
use crate::plan::{
    Inconclusive, Progression, Prometheus, Promotion, QueryLimit, Range, Step, Then, Webhook, WebhookKind,
};
use crate::rollout::stub::{Got, answer, nobody};
use crate::rollout::{HookAnswer, Kind, TICK};
use std::time::Instant;

fn hook(kind: WebhookKind, url: String) -> Webhook {
    Webhook {
        name: kind.name().into(),
        kind,
        url: url.into(),
        timeout: Duration::from_secs(30),
        interval: Duration::from_millis(10),
        retries: 0,
        threshold: 1,
        metadata: Vec::new(),
    }
}

/// A limit that asks the server at `url`.
fn query(url: String) -> Limit {
    let prometheus = Prometheus {
        url: url.into(),
        query: "up{version='{{canary}}'}".into(),
        timeout: Duration::from_secs(30),
        token_file: None,
        ca_file: None,
    };
    Limit::Query(QueryLimit {
        name: "up".into(),
        prometheus,
        range: Range { min: Some(1.0), max: None },
        window: FIVE_MINUTES,
        interval: Duration::from_millis(10),
        min_samples: 3,
    })
}

/// One step of 10 % that lasts no time, with `more` about the rollout.
fn stepped(more: impl FnOnce(&mut Rollout)) -> Arc<Plan> {
    let mut plan = one("1.5.0");
    let rollout = &mut Arc::get_mut(&mut plan).unwrap().rollouts[0];
    rollout.progression = Some(Progression {
        steps: vec![Step { weight: 10.0, hold: Duration::ZERO }],
        progress_deadline: Duration::from_secs(600),
        inconclusive: Inconclusive { after: Duration::from_secs(600), then: Then::Hold },
        promotion: Promotion { auto: true, limits: Vec::new(), return_over: Duration::from_secs(30) },
    });
    more(rollout);
    plan
}

fn hooked(kind: WebhookKind, url: String) -> Arc<Plan> {
    stepped(|rollout| rollout.webhooks = vec![hook(kind, url)])
}

impl Bench {
    /// Ticks until `there`.
    fn tick_until(&mut self, there: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !there(self) {
            assert!(Instant::now() < until, "not in time: {:?}", self.status());
            std::thread::sleep(Duration::from_millis(1));
            self.tick();
        }
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.status().phase == phase
    }

    /// What its first webhook said.
    fn heard(&self) -> Option<HookAnswer> {
        self.controller.judges[0].seen.heard[0].answer.clone()
    }

    fn asks_nothing(&self) -> bool {
        self.controller.judges[0].questions(&self.controller.plan.rollouts[0]).is_empty()
    }

    /// Waits until everyone is told.
    fn flush(&self) {
        self.controller.flush(Duration::from_secs(30));
        assert_eq!(self.controller.alerter.flush(Duration::ZERO), 0);
    }

    /// In the only step, with good requests enough to go on.
    fn healthy(plan: &Arc<Plan>, store: Kept) -> Self {
        let mut bench = Self::new(plan, store);
        bench.tick_until(|bench| bench.is_in(Phase::Progressing));
        bench.serve(0, 100, 200);
        bench.tick();
        bench
    }
}

#[test]
fn a_gate_is_asked_until_it_says_yes_and_then_no_more() {
    let gate = Stub::start(|number| {
        Some(if number < 2 { answer("403 Forbidden", "not yet\n") } else { answer("200 OK", "") })
    });
    let mut bench = Bench::new(&hooked(WebhookKind::ConfirmRollout, gate.url()), Kept::default());
    bench.tick_until(|bench| bench.heard() == Some(HookAnswer::No("403 Forbidden: not yet".into())));
    assert!(bench.is_in(Phase::Waiting));
    bench.tick_until(|bench| bench.is_in(Phase::Progressing));
    assert!(bench.asks_nothing());
    assert_eq!(gate.next().json()["phase"], "Waiting");
}

#[test]
fn a_breach_with_a_gate_that_hangs_is_out_at_the_next_tick() {
    let gate = Stub::hanging();
    let mut bench = Bench::healthy(&hooked(WebhookKind::ConfirmPromotion, gate.url()), Kept::default());
    gate.next();
    bench.tick();
    assert!(bench.is_in(Phase::Progressing), "it waits for the gate");
    bench.fail(0);
    assert_eq!((bench.status().phase, bench.share()), (Phase::RolledBack, Some(0.0)));
}

#[test]
fn those_that_hang_slow_no_tick() {
    let stub = Stub::hanging();
    let plan = stepped(|rollout| {
        rollout.webhooks = [WebhookKind::Rollout, WebhookKind::Rollback].map(|kind| hook(kind, stub.url())).into();
        rollout.webhooks.push(hook(WebhookKind::Event, stub.url()));
        rollout.rollback.push(query(stub.url()));
    });
    let mut bench = Bench::new(&plan, Kept::default());
    bench.tick_until(|bench| bench.is_in(Phase::Progressing));
    (0..4).for_each(|_| drop(stub.next()));
    let began = Instant::now();
    (0..100).for_each(|_| bench.tick());
    bench.fail(0);
    let took = began.elapsed();
    assert_eq!(bench.status().phase, Phase::RolledBack);
    assert!(took < 10 * TICK, "a hundred ticks took {took:?}");
}

#[test]
fn a_check_that_refuses_takes_the_canary_out_and_the_next_trial_begins_without_its_answer() {
    let check = Stub::start(|number| Some(answer(if number == 0 { "500 Oh No" } else { "200 OK" }, "")));
    let mut bench = Bench::new(&hooked(WebhookKind::Rollout, check.url()), Kept::default());
    bench.tick_until(|bench| bench.is_in(Phase::RolledBack));
    let grounds = bench.status().last_decision.unwrap().grounds.clone();
    let answer = "500 Internal Server Error".to_owned();
    assert_eq!(grounds, Grounds::Webhook { name: "rollout".into(), answer });
    bench.retry("data-tier").unwrap();
    assert_eq!(bench.heard(), None);
    bench.tick_until(|bench| bench.heard() == Some(HookAnswer::Yes));
    assert!(!bench.is_in(Phase::RolledBack));
}

#[test]
fn a_query_is_asked_for_as_long_as_the_canary_gets_traffic() {
    let server = Stub::always("200 OK", r#"{"status":"success","data":{"resultType":"scalar","result":[0,"1"]}}"#);
    let mut bench = Bench::new(&stepped(|rollout| rollout.rollback.push(query(server.url()))), Kept::default());
    bench.tick();
    for _ in 0..3 {
        assert_eq!(server.next().line, "GET /api/v1/query?query=up%7Bversion%3D%271.5.0%27%7D");
    }
    bench.tick();
    bench.fail(0);
    assert!(bench.is_in(Phase::RolledBack) && bench.asks_nothing());
}

#[test]
fn silence_is_neither_yes_nor_no() {
    let mut bench = Bench::new(&hooked(WebhookKind::Rollout, nobody()), Kept::default());
    bench.tick_until(|bench| bench.heard().is_some());
    let Some(HookAnswer::Silent(why)) = bench.heard() else { panic!("{:?}", bench.heard()) };
    assert!(why.ends_with("connection refused"), "{why}");
    assert!(bench.is_in(Phase::Progressing));
}

#[test]
fn the_promotion_is_told_once_and_again_after_a_restart_until_stable_is_rolled_forward() {
    let (pipeline, store) = (Stub::always("200 OK", ""), Kept::default());
    let bodies = || pipeline.rest().iter().map(Got::json).collect::<Vec<_>>();
    let plan = hooked(WebhookKind::Promotion, pipeline.url());
    let mut bench = Bench::healthy(&plan, store.clone());
    bench.tick_until(|bench| bench.is_in(Phase::Promoting));
    (0..10).for_each(|_| bench.tick());
    bench.reload(&plan);
    bench.flush();
    let told = bodies();
    assert_eq!((told.len(), &told[0]["phase"], &told[0]["checksum"]), (1, &json!("Promoting"), &json!("1.5.0")));
    assert_eq!(told[0]["decision"]["event"], Kind::Promoting.name());
    bench.end();

    let bench = Bench::new(&plan, store.clone());
    bench.flush();
    assert_eq!(bodies(), told);
    bench.end();

    let caught_up = stepped(|rollout| {
        rollout.webhooks = vec![hook(WebhookKind::Promotion, pipeline.url())];
        rollout.stable_caught_up = true;
    });
    let bench = Bench::new(&caught_up, store);
    bench.flush();
    assert!(bench.is_in(Phase::Promoting) && bodies().is_empty());
}

#[test]
fn the_end_of_a_trial_is_told_once() {
    let stub = Stub::always("200 OK", "");
    let mut bench = Bench::new(&hooked(WebhookKind::PostRollout, stub.url()), Kept::default());
    bench.tick();
    bench.fail(0);
    bench.fail(0);
    bench.flush();
    let told = stub.rest();
    assert_eq!((told.len(), &told[0].json()["phase"]), (1, &json!("RolledBack")));
}
