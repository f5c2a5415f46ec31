//! Rollouts: which rule, between which backends, and who is told.

use super::backends::Backends;
use super::names::Names;
use super::routes::Routes;
use super::{Check, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{Alert, AlertFormat, BackendId, Limit, Rollout, RuleId, Severity, Stickiness};
use std::collections::HashMap;

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
            let refs = rule.and_then(|rule| routes.backends_of.get(rule)?.as_deref());
            let stable = self.side("stable", &raw.stable, at.place, refs, &backends.names);
            let canary = self.side("canary", &raw.canary, at.place, refs, &backends.names);
            if stable.is_some() && stable == canary {
                let problem = Problem::new(raw.canary.place, "`stable` and `canary` are the same backend");
                self.report(problem.label("this has to be the other version").also(raw.stable.place, "the same"));
            }
            let stickiness = raw.stickiness.as_ref().map_or(Some(None), |at| self.stickiness(at).map(Some));
            let rollback = self.rollback(raw.rollback.as_ref());
            let alerts = self.alerts(raw);
            let revision = match &raw.revision {
                Some(_) => self.version("revision", raw.revision.as_ref()),
                None => canary.and_then(|canary| backends.versions.get(canary)?.clone()),
            };
            if let Some(rollback) = &rollback {
                self.something_to_do(raw, at.place, rollback, revision.as_deref());
            }
            Some(Rollout {
                name: name?,
                rule: RuleId::new(rule?),
                stable: BackendId::new(stable?),
                canary: BackendId::new(canary?),
                revision: revision?,
                stickiness: stickiness?,
                stable_caught_up: false,
                progression: None,
                rollback: rollback?,
                webhooks: Vec::new(),
                alerts: alerts?,
            })
        }))
    }

    fn guarded_rule(self, raw: &raw::Rollout, owner: Place, routes: &Routes) -> Option<usize> {
        let name = raw.rule.need("rule", owner, self.problems)?;
        routes.rule_names.resolve(name, raw.rule.place, self)
    }

    /// The backend on one side; it has to be one of the rule's, where those are known.
    fn side(
        self,
        key: &str,
        at: &At<String>,
        owner: Place,
        refs: Option<&[BackendId]>,
        names: &Names,
    ) -> Option<usize> {
        let name = at.need(key, owner, self.problems)?;
        let backend = names.resolve(name, at.place, self)?;
        if refs.is_some_and(|refs| refs.iter().all(|r| r.index() != backend)) {
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

    fn alerts(self, raw: &raw::Rollout) -> Option<Vec<Alert>> {
        all(value(raw.alerts.as_ref()).into_iter().flatten().map(|at| {
            let raw::Alert::Webhook(webhook) = at.get()?;
            let url = &webhook.need("webhook", at.place, self.problems)?.url;
            let text = url.need("url", webhook.place, self.problems)?;
            let uri = text.parse::<http::Uri>().ok();
            let good = uri.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
            });
            if !good {
                let problem = Problem::new(url.place, format!("`{}` is no address for a webhook", text.escape_debug()));
                self.report(problem.label("an `http://` or `https://` address"));
            }
            good.then(|| Alert { format: AlertFormat::Webhook, url: text.as_str().into(), severity: Severity::Info })
        }))
    }

    /// A rollout that can do nothing, or nothing twice, was meant otherwise.
    fn something_to_do(self, raw: &raw::Rollout, place: Place, rollback: &[Limit], revision: Option<&str>) {
        if rollback.is_empty() && raw.stickiness.is_none() {
            let problem = Problem::new(place, "this rollout does nothing").label("no `rollback` and no `stickiness`");
            self.report(problem.help("give it a limit: `rollback: [{ metric: error-rate, max: 5%, window: 5m }]`"));
        } else if let (true, Some(alerts)) = (rollback.is_empty(), &raw.alerts) {
            let problem = Problem::new(alerts.place, "nothing can raise these alerts");
            self.report(problem.label("there is no `rollback` limit").help("give the rollout one"));
        }
        if revision == Some("") && !rollback.is_empty() {
            let problem = Problem::new(raw.canary.place, "the canary has no version");
            self.report(problem.label("once it has failed, nothing would tell the next one from it").help(
                "give the backend a `version`, or the rollout a `revision`, and change it with every new canary",
            ));
        }
    }
}
