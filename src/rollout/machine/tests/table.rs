//! Every phase with every event.

use super::*;

/// One standing of each phase.
fn standings() -> [Standing; 6] {
    let first = At { step: 0, weight: 10.0 };
    [
        Standing::NEW,
        Standing::Progressing { at: Some(first) },
        Standing::Paused { from: PausedFrom::Progressing(first), weight: None },
        Standing::Promoting { weight: 100.0, returning: None },
        Standing::Succeeded,
        Standing::RolledBack,
    ]
}

type Happens = Box<dyn Fn(&mut Walk) -> bool>;

/// Every pair of phase and event: the phase that follows. `!` is a refusal, which changes nothing.
#[test]
fn every_phase_answers_every_event() {
    use Phase::{Paused, Progressing, Promoting, RolledBack, Succeeded, Waiting};
    let tick = |verdict, ready| {
        move |walk: &mut Walk| {
            walk.seen.canary_ready = ready;
            walk.verdict(verdict);
            walk.ticks(1);
            true
        }
    };
    let say = |verb| move |walk: &mut Walk| walk.say(verb).is_ok();
    let no = None;
    #[rustfmt::skip]
    let table: [(&str, Happens, [Option<Phase>; 6]); 16] = [
        ("planned", Box::new(|w| { w.event(Event::Planned); true }),
            [Some(Waiting), Some(Progressing), Some(Paused), Some(Promoting), Some(Succeeded), Some(RolledBack)]),
        ("another revision", Box::new(|w| { w.spec.revision = "2".into(); w.event(Event::Planned); true }),
            [Some(Waiting); 6]),
        ("healthy", Box::new(tick(Verdict::Healthy, true)),
            [Some(Progressing), Some(Progressing), Some(Paused), Some(Promoting), Some(Succeeded), Some(RolledBack)]),
        ("inconclusive", Box::new(tick(Verdict::Inconclusive, true)),
            [Some(Progressing), Some(Progressing), Some(Paused), Some(Promoting), Some(Succeeded), Some(RolledBack)]),
        ("not ready", Box::new(tick(Verdict::Healthy, false)),
            [Some(Waiting), Some(Waiting), Some(Paused), Some(Waiting), Some(Succeeded), Some(RolledBack)]),
        ("breach", Box::new(tick(Verdict::Breach, true)),
            [Some(RolledBack), Some(RolledBack), Some(RolledBack), Some(RolledBack), Some(Succeeded), Some(RolledBack)]),
        ("breach and not ready", Box::new(tick(Verdict::Breach, false)),
            [Some(RolledBack), Some(RolledBack), Some(RolledBack), Some(RolledBack), Some(Succeeded), Some(RolledBack)]),
        ("breach and stable not ready", Box::new(|w| {
            w.seen.stable_ready = false; w.verdict(Verdict::Breach); w.ticks(1); true
        }), [Some(Progressing), Some(Progressing), Some(Paused), Some(Promoting), Some(Succeeded), Some(RolledBack)]),
        ("promote", Box::new(say(Verb::Promote { full: false })),
            [Some(Progressing), Some(Progressing), Some(Progressing), no, no, no]),
        ("promote --full", Box::new(say(Verb::Promote { full: true })),
            [Some(Promoting), Some(Promoting), Some(Promoting), no, no, no]),
        ("abort", Box::new(say(Verb::Abort)),
            [Some(RolledBack), Some(RolledBack), Some(RolledBack), Some(RolledBack), no, no]),
        ("pause", Box::new(say(Verb::Pause)), [Some(Paused), Some(Paused), no, Some(Paused), no, no]),
        ("resume", Box::new(say(Verb::Resume)), [no, no, Some(Progressing), no, no, no]),
        ("retry", Box::new(say(Verb::Retry)), [no, no, no, no, Some(Waiting), Some(Waiting)]),
        ("retry what stable runs", Box::new(|w| { w.spec.stable_caught_up = true; w.say(Verb::Retry).is_ok() }), [no; 6]),
        ("set-weight", Box::new(say(Verb::SetWeight(20.0))), [Some(Paused), Some(Paused), Some(Paused), Some(Paused), no, no]),
    ];
    for (name, happens, expected) in table {
        for (standing, expected) in standings().into_iter().zip(expected) {
            let mut walk = Walk::new(stepped("1"));
            walk.trial.state.standing = standing;
            walk.trial.progress.canary_ready = true;
            let before = walk.trial.state.clone();
            let accepted = happens(&mut walk);
            assert_eq!(accepted.then(|| walk.phase()), expected, "{name} in {}", standing.phase());
            if !accepted {
                assert_eq!(walk.trial.state, before, "a refusal changes nothing: {name} in {}", standing.phase());
            }
        }
    }
}
