//! Steps: the canary's way from nothing to everything, and what comes after it.

use super::limits::ListOf;
use super::names::Names;
use super::rollouts::Subject;
use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::config::units;
use crate::plan::{Inconclusive, Progression, Promotion, Step, Then};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Time is held in ticks of a quarter of a second: less than this is not held at all.
const SHORTEST: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Longer than this nobody watches a canary; it is a number written by mistake.
const HOLD: RangeInclusive<Duration> = SHORTEST..=Duration::from_secs(30 * 24 * 3_600);
const PROGRESS_DEADLINE: Duration = Duration::from_secs(600);
const INCONCLUSIVE_AFTER: Duration = Duration::from_secs(3_600);
const RETURN_OVER: Duration = Duration::from_secs(30);

impl Check<'_> {
    /// The way of a rollout with `steps`; `None` inside without.
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    pub(super) fn progression(
        self,
        raw: &raw::Rollout,
        subject: &Subject<'_>,
        queries: &mut Names,
    ) -> Option<Option<Progression>> {
        let Some(steps_at) = &raw.steps else {
            self.without_steps(raw);
            return Some(None);
        };
        self.weights_are_the_steps(steps_at.place, subject);
        self.versions_to_compare(raw, subject);
        let steps = self.steps(steps_at);
        let progress_deadline =
            self.duration_or("progressDeadline", raw.progress_deadline.as_ref(), PROGRESS_DEADLINE, HOLD);
        let inconclusive = self.inconclusive(value(raw.inconclusive.as_ref()));
        let promotion = self.promotion(value(raw.promotion.as_ref()), queries);
        Some(Some(Progression {
            steps: steps?,
            progress_deadline: progress_deadline?,
            inconclusive: inconclusive?,
            promotion: promotion?,
        }))
    }

    /// Keys that say how to take steps, where there are none to take.
    fn without_steps(self, raw: &raw::Rollout) {
        let keys = [
            ("progressDeadline", raw.progress_deadline.as_ref().map(|at| at.place)),
            ("inconclusive", raw.inconclusive.as_ref().map(|at| at.place)),
            ("promotion", raw.promotion.as_ref().map(|at| at.place)),
        ];
        for (key, place) in keys {
            let Some(place) = place else { continue };
            let problem = Problem::new(place, format!("`{key}` has no effect without `steps`"));
            let label = "the weights of `backendRefs` stay as they are";
            self.report(problem.label(label).help("add `steps`, or leave it out"));
        }
    }

    /// A rule has one who decides its weights.
    fn weights_are_the_steps(self, steps: Place, subject: &Subject<'_>) {
        let sides = [subject.canary, subject.stable];
        let written = sides.iter().flatten().find_map(|side| {
            let of_side = subject.refs?.iter().find(|r| r.backend.index() == *side)?;
            of_side.weight_place
        });
        if let Some(place) = written {
            let problem = Problem::new(place, "both a `weight` and a rollout with `steps`");
            let problem =
                problem.label("leave the weights of stable and canary out").also(steps, "the steps decide them");
            self.report(problem.help("or leave out the rollout's `steps`, to set the weights by hand"));
        }
    }

    /// A promotion is over when stable has the canary's version, so both have to have one.
    fn versions_to_compare(self, raw: &raw::Rollout, subject: &Subject<'_>) {
        let sides =
            [("stable", &subject.stable_version, &raw.stable), ("the canary", &subject.canary_version, &raw.canary)];
        for (side, version, at) in sides {
            if version.as_deref() == Some("") {
                let problem = Problem::new(at.place, format!("{side} has no version"));
                let label = "a promotion is over when stable's version is the canary's";
                self.report(problem.label(label).help("give the backend a `version`"));
            }
        }
    }

    fn steps(self, at: &At<raw::Steps>) -> Option<Vec<Step>> {
        let mut rising = Rising::default();
        match at.get()? {
            raw::Steps::Each(list) => {
                self.length("steps", list.len(), at.place)?;
                all(list.iter().map(|at| {
                    let raw = at.get()?;
                    let weight = self.weight(&raw.weight, at.place, &mut rising);
                    let hold = self.hold(&raw.hold, at.place);
                    Some(Step { weight: weight?, hold: hold? })
                }))
            }
            raw::Steps::Alike(raw) => {
                let weights = raw.weights.need("weights", at.place, self.problems);
                let weights = weights.and_then(|list| {
                    self.length("weights", list.len(), raw.weights.place)?;
                    all(list.iter().map(|at| self.weight(at, raw.weights.place, &mut rising)))
                });
                let hold = self.hold(&raw.hold, at.place)?;
                Some(weights?.into_iter().map(|weight| Step { weight, hold }).collect())
            }
        }
    }

    /// A step's weight, which has to be above the one before.
    fn weight(self, at: &At<raw::WeightText>, owner: Place, rising: &mut Rising) -> Option<f64> {
        let text = &at.need("weight", owner, self.problems)?.0;
        let weight = self.unit(units::parse_weight(text), at)?;
        if let Some((before, place)) = rising.0.replace((weight, at.place)).filter(|(before, _)| *before >= weight) {
            let problem = Problem::new(at.place, format!("a step to {weight}% after one to {before}%"));
            let problem = problem.label("above the one before").also(place, "the one before");
            self.report(problem.help("weights rise from step to step: a rollback is what takes a canary back"));
            return None;
        }
        Some(weight)
    }

    fn hold(self, at: &At<raw::DurationText>, owner: Place) -> Option<Duration> {
        let text = &at.need("for", owner, self.problems)?.0;
        self.duration("for", at, text, HOLD)
    }

    fn inconclusive(self, raw: Option<&raw::Inconclusive>) -> Option<Inconclusive> {
        let after = raw.and_then(|raw| raw.after.as_ref());
        let after = self.duration_or("after", after, INCONCLUSIVE_AFTER, HOLD);
        let then = match raw.and_then(|raw| raw.then.as_ref()).map(At::get) {
            None | Some(Some(raw::Then::Hold)) => Some(Then::Hold),
            Some(Some(raw::Then::Rollback)) => Some(Then::Rollback),
            Some(None) => None,
        };
        Some(Inconclusive { after: after?, then: then? })
    }

    fn promotion(self, raw: Option<&raw::Promotion>, queries: &mut Names) -> Option<Promotion> {
        let auto = raw.and_then(|raw| raw.auto.as_ref()).map_or(Some(true), |at| at.get().copied());
        let limits = self.limit_list(ListOf::Promotion, raw.and_then(|raw| raw.limits.as_ref()), queries, &[]);
        let return_over = raw.and_then(|raw| raw.return_over.as_ref());
        let return_over = self.duration_or("return", return_over, RETURN_OVER, Duration::ZERO..=DAY);
        Some(Promotion { auto: auto?, limits: limits?, return_over: return_over? })
    }

    /// A duration that may be left out.
    pub(super) fn duration_or(
        self,
        key: &str,
        at: Option<&At<raw::DurationText>>,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        at.map_or(Some(default), |at| self.duration(key, at, &at.get()?.0, range))
    }
}

/// The weight before, and where it stands.
#[derive(Default)]
struct Rising(Option<(f64, Place)>);
