//! raw -> plan: what the file means, or everything that is wrong with it.
//!
//! Each part of the file has a file here. They share one habit: a part that is wrong is reported and becomes `None`,
//! the parts beside it are checked all the same, and only at the very end does one `None` make the whole plan `None`.

mod addresses;
mod backends;
mod bounds;
mod filters;
mod grpc;
mod header_changes;
mod limits;
mod matches;
mod names;
mod progression;
mod proxy_protocol;
mod queries;
mod rollouts;
mod routes;
mod settings;
mod tell;
mod tls;
mod upstream;

pub(crate) use settings::defaults;

use super::at::At;
use super::node::Place;
use super::problem::{Collector, Problem};
use super::raw;
use crate::plan::{Matcher, Plan};
use std::path::{Path, PathBuf};

/// What every check needs: where to report, and what relative paths start from.
#[derive(Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) problems: &'a Collector,
    pub(super) directory: &'a Path,
}

/// Ids are 16 bits wide; see [`crate::plan::RuleId`].
const MOST_ITEMS: usize = 65_535;

impl Check<'_> {
    /// The plan, or `None` when something has been reported.
    pub(super) fn plan(self, file: &At<raw::Config>, hash: String) -> Option<Plan> {
        let config = file.need("listeners", file.place, self.problems)?;
        let backends = self.backends(self.filled("backends", &config.backends, file.place));
        let routes = self.routes(self.filled("routes", &config.routes, file.place), &backends.names);
        let rollouts = self.rollouts(value(config.rollouts.as_ref()), &routes, &backends);
        let (listeners, taken) = self.listeners(self.filled("listeners", &config.listeners, file.place));
        let admin = self.admin(value(config.admin.as_ref()), &taken);
        let limits = self.limits(value(config.limits.as_ref()));
        let http2 = self.http2(config.http2.as_ref());
        let timeouts = self.timeouts(value(config.timeouts.as_ref()));
        self.limits_against_timeouts(value(config.rollouts.as_ref()), timeouts.as_ref());
        let headers = Self::headers(value(config.headers.as_ref()));
        let drain = self.drain(value(config.drain.as_ref()));
        let store = self.store(value(config.store.as_ref()));
        let dns = self.dns(value(config.dns.as_ref()));
        let grpc = self.grpc(value(config.grpc.as_ref()));

        let (mut rules, rollouts) = (routes.rules?, rollouts?);
        for (id, rollout) in rollouts.iter().enumerate() {
            rules[rollout.rule.index()].rollout = Some(crate::plan::RolloutId::new(id));
        }
        Some(Plan {
            hash,
            listeners: listeners?,
            admin: admin?,
            backends: backends.list?,
            routes: routes.list?,
            rules,
            matcher: Matcher::new(routes.entries),
            rollouts,
            limits: limits?,
            http2: http2?,
            timeouts: timeouts?,
            headers,
            drain: drain?,
            store: store?,
            dns: dns?,
            grpc: grpc?,
        })
    }

    fn report(self, problem: Problem) {
        self.problems.report(problem);
    }

    /// A list that has to be there, with something in it.
    fn filled<'t, T>(self, key: &str, at: &'t At<Vec<At<T>>>, owner: Place) -> Option<&'t Vec<At<T>>> {
        let list = at.need(key, owner, self.problems)?;
        self.length(key, list.len(), at.place).map(|()| list)
    }

    /// Reports a list that must not be empty, or has more items than ids.
    fn length(self, key: &str, length: usize, place: Place) -> Option<()> {
        if length == 0 {
            self.report(Problem::new(place, format!("`{key}` has nothing in it")).label("at least one"));
        } else if length > MOST_ITEMS {
            let title = format!("`{key}` has {length} items");
            self.report(Problem::new(place, title).label(format!("at most {MOST_ITEMS}")));
        }
        (1..=MOST_ITEMS).contains(&length).then_some(())
    }

    /// A path as the file means it: relative to the file's own directory.
    fn path(self, at: &At<String>, key: &str) -> Option<PathBuf> {
        let text = at.need(key, at.place, self.problems)?;
        if text.is_empty() {
            self.report(Problem::new(at.place, format!("`{key}` is an empty path")).label("a path"));
            return None;
        }
        Some(self.directory.join(text))
    }
}

/// The value of a key that may be missing.
fn value<T>(at: Option<&At<T>>) -> Option<&T> {
    at.and_then(At::get)
}

/// The items of a list with their places, less those that have been reported.
fn items<T>(list: Option<&Vec<At<T>>>) -> impl Iterator<Item = (&At<T>, &T)> {
    list.into_iter().flatten().filter_map(|item| Some((item, item.get()?)))
}

/// All of them, or `None` if one is; every one is looked at first.
fn all<T>(items: impl IntoIterator<Item = Option<T>>) -> Option<Vec<T>> {
    let looked_at: Vec<_> = items.into_iter().collect();
    looked_at.into_iter().collect()
}
