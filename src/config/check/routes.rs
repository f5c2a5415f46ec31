//! Routes and rules.

use super::names::Names;
use super::retries::Times;
use super::{Check, MOST_ITEMS, all, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw;
use crate::plan::{
    BackendId, BackendRef, Hostname, RequestMatch, Retry, Route, RouteId, Rule, RuleFilters, RuleId, Timeouts,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest weight, as in `HTTPRoute`.
const MOST_WEIGHT: u64 = 1_000_000;

/// The routes as far as they are right.
pub(super) struct Routes {
    /// `route/rule`.
    pub(super) rule_names: Names,
    pub(super) list: Option<Vec<Route>>,
    pub(super) rules: Option<Vec<Rule>>,
    /// The references of each rule, as far as they are right; what a rollout is checked against.
    pub(super) refs_of: Vec<Option<Vec<Ref>>>,
    pub(super) entries: Vec<(Hostname, RequestMatch, RuleId)>,
}

/// A rule's reference to a backend.
#[derive(Clone, Copy)]
pub(super) struct Ref {
    pub(super) backend: BackendId,
    weight: u32,
    /// Where the file says its weight; `None` where it does not.
    pub(super) weight_place: Option<Place>,
}

impl Check<'_> {
    /// `times`: how long the file has it that a request may take, and where it says so.
    pub(super) fn routes(
        self,
        list: Option<&Vec<At<raw::Route>>>,
        backends: &Names,
        times: (Timeouts, Option<Place>),
    ) -> Routes {
        let mut found = Routes {
            rule_names: Names::new("rule"),
            list: None,
            rules: None,
            refs_of: Vec::new(),
            entries: Vec::new(),
        };
        let Some(list) = list else { return found };
        let count: usize = list.iter().filter_map(|at| at.get()?.rules.get()).map(Vec::len).sum();
        if list.len().max(count) > MOST_ITEMS {
            self.report(Problem::new(list[0].place, format!("more than {MOST_ITEMS} routes or rules")));
            return found;
        }
        let (mut names, mut rules) = (Names::new("route"), Vec::new());
        let mut reached = Reached::default();
        found.list = all(list.iter().enumerate().map(|(index, at)| {
            let raw = at.get()?;
            let name = self.name(&raw.name, at.place);
            let known_as = name.as_deref().filter(|name| names.declare(name, raw.name.place, index, self));
            let hostnames = self.hostnames(raw.hostnames.as_ref());
            let list = raw.rules.need("rules", at.place, self.problems)?;
            self.length("rules", list.len(), raw.rules.place);
            let mut own_names = Names::new("rule");
            for (position, at) in list.iter().enumerate() {
                let (id, rule) = (RuleId::new(rules.len()), self.rule(at, position, backends, times));
                found.refs_of.push(rule.refs.clone());
                if let (Some(route), Some(name)) = (known_as, &rule.name) {
                    let full = format!("{route}/{name}");
                    if own_names.declare(name, rule.name_place, position, self) {
                        found.rule_names.declare(&full, rule.name_place, id.index(), self);
                    } else if let Some(first) = found.rule_names.index(&full) {
                        // Which of the two a rollout means is anybody's guess, so nothing is said about it.
                        found.refs_of[first] = None;
                    }
                }
                if let (Some(hostnames), Some(matches)) = (&hostnames, rule.matches) {
                    let pairs =
                        hostnames.iter().flat_map(|host| matches.iter().map(move |m| (host.clone(), m.clone())));
                    let new: Vec<_> = pairs.collect();
                    reached.add(&new, at.place, self);
                    found.entries.extend(new.into_iter().map(|(host, m)| (host, m, id)));
                }
                let route = RouteId::new(index);
                let whole = rule.name.zip(rule.refs).zip(rule.filters).zip(rule.times.zip(rule.retry));
                rules.push(whole.map(|(((name, refs), filters), (times, retry))| Rule {
                    route,
                    name,
                    backend_refs: refs.iter().map(|r| BackendRef { backend: r.backend, weight: r.weight }).collect(),
                    filters,
                    rollout: None,
                    timeouts: times.timeouts,
                    backend_request: times.backend_request,
                    retry,
                }));
            }
            Some(Route { name: name? })
        }));
        found.rules = all(rules);
        found
    }

    /// The parts of a rule as far as they are right.
    fn rule(self, at: &At<raw::Rule>, position: usize, backends: &Names, times: (Timeouts, Option<Place>)) -> Parts {
        let Some(raw) = at.get() else { return Parts::nothing(at.place) };
        let name = match &raw.name {
            Some(name) => self.name(name, at.place),
            None => Some(format!("rule-{position}").into()),
        };
        let matches = self.matches(raw.matches.as_ref());
        let (refs, filters) = if Self::redirects(raw.filters.as_ref()) {
            (self.no_backend_refs(raw), self.redirecting(raw, matches.as_deref(), backends))
        } else {
            let refs = self.backend_refs(raw.backend_refs.as_ref(), at.place, backends);
            (refs, self.forwarding(raw, matches.as_deref(), backends))
        };
        let name_place = raw.name.as_ref().map_or(at.place, |name| name.place);
        let times = self.rule_timeouts(value(raw.timeouts.as_ref()), times);
        let retry = raw.retry.as_ref().map_or(Some(None), |at| self.retry(at.get()?).map(Some));
        Parts { name, name_place, refs, filters, matches, times, retry }
    }

    /// A rule that redirects has none.
    fn no_backend_refs(self, raw: &raw::Rule) -> Option<Vec<Ref>> {
        let Some(refs) = &raw.backend_refs else { return Some(Vec::new()) };
        let problem = Problem::new(refs.place, "`backendRefs` of a rule that redirects");
        self.report(problem.label("no request gets here").help("leave them out, or the `RequestRedirect`"));
        None
    }

    fn backend_refs(
        self,
        list: Option<&At<Vec<At<raw::BackendRef>>>>,
        owner: Place,
        backends: &Names,
    ) -> Option<Vec<Ref>> {
        let Some(list) = list else {
            let problem = Problem::new(owner, "`backendRefs` is missing").label("needs `backendRefs`");
            self.report(problem);
            return None;
        };
        let place = list.place;
        let list = list.need("backendRefs", owner, self.problems)?;
        self.length("backendRefs", list.len(), place)?;
        let mut seen = HashMap::new();
        all(list.iter().map(|at| {
            let raw = at.get()?;
            let backend = raw.name.need("name", at.place, self.problems).and_then(|name| {
                if let Some(first) = seen.insert(name, raw.name.place) {
                    let problem = Problem::new(raw.name.place, format!("the rule refers to `{name}` twice"));
                    self.report(
                        problem.label("the second one").also(first, "the first one").help("add the weights up"),
                    );
                }
                backends.resolve(name, raw.name.place, self)
            });
            let weight = raw.weight.as_ref().map_or(Some(1), |at| {
                let weight = *at.get()?;
                if weight > MOST_WEIGHT {
                    let problem = Problem::new(at.place, format!("a weight of {weight} is too much"));
                    self.report(problem.label(format!("0 to {MOST_WEIGHT}")));
                }
                u32::try_from(weight).ok()
            });
            let weight_place = raw.weight.as_ref().map(|at| at.place);
            Some(Ref { backend: BackendId::new(backend?), weight: weight?, weight_place })
        }))
    }
}

/// A rule in pieces.
struct Parts {
    name: Option<Arc<str>>,
    name_place: Place,
    refs: Option<Vec<Ref>>,
    filters: Option<RuleFilters>,
    matches: Option<Vec<RequestMatch>>,
    times: Option<Times>,
    #[expect(clippy::option_option, reason = "the outer one says whether something was reported")]
    retry: Option<Option<Retry>>,
}

impl Parts {
    /// Of a rule of which nothing can be read.
    fn nothing(place: Place) -> Self {
        Self { name: None, name_place: place, refs: None, filters: None, matches: None, times: None, retry: None }
    }
}

/// Which requests the rules so far take, to find rules that nothing is left for.
#[derive(Default)]
struct Reached(HashMap<String, Place>);

impl Reached {
    /// Reports a rule all of whose conditions stand in earlier rules, word for word.
    fn add(&mut self, rule: &[(Hostname, RequestMatch)], place: Place, check: Check<'_>) {
        let keys: Vec<_> = rule.iter().map(|entry| format!("{entry:?}")).collect();
        let earlier: Option<Vec<_>> = keys.iter().map(|key| self.0.get(key)).collect();
        if let Some(first) = earlier.as_deref().and_then(<[_]>::first) {
            let problem = Problem::new(place, "no request reaches this rule").label("the same matches again");
            check.report(problem.also(**first, "this rule takes them all").help("change its `matches`, or remove it"));
        }
        for key in keys {
            self.0.entry(key).or_insert(place);
        }
    }
}
