//! Rollouts: which rule, between which backends, and whether there is anything for them to do.

use super::backends::Backends;
use super::limits::ListOf;
use super::names::Names;
use super::routes::{Ref, Routes};
use super::{Check, all};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{BackendId, Limit, Rollout, RuleId, Stickiness, Webhook, WebhookKind};
use std::collections::HashMap;
use std::sync::Arc;

/// What a rollout refers to, as far as it is right.
pub(super) struct Subject<'t> {
    /// The rule's references.
    pub(super) refs: Option<&'t [Ref]>,
    pub(super) stable: Option<usize>,
    pub(super) canary: Option<usize>,
    /// Empty when not said.
    pub(super) stable_version: Option<Arc<str>>,
    /// Empty when not said.
    pub(super) canary_version: Option<Arc<str>>,
}

impl Subject<'_> {
    fn versions_are_the_same(&self) -> bool {
        let said = self.canary_version.as_ref().filter(|version| !version.is_empty());
        said.is_some() && said == self.stable_version.as_ref()
    }
}

impl Check<'_> {
    pub(super) fn rollouts(
        self,
        list: Option<&Vec<At<raw::Rollout>>>,
        routes: &Routes,
        backends: &Backends,
    ) -> Option<Vec<Rollout>> {
        let (mut names, mut guarded) = (Names::new("rollout"), HashMap::<usize, Place>::new());
        let list = list.map(Vec::as_slice).unwrap_or_default();
        if !list.is_empty() {
            self.length("rollouts", list.len(), list[0].place)?;
        }
        all(list.iter().enumerate().map(|(index, at)| {
            let raw = at.get()?;
            let name = self.name(&raw.name, at.place);
            if let Some(name) = &name {
                names.declare(name, raw.name.place, index, self);
            }
            let rule = self.guarded_rule(raw, at.place, routes);
            if let Some(first) = rule.and_then(|rule| guarded.insert(rule, raw.rule.place)) {
                let problem = Problem::new(raw.rule.place, "two rollouts guard this rule");
                self.report(problem.label("the second one").also(first, "the first one"));
            }
            let subject = self.subject(raw, at.place, rule, routes, backends);
            let stickiness = raw.stickiness.as_ref().map_or(Some(None), |at| self.stickiness(at).map(Some));
            let mut queries = Names::new("query limit");
            let unsaid = unsaid(raw, &subject);
            let rollback = self.limit_list(ListOf::Rollback, raw.rollback.as_ref(), &mut queries, &unsaid);
            let progression = self.progression(raw, &subject, &mut queries);
            let webhooks = self.webhooks(raw);
            let alerts = self.alerts(raw);
            let revision = match &raw.revision {
                Some(_) => self.version("revision", raw.revision.as_ref()),
                None => subject.canary_version.clone(),
            };
            if let (Some(rollback), Some(webhooks)) = (&rollback, &webhooks) {
                self.something_to_do(raw, at.place, rollback, webhooks, revision.as_deref());
            }
            let progression = progression?;
            Some(Rollout {
                name: name?,
                rule: RuleId::new(rule?),
                stable: BackendId::new(subject.stable?),
                canary: BackendId::new(subject.canary?),
                revision: revision?,
                stickiness: stickiness?,
                stable_caught_up: progression.is_some() && subject.versions_are_the_same(),
                progression,
                rollback: rollback?,
                webhooks: webhooks?,
                alerts: alerts?,
            })
        }))
    }

    fn guarded_rule(self, raw: &raw::Rollout, owner: Place, routes: &Routes) -> Option<usize> {
        let name = raw.rule.need("rule", owner, self.problems)?;
        routes.rule_names.resolve(name, raw.rule.place, self)
    }

    /// The two sides, which have to be different backends.
    fn subject<'t>(
        self,
        raw: &raw::Rollout,
        owner: Place,
        rule: Option<usize>,
        routes: &'t Routes,
        backends: &Backends,
    ) -> Subject<'t> {
        let refs = rule.and_then(|rule| routes.refs_of.get(rule)?.as_deref());
        let stable = self.side("stable", &raw.stable, owner, refs, &backends.names);
        let canary = self.side("canary", &raw.canary, owner, refs, &backends.names);
        if stable.is_some() && stable == canary {
            let problem = Problem::new(raw.canary.place, "`stable` and `canary` are the same backend");
            self.report(problem.label("this has to be the other version").also(raw.stable.place, "the same"));
        }
        let version = |side: Option<usize>| side.and_then(|side| backends.versions.get(side)?.clone());
        Subject { refs, stable, canary, stable_version: version(stable), canary_version: version(canary) }
    }

    /// The backend on one side; it has to be one of the rule's, where those are known.
    fn side(self, key: &str, at: &At<String>, owner: Place, refs: Option<&[Ref]>, names: &Names) -> Option<usize> {
        let name = at.need(key, owner, self.problems)?;
        let backend = names.resolve(name, at.place, self)?;
        if refs.is_some_and(|refs| refs.iter().all(|r| r.backend.index() != backend)) {
            let problem = Problem::new(at.place, format!("the rule does not refer to the backend `{name}`"));
            self.report(
                problem.label("not in the rule's `backendRefs`").help("add it there, with weight 0 if need be"),
            );
            return None;
        }
        Some(backend)
    }

    fn stickiness(self, at: &At<raw::Stickiness>) -> Option<Stickiness> {
        match at.get()? {
            raw::Stickiness::Header(name) => {
                let name = self.token(name, at.place, "header", "header")?;
                Some(Stickiness::Header(name.to_ascii_lowercase().into()))
            }
            raw::Stickiness::Cookie(name) => {
                self.token(name, at.place, "cookie", "cookie").map(|name| Stickiness::Cookie(name.into()))
            }
            raw::Stickiness::ClientIp(on) => match on.need("clientIP", at.place, self.problems)? {
                true => Some(Stickiness::ClientIp),
                false => {
                    let problem = Problem::new(on.place, "`clientIP: false` keeps nobody anywhere");
                    self.report(problem.label("`true`").help("leave `stickiness` out"));
                    None
                }
            },
        }
    }

    /// A rollout that can do nothing, or nothing twice, was meant otherwise.
    fn something_to_do(
        self,
        raw: &raw::Rollout,
        place: Place,
        rollback: &[Limit],
        webhooks: &[Webhook],
        revision: Option<&str>,
    ) {
        let guards = |hook: &Webhook| matches!(hook.kind, WebhookKind::Rollout | WebhookKind::Rollback);
        let takes_out = !rollback.is_empty() || webhooks.iter().any(guards);
        let moves = raw.steps.is_some();
        let help = "give it a limit: `rollback: [{ metric: error-rate, max: 5%, window: 5m }]`";
        if !takes_out && !moves && raw.stickiness.is_none() {
            let label = "no `steps`, no `rollback` and no `stickiness`";
            self.report(Problem::new(place, "this rollout does nothing").label(label).help(help));
        } else if !takes_out && !moves {
            // Whoever is told what a rollout does hears nothing from one that only keeps users where they are.
            let (alerts, webhooks) = (raw.alerts.as_ref(), raw.webhooks.as_ref());
            for (place, what) in [(alerts.map(|at| at.place), "alerts"), (webhooks.map(|at| at.place), "webhooks")] {
                let Some(place) = place else { continue };
                let problem = Problem::new(place, format!("nothing can raise these {what}"));
                self.report(problem.label("there are no `steps` and no `rollback` limit").help(help));
            }
        }
        // Steps need more than that: see `progression`.
        if revision == Some("") && takes_out && !moves {
            let problem = Problem::new(raw.canary.place, "the canary has no version");
            self.report(problem.label("once it has failed, nothing would tell the next one from it").help(
                "give the backend a `version`, or the rollout a `revision`, and change it with every new canary",
            ));
        }
    }
}

/// The placeholders of a query that would be filled in with nothing. Where that is a problem in itself, it is not
/// named here.
fn unsaid(raw: &raw::Rollout, subject: &Subject<'_>) -> Vec<&'static str> {
    let empty = |version: &Option<Arc<str>>| version.as_deref() == Some("");
    let stable = (raw.steps.is_none() && empty(&subject.stable_version)).then_some("stable");
    let canary = (raw.steps.is_none() && raw.revision.is_some() && empty(&subject.canary_version)).then_some("canary");
    stable.into_iter().chain(canary).collect()
}
