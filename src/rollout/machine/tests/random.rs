//! Random sequences, against what must never happen.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy)]
enum Happening {
    Ticks { seconds: u64, verdict: Verdict, canary_ready: bool, stable_ready: bool },
    Plan { revision: u8, caught_up: bool, steps: bool },
    Say(Verb),
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Healthy), 2 => Just(Verdict::Inconclusive), 1 => Just(Verdict::Breach)
    ];
    let often = || proptest::bool::weighted(0.9);
    let verb = prop_oneof![
        any::<bool>().prop_map(|full| Verb::Promote { full }),
        Just(Verb::Abort),
        Just(Verb::Pause),
        Just(Verb::Resume),
        Just(Verb::Retry),
        (0.0..=100.0).prop_map(Verb::SetWeight),
    ];
    prop_oneof![
        8 => (1..100_u64, verdict, often(), often()).prop_map(|(seconds, verdict, canary_ready, stable_ready)| {
            Happening::Ticks { seconds, verdict, canary_ready, stable_ready }
        }),
        2 => (0..3_u8, proptest::bool::weighted(0.3), often())
            .prop_map(|(revision, caught_up, steps)| Happening::Plan { revision, caught_up, steps }),
        2 => verb.prop_map(Happening::Say),
        1 => Just(Happening::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(happenings in proptest::collection::vec(happening(), 1..60)) {
        let mut walk = Walk::new(stepped("0"));
        let mut failed: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut published = walk.share();
        for happening in happenings {
            // One thing at a time, so that each is seen with what came of it.
            let times = if let Happening::Ticks { seconds, .. } = happening { seconds } else { 1 };
            for _ in 0..times {
                let (before, before_step) = (walk.share(), walk.trial.state.standing.at());
                let told = walk.told.len();
                walk.actions.clear();
                match happening {
                    Happening::Ticks { verdict, canary_ready, stable_ready, .. } => {
                        (walk.seen.canary_ready, walk.seen.stable_ready) = (canary_ready, stable_ready);
                        walk.verdict(verdict);
                        walk.ticks(1);
                    }
                    Happening::Plan { revision, caught_up, steps } => {
                        walk.spec = if steps { stepped(&revision.to_string()) } else { guarded(&revision.to_string()) };
                        walk.spec.stable_caught_up = caught_up && steps;
                        walk.event(Event::Planned);
                    }
                    Happening::Say(verb) => {
                        if walk.say(verb).is_ok() && verb == Verb::Retry {
                            failed.remove(&walk.spec.revision);
                        }
                    }
                    Happening::Restart => {
                        walk.restart();
                        // The process published what it had loaded.
                        published = walk.share();
                    }
                }
                if walk.told[told..].contains(&Kind::RolledBack) {
                    failed.insert(Arc::clone(&walk.spec.revision));
                }
                for action in &walk.actions {
                    if let Action::SetCanaryShare(share) = action {
                        published = *share;
                    }
                }
                let share = walk.share();
                if !matches!(happening, Happening::Plan { .. }) {
                    prop_assert_eq!(published, share, "the actions tell the same as the trial");
                }
                published = share;
                if failed.contains(&walk.spec.revision) {
                    prop_assert_eq!(share, Some(0.0), "a failed revision gets nothing");
                }
                prop_assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
                prop_assert!(walk.told.len() <= told + 1, "one thing at a time");
                if let (Happening::Ticks { verdict, .. }, Some(before), Some(now)) = (happening, before, share)
                    && now > before
                {
                    let step = walk.trial.state.standing.at();
                    let one_more = step.zip(before_step).is_none_or(|(now, then)| now.step <= then.step + 1);
                    prop_assert!(one_more, "never two steps at once");
                    prop_assert!(verdict != Verdict::Breach || !walk.seen.stable_ready, "nothing more on a breach");
                }
            }
        }
    }
}
