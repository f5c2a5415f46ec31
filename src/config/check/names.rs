//! Names: declared once, and referred to.

use super::Check;
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use std::collections::HashMap;
use std::sync::Arc;

/// The names of one kind of thing, each with its index in the file's list.
pub(super) struct Names {
    kind: &'static str,
    known: HashMap<String, (usize, Place)>,
}

impl Names {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, known: HashMap::new() }
    }

    /// Takes the name of item `index`; reports one that is taken. Whether it was free.
    pub(super) fn declare(&mut self, name: &str, place: Place, index: usize, check: Check<'_>) -> bool {
        if let Some((_, first)) = self.known.get(name) {
            let problem = Problem::new(place, format!("two {}s are called `{name}`", self.kind));
            check.report(problem.label("the second one").also(*first, "the first one"));
            return false;
        }
        self.known.insert(name.to_owned(), (index, place));
        true
    }

    /// The index of `name`, without a word when there is none.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.known.get(name).map(|(index, _)| *index)
    }

    /// The index of what `at` refers to; reports a reference to nothing.
    pub(super) fn resolve(&self, name: &str, place: Place, check: Check<'_>) -> Option<usize> {
        let found = self.index(name);
        if found.is_none() {
            let mut known: Vec<_> = self.known.keys().map(String::as_str).collect();
            known.sort_unstable();
            let problem = Problem::new(place, format!("no {} is called `{name}`", self.kind));
            check.report(problem.label(format!("not one of the {}s", self.kind)).known(name, known));
        }
        found
    }
}

impl Check<'_> {
    /// A name that can stand in a metric's label, in `route/rule` and in a URL.
    pub(super) fn name(self, at: &At<String>, owner: Place) -> Option<Arc<str>> {
        let name = at.need("name", owner, self.problems)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if (1..=63).contains(&name.len()) && name.chars().all(fits) {
            return Some(name.as_str().into());
        }
        let problem = Problem::new(at.place, format!("`{}` is no name", name.escape_debug()));
        self.report(problem.label("1 to 63 letters, digits, `-`, `_` and `.`"));
        None
    }
}
