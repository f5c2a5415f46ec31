//! What failed under one name has failed under the next one.

use super::*;
use crate::rollout::Kind;

fn named(name: &str, version: &str) -> Arc<Plan> {
    plan(&[(name, version, &[error_rate(0.05)])])
}

/// The events that taking up `plan` is told with.
fn told(bench: &mut Bench, plan: &Arc<Plan>) -> Vec<Kind> {
    let effects = bench.controller.apply_plan(plan, &bench.registry, bench.clock.now());
    let published = effects.publish(|shares| bench.published.push(shares.to_vec()));
    bench.controller.finish(published).into_iter().map(|decision| decision.event).collect()
}

#[test]
fn a_failed_revision_stays_out_when_its_rollout_is_renamed_until_someone_says_retry() {
    let mut bench = Bench::new(&named("old", "1.5.0"), Kept::default());
    bench.fail(0);
    assert_eq!(told(&mut bench, &named("new", "1.5.0")), [Kind::KeptOut]);
    assert_eq!(bench.published.last().unwrap(), &[Some(0.0)], "out in the first snapshot under the new name");
    bench.tick();
    assert_eq!((bench.status().phase, bench.share()), (Phase::RolledBack, Some(0.0)));
    assert_eq!(&*bench.status().revision, "1.5.0");
    bench.retry("new").unwrap();
    assert_eq!(bench.share(), None);
    bench.reload(&named("new", "1.5.0"));
    assert_eq!(bench.share(), None, "the retry holds");
}

#[test]
fn a_failed_revision_stays_out_when_its_rollout_is_renamed_while_the_process_is_down() {
    let store = Kept::default();
    let mut bench = Bench::new(&named("old", "1.5.0"), store.clone());
    bench.fail(0);
    bench.end();
    let bench = Bench::new(&named("new", "1.5.0"), store.clone());
    assert_eq!(bench.published, [[Some(0.0)]], "out in the very first snapshot");
    bench.end();
    let bench = Bench::new(&named("new", "1.5.0"), store);
    assert_eq!((bench.status().phase, bench.share()), (Phase::RolledBack, Some(0.0)));
}

#[test]
fn another_revision_or_a_rollout_beside_the_one_that_failed_is_tried() {
    let mut bench = Bench::new(&named("old", "1.5.0"), Kept::default());
    bench.fail(0);
    let limits: &[Limit] = &[error_rate(0.05)];
    assert_eq!(told(&mut bench, &plan(&[("old", "1.5.0", limits), ("other", "1.5.0", limits)])), []);
    assert_eq!(bench.controller.canary_shares(), [Some(0.0), None], "a rollout that is there speaks for itself");
    bench.reload(&named("new", "1.5.1"));
    assert_eq!(bench.share(), None);
}
