//! Gates, verbs, edits of the plan, and what is remembered.

use super::*;

#[test]
fn gates_are_asked_in_their_order_and_a_shut_one_holds() {
    let mut spec = stepped("1");
    spec.webhooks =
        [WebhookKind::ConfirmTrafficIncrease, WebhookKind::PreRollout, WebhookKind::ConfirmRollout].map(hook).into();
    let mut walk = Walk::new(spec);
    let yes = || Heard { answer: Some(HookAnswer::Yes), refusals: 0 };
    let asked = |walk: &Walk| crate::rollout::gates::asked(&walk.spec, &walk.trial, &walk.seen);
    walk.seen.canary_ready = false;
    walk.ticks(1);
    assert_eq!(asked(&walk), Vec::<usize>::new(), "nobody before the canary is ready");
    walk.seen.canary_ready = true;
    for (index, name) in [(2, "confirm-rollout"), (1, "pre-rollout"), (0, "confirm-traffic-increase")] {
        walk.ticks(100);
        assert_eq!((walk.phase(), asked(&walk)), (Phase::Waiting, vec![index]));
        assert!(walk.message().contains(name), "{}", walk.message());
        walk.seen.heard[index] = Heard { answer: Some(HookAnswer::No("403".into())), refusals: 9 };
        walk.ticks(1);
        assert_eq!(walk.phase(), Phase::Waiting);
        walk.seen.heard[index] = yes();
    }
    walk.ticks(1);
    assert_eq!((walk.phase(), asked(&walk)), (Phase::Progressing, Vec::new()));
    // Whoever keeps the answers forgets those of another point.
    walk.seen.heard[0] = Heard::default();
    walk.ticks(1_000);
    assert_eq!((walk.share(), asked(&walk)), (Some(0.1), vec![0]));
    walk.verdict(Verdict::Breach);
    walk.ticks(1);
    assert_eq!(walk.phase(), Phase::RolledBack, "a breach is acted on whatever a gate says");
}

#[test]
fn a_webhook_that_refuses_often_enough_and_one_that_asks_for_it_take_the_canary_out() {
    for (kind, answer, refusals, out) in [
        (WebhookKind::Rollout, HookAnswer::No("500".into()), 1, false),
        (WebhookKind::Rollout, HookAnswer::No("500".into()), 2, true),
        (WebhookKind::Rollout, HookAnswer::Silent("refused".into()), 9, false),
        (WebhookKind::Rollback, HookAnswer::No("404".into()), 9, false),
        (WebhookKind::Rollback, HookAnswer::Yes, 0, true),
    ] {
        let mut walk = Walk::new(Rollout { webhooks: vec![hook(kind)], ..stepped("1") });
        walk.ticks(1);
        walk.seen.heard[0] = Heard { answer: Some(answer), refusals };
        walk.ticks(1);
        assert_eq!(walk.phase() == Phase::RolledBack, out, "{kind:?} {refusals}");
    }
}

#[test]
fn without_auto_it_waits_for_serin_promote() {
    let mut walk = Walk::new(stepped("1"));
    walk.spec.progression.as_mut().unwrap().promotion.auto = false;
    walk.ticks(10_000);
    assert_eq!((walk.phase(), walk.share()), (Phase::Progressing, Some(1.0)));
    assert!(walk.message().contains("serin promote data-tier"), "{}", walk.message());
    walk.say(Verb::Promote { full: false }).unwrap();
    assert_eq!(walk.phase(), Phase::Promoting);
}

#[test]
fn promote_said_twice_in_a_row_goes_on_once() {
    let promote = Verb::Promote { full: false };
    // From a gate before the first step, from step to step, and from a pause.
    let waiting = Walk::new(stepped("1"));
    let mut in_a_step = Walk::new(stepped("1"));
    in_a_step.ticks(5);
    let mut paused = Walk::new(stepped("1"));
    paused.ticks(5);
    paused.say(Verb::Pause).unwrap();
    for (mut walk, goes_to, and_then) in [(waiting, 0.1, 0.5), (in_a_step, 0.5, 1.0), (paused, 0.1, 0.5)] {
        walk.trial.progress.canary_ready = true;
        walk.say(promote).unwrap();
        assert_eq!(walk.share(), Some(goes_to));
        for second in [0, 9] {
            walk.ticks(second);
            let before = walk.trial.state.clone();
            let no = walk.say(promote).unwrap_err();
            assert!(no.contains("`serin promote` brought it here"), "{no}");
            assert_eq!(walk.trial.state, before, "{no}");
        }
        walk.ticks(1);
        walk.say(promote).unwrap();
        assert_eq!(walk.share(), Some(and_then), "later it means the next step");
    }
}

#[test]
fn promote_after_something_else_has_happened_is_no_repetition() {
    let promote = |full| Verb::Promote { full };
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(1);
    walk.say(promote(false)).unwrap();
    walk.say(Verb::Pause).unwrap();
    walk.say(promote(false)).unwrap();
    assert_eq!((walk.phase(), walk.share()), (Phase::Progressing, Some(0.5)));
    walk.say(promote(true)).unwrap();
    assert_eq!(walk.phase(), Phase::Promoting);
    for full in [false, true] {
        assert!(walk.say(promote(full)).unwrap_err().starts_with("it is promoted already"));
    }
    // The last step's end, and not a step's beginning, is what it was brought to.
    let mut walk = Walk::new(stepped("1"));
    walk.spec.progression.as_mut().unwrap().promotion.auto = false;
    walk.ticks(10_000);
    walk.say(promote(false)).unwrap();
    assert!(walk.say(promote(false)).unwrap_err().starts_with("it is promoted already"));
}

#[test]
fn a_pause_keeps_the_weight_and_what_was_held_and_a_breach_ends_it() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(31);
    walk.say(Verb::Pause).unwrap();
    walk.ticks(10_000);
    assert_eq!(walk.share(), Some(0.1));
    walk.say(Verb::Resume).unwrap();
    walk.ticks(30);
    assert_eq!(walk.share(), Some(0.5));
    walk.say(Verb::Pause).unwrap();
    walk.verdict(Verdict::Breach);
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::RolledBack, Some(0.0)));
}

#[test]
fn a_weight_set_by_hand_holds_until_resume_which_goes_on_below_it() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(1);
    walk.say(Verb::SetWeight(60.5)).unwrap();
    walk.ticks(10_000);
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(0.605)));
    walk.say(Verb::Resume).unwrap();
    assert_eq!(walk.share(), Some(0.5));
    walk.ticks(59);
    assert_eq!(walk.share(), Some(0.5), "the step's time is held from its beginning");
}

#[test]
fn a_rollout_without_steps_leaves_the_weights_to_the_file_and_can_be_aborted() {
    let mut walk = Walk::new(guarded("1"));
    walk.ticks(10_000);
    assert_eq!((walk.phase(), walk.share()), (Phase::Progressing, None));
    for verb in [Verb::Pause, Verb::Resume, Verb::Promote { full: true }, Verb::SetWeight(1.0)] {
        assert!(walk.say(verb).unwrap_err().contains("file"), "{verb}");
    }
    walk.say(Verb::Abort).unwrap();
    assert_eq!((walk.phase(), walk.share()), (Phase::RolledBack, Some(0.0)));
    walk.say(Verb::Retry).unwrap();
    assert_eq!(walk.share(), None);
}

#[test]
fn another_plan_for_the_same_revision_never_gives_the_canary_more() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(61);
    assert_eq!(walk.share(), Some(0.5));
    let steps = [5.0, 20.0, 80.0].map(|weight| Step { weight, hold: MINUTE });
    walk.spec.progression.as_mut().unwrap().steps = steps.into();
    walk.event(Event::Planned);
    assert_eq!(walk.share(), Some(0.2));
    let steps = walk.spec.progression.take();
    walk.event(Event::Planned);
    assert_eq!((walk.phase(), walk.share()), (Phase::Waiting, None));
    walk.ticks(1);
    walk.spec.progression = steps;
    walk.event(Event::Planned);
    assert_eq!((walk.phase(), walk.share()), (Phase::Waiting, Some(0.0)));
}

#[test]
fn with_nothing_to_try_there_is_no_trial() {
    let spec = Rollout { stable_caught_up: true, ..stepped("1") };
    let mut walk = Walk::new(spec);
    walk.ticks(100);
    assert_eq!((walk.phase(), walk.share(), walk.told.len()), (Phase::Succeeded, Some(0.0), 0));
    walk.spec = stepped("2");
    walk.event(Event::Planned);
    assert_eq!((walk.phase(), walk.told.as_slice()), (Phase::Waiting, [Kind::NewRevision].as_slice()));
}

#[test]
fn the_traffic_comes_first_then_the_state_then_who_is_told() {
    let mut walk = Walk::new(guarded("1.5.0"));
    walk.verdict(Verdict::Breach);
    walk.ticks(9);
    let mut walk = Walk::new(guarded("1.5.0"));
    walk.verdict(Verdict::Breach);
    walk.second = 8;
    walk.ticks(1);
    let decision = walk.trial.state.last_decision.clone().unwrap();
    let expected = [
        Action::SetCanaryShare(Some(0.0)),
        Action::Save,
        Action::Count("error-rate".into()),
        Action::Tell(Box::new((*decision).clone())),
    ];
    assert_eq!(walk.actions, expected);
    assert_eq!((walk.trial.state.since, decision.at, decision.weight), (at(9).wall, at(9).wall, 10.0));
    assert_eq!((decision.requests, decision.failed, decision.grounds.label()), (16, 8, "error-rate"));
}

#[test]
fn a_state_that_cannot_be_read_keeps_the_canary_out_until_retry_or_another_revision() {
    let unreadable = || {
        let mut walk = Walk::new(guarded("1.5.0"));
        walk.trial = Trial::new(State::unreadable(&walk.spec, at(0)));
        walk
    };
    let mut walk = unreadable();
    assert_eq!(walk.share(), Some(0.0));
    walk.say(Verb::Retry).unwrap();
    assert_eq!(walk.share(), None);
    let mut walk = unreadable();
    walk.spec.revision = "1.5.1".into();
    walk.event(Event::Planned);
    assert_eq!(walk.share(), None);
}

#[test]
fn memory_is_bounded_and_keeps_the_latest() {
    let mut walk = Walk::new(guarded("0"));
    walk.verdict(Verdict::Breach);
    for revision in 0..=State::FAILED_REVISIONS {
        walk.spec.revision = revision.to_string().into();
        walk.event(Event::Planned);
        walk.ticks(1);
    }
    let state = &walk.trial.state;
    assert_eq!((state.failed_revisions.len(), state.history.len()), (State::FAILED_REVISIONS, State::HISTORY));
    assert_eq!(&**state.failed_revisions.back().unwrap(), "100");
    assert_eq!(&*state.history.back().unwrap().revision, "100");
}
