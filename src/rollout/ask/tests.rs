//! Questions at real sockets: when they are asked, and which answers count.

use super::*;
use crate::plan::{Webhook, WebhookKind};
use crate::rollout::control::tests::plan;
use crate::rollout::stub::{self, Got, Stub};
use std::time::Duration;

const OFTEN: Duration = Duration::from_millis(10);
const ONCE: Duration = Duration::from_secs(3_600);

fn a_plan() -> Arc<Plan> {
    plan(&[("data-tier", "1.5.0", &[])])
}

fn rollout(url: String, interval: Duration) -> Rollout {
    let webhook = Webhook {
        name: "gate".into(),
        kind: WebhookKind::Rollout,
        url: url.into(),
        timeout: Duration::from_secs(30),
        interval,
        retries: 0,
        threshold: 1,
        metadata: Vec::new(),
    };
    Rollout { webhooks: vec![webhook], ..a_plan().rollouts[0].clone() }
}

/// Asks the webhook of each of `specs`.
fn want(asker: &mut Asker, plan: &Arc<Plan>, specs: &[Rollout], phase: Phase) {
    let question = Question { of: QuestionOf::Webhook(0), occasion: 0 };
    asker.want(plan, specs.iter().map(|spec| Wanted { spec, question, phase }));
}

/// The next answer, waited for.
fn answer(asker: &mut Asker) -> HookAnswer {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        match asker.answer() {
            Some(Answered { said: Said::Hook(answer), .. }) => return answer,
            Some(other) => panic!("{other:?}"),
            None => assert!(std::time::Instant::now() < until, "an answer comes"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn no() -> HookAnswer {
    HookAnswer::No("403 Forbidden".into())
}

fn phase(got: &Got) -> String {
    got.json()["phase"].as_str().unwrap().to_owned()
}

#[test]
fn a_question_is_asked_at_once_and_then_again_and_again() {
    let stub = Stub::always("403 Forbidden", "");
    let (mut asker, plan) = (Asker::default(), a_plan());
    assert!(asker.answer().is_none() && asker.thread.is_none(), "without a question there is no thread");
    want(&mut asker, &plan, &[rollout(stub.url(), OFTEN)], Phase::Progressing);
    (0..3).for_each(|_| assert_eq!(answer(&mut asker), no()));
}

#[test]
fn wanting_the_same_again_asks_nothing_anew_and_another_phase_goes_with_the_next_question() {
    let stub = Stub::always("403 Forbidden", "");
    let (mut asker, plan) = (Asker::default(), a_plan());
    let specs = [rollout(stub.url(), OFTEN)];
    want(&mut asker, &plan, &specs, Phase::Progressing);
    assert_eq!(phase(&stub.next()), "Progressing");
    // Another plan that comes to the same question, too.
    want(&mut asker, &a_plan(), &specs, Phase::Paused);
    while phase(&stub.next()) != "Paused" {}
    assert_eq!(asker.last, 1, "one question");
}

#[test]
fn a_question_that_has_changed_is_asked_at_once_and_the_old_answer_is_none() {
    let (old, new) = (Stub::hanging(), Stub::always("403 Forbidden", ""));
    let (mut asker, plan) = (Asker::default(), a_plan());
    want(&mut asker, &plan, &[rollout(old.url(), ONCE)], Phase::Progressing);
    old.next();
    want(&mut asker, &a_plan(), &[rollout(new.url(), ONCE)], Phase::Progressing);
    assert_eq!(answer(&mut asker), no());
}

#[test]
fn the_answer_to_what_nobody_wants_to_know_any_more_is_dropped() {
    let stub = Stub::start(|number| Some(stub::answer(if number == 0 { "403 Forbidden" } else { "200 OK" }, "")));
    let (mut asker, plan) = (Asker::default(), a_plan());
    let specs = [rollout(stub.url(), ONCE)];
    want(&mut asker, &plan, &specs, Phase::Progressing);
    // It has come, and is not taken before it is too late.
    while asker.thread.as_ref().unwrap().answers.is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    want(&mut asker, &plan, &[], Phase::Progressing);
    want(&mut asker, &plan, &specs, Phase::Progressing);
    assert_eq!(answer(&mut asker), HookAnswer::Yes);
}

#[test]
fn who_does_not_answer_keeps_nobody_else_from_being_asked() {
    let (hanging, stub) = (Stub::hanging(), Stub::always("403 Forbidden", ""));
    let (mut asker, plan) = (Asker::default(), a_plan());
    let other = Rollout { name: "other".into(), ..rollout(stub.url(), OFTEN) };
    want(&mut asker, &plan, &[rollout(hanging.url(), OFTEN), other], Phase::Progressing);
    hanging.next();
    (0..3).for_each(|_| assert_eq!(answer(&mut asker), no()));
    assert!(hanging.rest().is_empty(), "one request at a time");
}
