//! What is wrong with a file: collected while it is read, shown all at once.

use super::nearest::nearest;
use super::node::Place;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};
use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    place: Place,
    title: String,
    label: String,
    also: Option<(Place, String)>,
    help: Option<String>,
}

impl Problem {
    /// `title` says what is wrong, in one line.
    pub(super) fn new(place: Place, title: impl Into<String>) -> Self {
        Self { place, title: title.into(), label: String::new(), also: None, help: None }
    }

    /// What stands beside the underlined place: what was expected there.
    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    /// Another place that it has to do with.
    pub(super) fn also(self, place: Place, label: impl Into<String>) -> Self {
        Self { also: Some((place, label.into())), ..self }
    }

    /// What to do.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The nearest of `known` to what was written, if one is near.
    pub(super) fn near(self, written: &str, known: &[&str]) -> Self {
        match nearest(written, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// The nearest of `known` to what was written, or all of them when nothing is near.
    pub(super) fn known<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<_> = known.into_iter().collect();
        let with_help = self.near(written, &known);
        if with_help.help.is_some() || known.is_empty() {
            return with_help;
        }
        with_help.help(format!("known here: {}", listed(&known)))
    }
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Where problems are dropped while a file is read.
#[derive(Debug, Default)]
pub(super) struct Collector(RefCell<Vec<Problem>>);

impl Collector {
    pub(super) fn report(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// Everything reported, in the file's order.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut list = self.0.into_inner();
        list.sort_by_key(|problem| problem.place);
        list.dedup();
        list
    }
}

/// Everything that is wrong with a file; never empty.
#[derive(Debug)]
pub struct Problems {
    path: PathBuf,
    text: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(path: &Path, text: &str, list: Vec<Problem>) -> Self {
        assert!(!list.is_empty(), "a refusal has a reason");
        Self { path: path.into(), text: text.into(), list }
    }

    /// How many there are; at least one.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// One line a problem, for a log: `file:line:column: what is wrong`.
    pub fn lines(&self) -> Vec<String> {
        self.list
            .iter()
            .map(|problem| {
                let (line, column) = position(&self.text, problem.place.start);
                let help = problem.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
                format!("{}:{line}:{column}: {}{help}", self.path.display(), problem.title)
            })
            .collect()
    }

    /// Every problem with its line, for a person; `colour` adds ANSI sequences.
    pub fn report(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let path = self.path.display().to_string();
        let mut report: String =
            self.list.iter().map(|problem| problem.render(&renderer, &path, &self.text) + "\n\n").collect();
        let count = match self.count() {
            1 => "1 problem".into(),
            count => format!("{count} problems"),
        };
        let summary = Level::ERROR.primary_title(format!("{count} in {path}: the file is refused whole"));
        report += &renderer.render(&[annotate_snippets::Group::with_title(summary)]);
        report + "\n"
    }
}

impl Problem {
    fn render(&self, renderer: &Renderer, path: &str, text: &str) -> String {
        let clean = normalize_untrusted_str;
        let mut primary = AnnotationKind::Primary.span(visible(self.place, text));
        if !self.label.is_empty() {
            primary = primary.label(clean(&self.label));
        }
        let mut snippet = Snippet::source(text).path(path).annotation(primary);
        if let Some((place, label)) = &self.also {
            snippet = snippet.annotation(AnnotationKind::Context.span(visible(*place, text)).label(clean(label)));
        }
        let mut group = Level::ERROR.primary_title(clean(&self.title)).element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(clean(help)));
        }
        renderer.render(&[group])
    }
}

/// The part of `place` on its first line: a report underlines one line.
fn visible(place: Place, text: &str) -> std::ops::Range<usize> {
    let line_end = text[place.start..place.end].find('\n').map_or(place.end, |length| place.start + length);
    place.start..line_end
}

/// Line and column, both from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("; "))
    }
}

impl std::error::Error for Problems {}
