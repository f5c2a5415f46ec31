//! The traffic on its way back to stable: what stops it, and where it goes on.

use super::*;

fn returning() -> Walk {
    let mut walk = Walk::new(stepped("1"));
    walk.spec.stable_caught_up = true;
    walk.trial.state.standing = Standing::Promoting { weight: 100.0, returning: Some(100.0) };
    walk
}

fn stopped() -> Walk {
    let mut walk = returning();
    walk.ticks(10);
    walk.seen.stable_breach = Some(LimitRecord::new(&limit(), &finding(Verdict::Breach)));
    walk.ticks(1);
    walk.seen.stable_breach = None;
    walk
}

#[test]
fn the_return_goes_on_where_it_was_after_a_pause_and_after_a_restart() {
    let mut walk = returning();
    walk.ticks(16);
    let half = walk.share().unwrap();
    assert!((0.45..0.55).contains(&half), "{half}");
    walk.say(Verb::Pause).unwrap();
    walk.ticks(100);
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(half)));
    assert!(walk.message().contains("while the traffic returns"), "{}", walk.message());
    walk.say(Verb::Resume).unwrap();
    assert_eq!(walk.share(), Some(half));
    walk.restart();
    assert_eq!((walk.phase(), walk.share()), (Phase::Promoting, Some(half)));
    walk.ticks(17);
    assert_eq!((walk.phase(), walk.share()), (Phase::Succeeded, Some(0.0)));
}

#[test]
fn a_return_takes_its_time_bit_by_bit_and_one_without_time_is_over_at_once() {
    let mut walk = returning();
    let mut before = 1.0;
    for _ in 0..29 {
        walk.ticks(1);
        let share = walk.share().unwrap();
        assert!(share <= before && before - share < 0.05, "{before} {share}");
        before = share;
    }
    assert_eq!(walk.phase(), Phase::Promoting);
    walk.ticks(2);
    assert_eq!(walk.phase(), Phase::Succeeded);
    let mut walk = returning();
    walk.spec.progression.as_mut().unwrap().promotion.return_over = Duration::ZERO;
    walk.ticks(1);
    assert_eq!(walk.phase(), Phase::Succeeded);
}

#[test]
fn after_a_stable_that_failed_a_breach_of_the_canary_sends_nobody_back_to_it_and_is_told_once() {
    let mut walk = stopped();
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(1.0)));
    let told = walk.told.len();
    walk.verdict(Verdict::Breach);
    walk.ticks(100);
    assert_eq!((walk.phase(), walk.share()), (Phase::Paused, Some(1.0)));
    assert_eq!(walk.told[told..], [Kind::Inconclusive]);
    walk.restart();
    walk.verdict(Verdict::Breach);
    walk.ticks(10);
    assert_eq!(walk.phase(), Phase::Paused, "a restart does not forget what stable did");
    walk.say(Verb::Abort).unwrap();
    assert_eq!((walk.phase(), walk.share()), (Phase::RolledBack, Some(0.0)), "people may");
}

#[test]
fn all_the_traffic_is_not_given_to_a_canary_that_is_not_there() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(5);
    walk.say(Verb::Pause).unwrap();
    walk.seen.canary_ready = false;
    walk.ticks(1);
    assert!(walk.say(Verb::Promote { full: true }).is_err());
    assert_eq!(walk.share(), Some(0.1));
}

#[test]
fn a_stable_that_is_not_ready_is_in_the_sentence_for_people() {
    let mut walk = Walk::new(stepped("1"));
    walk.ticks(5);
    walk.seen.stable_ready = false;
    assert!(walk.message().ends_with("stable has no ready endpoint"), "{}", walk.message());
    walk.say(Verb::Abort).unwrap();
    assert!(walk.message().ends_with("stable has no ready endpoint"), "{}", walk.message());
}
