//! What counts as evidence for a step, and what a decision says it came from.

use super::*;

#[test]
fn a_step_is_held_on_requests_of_its_own() {
    let mut walk = Walk::new(stepped("1"));
    walk.seen.step_requests = 49;
    walk.ticks(1_000);
    assert_eq!((walk.share(), walk.trial.progress.held), (Some(0.1), Duration::ZERO), "healthy by the step before");
    assert!(walk.message().contains("not enough requests in this step (49 of 50)"), "{}", walk.message());
    walk.seen.step_requests = 50;
    walk.ticks(61);
    assert_eq!(walk.share(), Some(0.5));
}

#[test]
fn a_canary_that_comes_and_goes_runs_into_its_deadlines() {
    let flap = |walk: &mut Walk, seconds: u64| {
        for second in 0..seconds {
            walk.seen.canary_ready = second % 2 == 0;
            walk.ticks(1);
        }
    };
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(5);
    walk.verdict(Verdict::Inconclusive);
    flap(&mut walk, 1_300);
    let label = |walk: &Walk| walk.trial.state.last_decision.as_ref().unwrap().grounds.label().to_owned();
    assert_eq!((walk.phase(), label(&walk)), (Phase::RolledBack, "progress-deadline".to_owned()));
    let mut walk = Walk::new(stepped("1"));
    walk.spec.progression.as_mut().unwrap().inconclusive = Inconclusive { after: 2 * MINUTE, then: Then::Rollback };
    walk.ticks(5);
    walk.verdict(Verdict::Inconclusive);
    flap(&mut walk, 300);
    assert_eq!((walk.phase(), label(&walk)), (Phase::RolledBack, "inconclusive".to_owned()));
    // Healthy time in between is a new beginning.
    let mut walk = Walk::new(stepped("1"));
    for _ in 0..10 {
        walk.seen.canary_ready = false;
        walk.ticks(500);
        walk.seen.canary_ready = true;
        walk.ticks(5);
    }
    assert_eq!(walk.phase(), Phase::Progressing);
}

#[test]
fn what_was_seen_of_one_revision_is_not_in_a_decision_about_the_next() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(70);
    walk.spec.revision = "2".into();
    walk.event(Event::Planned);
    let decision = walk.trial.state.history.back().unwrap();
    assert_eq!((decision.event, &*decision.revision), (Kind::NewRevision, "2"));
    let numbers = (decision.step, decision.weight.to_bits(), decision.requests, decision.failed, decision.limits.len());
    assert_eq!(numbers, (None, 0, 0, 0, 0));
}

#[test]
fn a_smoke_test_that_does_not_pass_is_named_to_whoever_is_told() {
    let mut walk = Walk::new(stepped("1"));
    walk.spec.webhooks = vec![hook(WebhookKind::PreRollout)];
    walk.seen.heard = vec![Heard { answer: Some(HookAnswer::No("412".into())), refusals: 1 }];
    walk.ticks(3_601);
    let told = walk.trial.state.history.back().unwrap();
    assert!(told.event == Kind::Inconclusive && told.to_string().contains("pre-rollout"), "{told}");
}
