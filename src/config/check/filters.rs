//! Filters: what a rule and its backendRefs do to what passes.

use super::names::Names;
use super::{Check, all, items, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw::{self, FilterType, PathModifierType};
use crate::plan::{
    BackendId, Filters, Hostname, Mirror, Part, PathMatch, PathModifier, Redirect, RequestMatch, Rewrite, RuleFilters,
    Scheme,
};

/// The filters of one list, as far as they are right.
#[derive(Default)]
struct Filtering {
    filters: Filters,
    redirect: Option<Redirect>,
}

/// Whose filters they are.
#[derive(Clone, Copy)]
struct Owner<'a> {
    backends: &'a Names,
    /// The rule's matches, unless they have been reported.
    matches: Option<&'a [RequestMatch]>,
    kind: OwnerKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerKind {
    Rule,
    BackendRef,
}

/// The largest denominator: as `HTTPRoute`'s, a positive `int32`.
const MOST_OF_FRACTION: usize = 2_147_483_647;
/// Codes that send a client elsewhere, as `HTTPRoute` has them.
const REDIRECTS: [u64; 5] = [301, 302, 303, 307, 308];

impl Check<'_> {
    /// The filters of a rule that redirects.
    pub(super) fn redirecting(
        self,
        raw: &raw::Rule,
        matches: Option<&[RequestMatch]>,
        backends: &Names,
    ) -> Option<RuleFilters> {
        let Filtering { filters, redirect } =
            self.filters(raw.filters.as_ref(), Owner { backends, matches, kind: OwnerKind::Rule })?;
        Some(RuleFilters::redirecting(redirect?, filters.response))
    }

    /// The filters of a rule that forwards, and of its backendRefs.
    pub(super) fn forwarding(
        self,
        raw: &raw::Rule,
        matches: Option<&[RequestMatch]>,
        backends: &Names,
    ) -> Option<RuleFilters> {
        let rule = self.filters(raw.filters.as_ref(), Owner { backends, matches, kind: OwnerKind::Rule });
        let owner = Owner { backends, matches, kind: OwnerKind::BackendRef };
        let refs = all(items(value(raw.backend_refs.as_ref()))
            .map(|(_, raw)| self.filters(raw.filters.as_ref(), owner).map(|filtering| filtering.filters)));
        Some(RuleFilters::forwarding(&rule?.filters, &refs?))
    }

    /// The filters of a rule or of a backendRef.
    fn filters(self, list: Option<&At<Vec<At<raw::Filter>>>>, owner: Owner<'_>) -> Option<Filtering> {
        let mut found = Filtering::default();
        let mut seen: Vec<(FilterType, Place)> = Vec::new();
        let right = all(items(value(list)).map(|(at, raw)| {
            let kind = *raw.kind.need("type", at.place, self.problems)?;
            let right = self.filter(kind, raw, at.place, owner, &mut found);
            let repeats = kind == FilterType::RequestMirror;
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == kind && !repeats) {
                let problem = Problem::new(raw.kind.place, format!("two filters are a `{}`", kind.name()));
                self.report(problem.label("the second one").also(*first, "the first one"));
                return None;
            }
            seen.push((kind, raw.kind.place));
            right
        }));
        let place = |kind| seen.iter().find(|(other, _)| *other == kind).map(|(_, place)| *place);
        let apart = place(FilterType::RequestRedirect).is_none_or(|redirect| {
            let forwarding = [FilterType::UrlRewrite, FilterType::RequestHeaderModifier, FilterType::RequestMirror];
            let other = forwarding.into_iter().find_map(|kind| place(kind).map(|place| (kind, place)));
            other.is_none_or(|(kind, other)| {
                let problem = Problem::new(other, format!("`{}` beside a `RequestRedirect`", kind.name()));
                let problem = problem.label("for what is forwarded").also(redirect, "nothing is forwarded");
                self.report(problem.help("leave one of them out"));
                false
            })
        });
        (right.is_some() && apart).then_some(found)
    }

    /// Whether a list has a redirect in it, right or wrong.
    pub(super) fn redirects(list: Option<&At<Vec<At<raw::Filter>>>>) -> bool {
        items(value(list)).any(|(_, raw)| raw.kind.get() == Some(&FilterType::RequestRedirect))
    }

    /// Puts what `raw` says into `found`.
    fn filter(
        self,
        kind: FilterType,
        raw: &raw::Filter,
        place: Place,
        owner: Owner<'_>,
        found: &mut Filtering,
    ) -> Option<()> {
        let parts = [
            (FilterType::RequestHeaderModifier, raw.request_header_modifier.as_ref().map(|at| at.place)),
            (FilterType::ResponseHeaderModifier, raw.response_header_modifier.as_ref().map(|at| at.place)),
            (FilterType::RequestMirror, raw.request_mirror.as_ref().map(|at| at.place)),
            (FilterType::RequestRedirect, raw.request_redirect.as_ref().map(|at| at.place)),
            (FilterType::UrlRewrite, raw.url_rewrite.as_ref().map(|at| at.place)),
        ];
        for (other, place) in parts {
            if let Some(place) = place.filter(|_| other != kind) {
                let problem = Problem::new(place, format!("`{}` is not for a `{}`", other.key(), kind.name()));
                self.report(problem.label("another type's").help(format!(
                    "a `{}` has a `{}`",
                    kind.name(),
                    kind.key()
                )));
                return None;
            }
        }
        match kind {
            FilterType::RequestHeaderModifier => {
                let raw = self.needed(raw.request_header_modifier.as_ref(), kind, place)?;
                found.filters.request = self.header_changes(raw, place, kind)?;
            }
            FilterType::ResponseHeaderModifier => {
                let raw = self.needed(raw.response_header_modifier.as_ref(), kind, place)?;
                found.filters.response = self.header_changes(raw, place, kind)?;
            }
            FilterType::UrlRewrite => {
                let raw = self.needed(raw.url_rewrite.as_ref(), kind, place)?;
                found.filters.rewrite = self.rewrite(raw, place, owner)?;
            }
            FilterType::RequestMirror => {
                let mirror = self.mirror(self.needed(raw.request_mirror.as_ref(), kind, place)?, place, owner)?;
                if found.filters.mirrors.iter().any(|other| other.backend == mirror.backend) {
                    let problem = Problem::new(place, "two mirrors to one backend").label("the second one");
                    self.report(problem.help("leave one of them out"));
                    return None;
                }
                found.filters.mirrors.push(mirror);
            }
            FilterType::RequestRedirect if owner.kind == OwnerKind::BackendRef => {
                let problem = Problem::new(place, "a `RequestRedirect` of a backendRef");
                self.report(
                    problem.label("no backend gets a redirected request").help("put it into the rule's `filters`"),
                );
                return None;
            }
            FilterType::RequestRedirect => {
                let raw = self.needed(raw.request_redirect.as_ref(), kind, place)?;
                found.redirect = Some(self.redirect(raw, place, owner)?);
            }
        }
        Some(())
    }

    /// What a filter of this type has to have.
    fn needed<T>(self, at: Option<&At<T>>, kind: FilterType, place: Place) -> Option<&T> {
        if at.is_none() {
            let problem = Problem::new(place, format!("`{}` is missing", kind.key()));
            self.report(problem.label(format!("a `{}` needs it", kind.name())));
        }
        at?.need(kind.key(), place, self.problems)
    }

    fn mirror(self, raw: &raw::RequestMirror, place: Place, owner: Owner<'_>) -> Option<Mirror> {
        let backend = raw.backend_ref.need("backendRef", place, self.problems).and_then(|reference| {
            let name = reference.name.need("name", raw.backend_ref.place, self.problems)?;
            owner.backends.resolve(name, reference.name.place, self)
        });
        let part = match (&raw.percent, &raw.fraction) {
            (Some(percent), Some(fraction)) => {
                let problem = Problem::new(fraction.place, "both `percent` and `fraction`");
                self.report(problem.label("only one of them").also(percent.place, "already said here"));
                return None;
            }
            (None, None) => Some(Part::ALL),
            (Some(percent), None) => {
                let part = self.count("percent", Some(percent), 100, 0..=100);
                part.and_then(|percent| Part::new(u32::try_from(percent).ok()?, 100))
            }
            (None, Some(fraction)) => self.fraction(fraction),
        };
        Some(Mirror { backend: BackendId::new(backend?), part: part?, place: 0 })
    }

    fn fraction(self, at: &At<raw::Fraction>) -> Option<Part> {
        let raw = at.get()?;
        let denominator = self.count("denominator", raw.denominator.as_ref(), 100, 1..=MOST_OF_FRACTION);
        raw.numerator.need("numerator", at.place, self.problems)?;
        let denominator = denominator?;
        let numerator = self.count("numerator", Some(&raw.numerator), 0, 0..=denominator)?;
        Part::new(u32::try_from(numerator).ok()?, u32::try_from(denominator).ok()?)
    }

    fn rewrite(self, raw: &raw::UrlRewrite, place: Place, owner: Owner<'_>) -> Option<Rewrite> {
        if raw.hostname.is_none() && raw.path.is_none() {
            self.report(Problem::new(place, "this `URLRewrite` changes nothing").label("needs `hostname` or `path`"));
            return None;
        }
        let hostname = Self::part(raw.hostname.as_ref(), |at| self.precise_hostname(at));
        let path = Self::part(raw.path.as_ref(), |at| self.path_modifier(at, owner));
        Some(Rewrite { hostname: hostname?, path: path? })
    }

    fn redirect(self, raw: &raw::RequestRedirect, place: Place, owner: Owner<'_>) -> Option<Redirect> {
        if raw.scheme.is_none() && raw.hostname.is_none() && raw.path.is_none() && raw.port.is_none() {
            let problem = Problem::new(place, "this `RequestRedirect` leads back to where the request came from");
            self.report(problem.label("needs `scheme`, `hostname`, `path` or `port`"));
            return None;
        }
        let scheme = Self::part(raw.scheme.as_ref(), |at| {
            Some(match at.get()? {
                raw::Scheme::Http => Scheme::Http,
                raw::Scheme::Https => Scheme::Https,
            })
        });
        let hostname = Self::part(raw.hostname.as_ref(), |at| self.precise_hostname(at));
        let path = Self::part(raw.path.as_ref(), |at| self.path_modifier(at, owner));
        let port = Self::part(raw.port.as_ref(), |at| {
            let port = self.count("port", Some(at), 0, 1..=65_535)?;
            u16::try_from(port).ok()
        });
        let code = raw.status_code.as_ref().map_or(Some(302), |at| {
            let code = *at.get()?;
            if !REDIRECTS.contains(&code) {
                let problem = Problem::new(at.place, format!("`statusCode` cannot be {code}"));
                self.report(problem.label("301, 302, 303, 307 or 308"));
                return None;
            }
            u16::try_from(code).ok()
        });
        Some(Redirect { scheme: scheme?, hostname: hostname?, path: path?, port: port?, code: code? })
    }

    /// One host, without a port.
    fn precise_hostname(self, at: &At<String>) -> Option<Box<str>> {
        let text = at.get()?;
        if text.starts_with('*') {
            let problem = Problem::new(at.place, format!("`{}` is no single host", text.escape_debug()));
            self.report(problem.label("one host").help("as in `shop.example.com`"));
            return None;
        }
        match self.hostname(text, at.place)? {
            Hostname::Exact(host) => Some(host.into()),
            Hostname::Any | Hostname::Wildcard(_) => None,
        }
    }

    fn path_modifier(self, at: &At<raw::PathModifier>, owner: Owner<'_>) -> Option<PathModifier> {
        let raw = at.get()?;
        let kind = *raw.kind.need("type", at.place, self.problems)?;
        let (key, written, other_key, other) = match kind {
            PathModifierType::ReplaceFullPath => {
                ("replaceFullPath", &raw.replace_full_path, "replacePrefixMatch", &raw.replace_prefix_match)
            }
            PathModifierType::ReplacePrefixMatch => {
                ("replacePrefixMatch", &raw.replace_prefix_match, "replaceFullPath", &raw.replace_full_path)
            }
        };
        if let Some(other) = other {
            let problem = Problem::new(other.place, format!("`{other_key}` is of the other type"));
            self.report(problem.label("not for this `type`").also(raw.kind.place, format!("this one has a `{key}`")));
            return None;
        }
        let Some(written) = written else {
            self.report(Problem::new(at.place, format!("`{key}` is missing")).label(format!("needs `{key}`")));
            return None;
        };
        let text = written.get()?;
        match kind {
            PathModifierType::ReplaceFullPath => {
                self.path_text(text, written.place).map(|path| PathModifier::Full(path.into()))
            }
            PathModifierType::ReplacePrefixMatch => {
                let replacement = if text.is_empty() { "" } else { self.path_text(text, written.place)? };
                let prefix = common_prefix(owner.matches?).or_else(|| {
                    let problem = Problem::new(raw.kind.place, "`ReplacePrefixMatch` without one prefix to replace");
                    let problem = problem.label("every match of the rule has to have the same `PathPrefix`");
                    self.report(problem.help("use `ReplaceFullPath`, or a rule for each prefix"));
                    None
                })?;
                Some(PathModifier::prefix(prefix, replacement))
            }
        }
    }
}

/// The path prefix of all matches, if it is one and the same.
fn common_prefix(matches: &[RequestMatch]) -> Option<&str> {
    let mut prefixes = matches.iter().map(|m| match &m.path {
        PathMatch::Prefix(prefix) => Some(prefix.as_str()),
        PathMatch::Exact(_) | PathMatch::Regex(_) => None,
    });
    let first = prefixes.next()??;
    prefixes.all(|prefix| prefix == Some(first)).then_some(first)
}
