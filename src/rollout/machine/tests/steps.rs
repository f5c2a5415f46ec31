//! Steps, readiness and promotion, walked through.

use super::*;

#[test]
fn a_healthy_canary_takes_every_step_in_its_time_and_is_promoted() {
    let mut walk = Walk::new(stepped("1"));
    assert_eq!(walk.share(), Some(0.0));
    walk.ticks(1);
    assert_eq!(walk.share(), Some(0.1));
    for (weight, next) in [(0.1, 0.5), (0.5, 1.0)] {
        walk.ticks(59);
        assert_eq!(walk.share(), Some(weight));
        walk.ticks(1);
        assert_eq!(walk.share(), Some(next));
    }
    walk.ticks(60);
    assert_eq!((walk.phase(), walk.share()), (Phase::Promoting, Some(1.0)));
    assert!(walk.message().contains("waits for stable to run 1"), "{}", walk.message());
    walk.ticks(1_000);
    assert_eq!((walk.phase(), walk.share()), (Phase::Promoting, Some(1.0)), "until stable has been rolled forward");
    walk.spec.stable_caught_up = true;
    walk.seen.stable_ready = false;
    walk.event(Event::Planned);
    walk.ticks(10);
    assert_eq!(walk.share(), Some(1.0), "and is ready");
    walk.seen.stable_ready = true;
    walk.ticks(1 + 15);
    assert_eq!((walk.phase(), walk.share()), (Phase::Promoting, Some(0.5)), "half of it is back half way");
    walk.ticks(15);
    assert_eq!((walk.phase(), walk.share()), (Phase::Succeeded, Some(0.0)));
    let expected = [Kind::Started, Kind::Step, Kind::Step, Kind::Promoting, Kind::Returning, Kind::Promoted];
    assert_eq!(walk.told, expected);
    let history: Vec<Kind> = walk.trial.state.history.iter().map(|decision| decision.event).collect();
    assert_eq!(history, expected);
    assert_eq!(walk.trial.state.history[2].limits.len(), 1, "with the numbers that it came from");
}

#[test]
fn only_healthy_time_is_held() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(31);
    walk.verdict(Verdict::Inconclusive);
    walk.ticks(10_000);
    assert_eq!(walk.share(), Some(0.1));
    assert!(walk.message().contains("held 30s of 1m"), "{}", walk.message());
    assert!(walk.message().contains("not enough requests"), "{}", walk.message());
    walk.verdict(Verdict::Healthy);
    walk.ticks(29);
    assert_eq!(walk.share(), Some(0.1));
    walk.ticks(1);
    assert_eq!(walk.share(), Some(0.5));
}

#[test]
fn a_promotion_limit_that_is_not_healthy_holds_the_step_and_takes_nothing_out() {
    let mut walk = Walk::new(stepped("1"));
    walk.seen.promotion = vec![finding(Verdict::Inconclusive)];
    walk.ticks(1_000);
    assert_eq!((walk.phase(), walk.share()), (Phase::Progressing, Some(0.1)));
    walk.seen.promotion = vec![finding(Verdict::Healthy)];
    walk.ticks(60);
    assert_eq!(walk.share(), Some(0.5));
}

#[test]
fn a_clock_that_jumps_advances_nothing() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(2);
    walk.second += 1_000_000;
    walk.ticks(1);
    assert_eq!((walk.share(), walk.trial.progress.held), (Some(0.1), Duration::from_secs(2)));
    let far = Timestamp::from_duration(Duration::from_secs(4_000_000_000));
    let moment = Moment { spec: &walk.spec, seen: &walk.seen, now: Now { wall: far, ..at(walk.second + 1) } };
    let (trial, _) = step(&moment, &walk.trial, Event::Observed);
    assert_eq!(trial.progress.held, Duration::from_secs(3));
}

#[test]
fn what_nobody_can_conclude_is_told_once_and_held_or_rolled_back() {
    let mut walk = Walk::new(stepped("1"));
    walk.verdict(Verdict::Inconclusive);
    walk.ticks(1 + 3_600);
    assert_eq!(walk.told, [Kind::Started, Kind::Inconclusive]);
    walk.ticks(10_000);
    assert_eq!((walk.told.len(), walk.phase()), (2, Phase::Progressing));
    walk.verdict(Verdict::Healthy);
    walk.ticks(61);
    assert_eq!(walk.share(), Some(0.5), "it goes on when it can");
    let mut walk = Walk::new(stepped("1"));
    walk.spec.progression.as_mut().unwrap().inconclusive.then = Then::Rollback;
    walk.verdict(Verdict::Inconclusive);
    walk.ticks(1 + 3_599);
    assert_eq!(walk.phase(), Phase::Progressing);
    walk.ticks(1);
    assert_eq!(walk.phase(), Phase::RolledBack);
    assert_eq!(walk.trial.state.last_decision.as_ref().unwrap().grounds.label(), "inconclusive");
}

#[test]
fn a_canary_that_is_not_ready_in_time_is_out_and_one_that_goes_away_gets_nothing_meanwhile() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(70);
    walk.seen.canary_ready = false;
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Waiting, Some(0.0)));
    walk.seen.canary_ready = true;
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Progressing, Some(0.5)), "the same step, from its beginning");
    assert_eq!(walk.trial.progress.held, Duration::ZERO);
    walk.ticks(1);
    walk.seen.canary_ready = false;
    walk.ticks(600);
    assert_eq!(walk.phase(), Phase::Waiting);
    walk.ticks(1);
    assert_eq!(walk.phase(), Phase::RolledBack);
    assert_eq!(walk.trial.state.last_decision.as_ref().unwrap().grounds.label(), "progress-deadline");
}

#[test]
fn stable_not_ready_keeps_the_traffic_on_the_side_that_is_well() {
    let mut walk = Walk::new(stepped("1"));
    walk.spec.stable_caught_up = true;
    walk.trial.state.standing = Standing::Promoting { weight: 100.0, returning: Some(100.0) };
    walk.ticks(10);
    assert!(walk.share().unwrap() < 1.0);
    walk.seen.stable_ready = false;
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Promoting, Some(1.0)));
    walk.verdict(Verdict::Breach);
    walk.ticks(10);
    assert_eq!(walk.share(), Some(1.0), "nobody is served by a stable that is not there");
    walk.seen.stable_ready = true;
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::RolledBack, Some(0.0)), "and as soon as it is there");
}

#[test]
fn a_stable_that_breaches_while_the_traffic_returns_to_it_gives_it_back_and_waits_for_people() {
    let mut walk = Walk::new(stepped("1"));
    walk.spec.stable_caught_up = true;
    walk.trial.state.standing = Standing::Promoting { weight: 100.0, returning: Some(100.0) };
    walk.ticks(10);
    assert!(walk.share().unwrap() < 1.0);
    walk.seen.stable_breach = Some(LimitRecord::new(&limit(), &finding(Verdict::Breach)));
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(1.0)));
    assert_eq!(walk.told, [Kind::ReturnStopped]);
    assert!(walk.message().contains("stable has error-rate 50 %"), "{}", walk.message());
    walk.restart();
    walk.ticks(100);
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(1.0)), "not again by itself");
    walk.seen.stable_breach = None;
    walk.say(Verb::Resume).unwrap();
    walk.ticks(40);
    assert_eq!(walk.phase(), Phase::Succeeded);
}

#[test]
fn the_canary_going_away_during_the_promotion_leaves_the_traffic_to_stable() {
    let mut walk = Walk::new(stepped("1"));
    walk.trial.state.standing = Standing::Promoting { weight: 100.0, returning: None };
    walk.seen.canary_ready = false;
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Waiting, Some(0.0)));
    walk.spec.stable_caught_up = true;
    walk.trial.state.standing = Standing::Promoting { weight: 100.0, returning: Some(100.0) };
    walk.ticks(1);
    assert_eq!((walk.phase(), walk.share()), (Phase::Succeeded, Some(0.0)));
}
