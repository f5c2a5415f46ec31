//! What a rule does to what passes through it: `HTTPRoute`'s filters, resolved.
//!
//! A rule's filters and those of its backendRefs are folded together when the file is read, so that a request looks at
//! one list at most, whatever was written where: the rule's come first, then the backendRef's.

use super::BackendId;

/// The filters of a rule and of its backendRefs.
#[derive(Debug, Default)]
pub struct RuleFilters {
    /// Every request is answered with this, and none is forwarded.
    pub redirect: Option<Redirect>,
    /// What is done to answers of Serin's own, as long as no backend has been chosen.
    pub response: HeaderChanges,
    /// For each of the rule's `backend_refs`; empty when none of them has anything to do.
    forwarding: Vec<Filters>,
    /// Who gets copies of any of the rule's requests, each once.
    mirrored: Vec<BackendId>,
}

/// What is done on the way to one backend, and back.
#[derive(Debug, Default)]
pub struct Filters {
    /// To the fields of the request.
    pub request: HeaderChanges,
    /// To the fields of the response, of Serin's own answers too.
    pub response: HeaderChanges,
    /// To the host and the path of the request.
    pub rewrite: Rewrite,
    /// Who gets copies of it.
    pub mirrors: Vec<Mirror>,
}

/// A backend that gets copies of requests, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// Who gets them.
    pub backend: BackendId,
    /// How many of the requests.
    pub part: Part,
    /// Its place in [`RuleFilters::mirrored`].
    pub place: usize,
}

/// A part of a whole, from none to all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    numerator: u32,
    denominator: u32,
}

/// Fields that go and fields that come: what `set`, `add` and `remove` come to together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// In lower case.
    dropped: Vec<Box<str>>,
    appended: Vec<(Box<str>, Box<str>)>,
}

/// What a request is sent to in place of what it asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The value of `Host`.
    pub hostname: Option<Box<str>>,
    /// The path.
    pub path: Option<PathModifier>,
}

/// A path made from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathModifier {
    /// This one, whatever the other.
    Full(Box<str>),
    /// The other with its beginning replaced.
    Prefix {
        /// What the rule's matches have in common, as in [`PathMatch::Prefix`](super::PathMatch::Prefix).
        matched: Box<str>,
        /// What stands there instead, without a slash at its end; may be empty.
        replacement: Box<str>,
    },
}

/// Where clients are sent to; what is `None` is as they asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The scheme.
    pub scheme: Option<Scheme>,
    /// The host, without a port.
    pub hostname: Option<Box<str>>,
    /// The path; the query stays.
    pub path: Option<PathModifier>,
    /// The port.
    pub port: Option<u16>,
    /// 301, 302, 303, 307 or 308.
    pub code: u16,
}

/// A URL's scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

impl RuleFilters {
    /// A rule that answers every request itself. `response` is done to the answer.
    pub fn redirecting(redirect: Redirect, response: HeaderChanges) -> Self {
        Self { redirect: Some(redirect), response, ..Self::default() }
    }

    /// A rule with these filters, each of whose `backend_refs` has the filters at its place in `refs`.
    pub fn forwarding(rule: &Filters, refs: &[Filters]) -> Self {
        let mut folded: Vec<_> = refs.iter().map(|own| rule.then(own)).collect();
        let mut mirrored = Vec::new();
        for mirror in folded.iter_mut().flat_map(|filters| &mut filters.mirrors) {
            mirror.place = mirrored.iter().position(|other| *other == mirror.backend).unwrap_or(mirrored.len());
            if mirror.place == mirrored.len() {
                mirrored.push(mirror.backend);
            }
        }
        let nothing = folded.iter().all(Filters::is_empty);
        let forwarding = if nothing { Vec::new() } else { folded };
        Self { redirect: None, response: rule.response.clone(), forwarding, mirrored }
    }

    /// Who gets copies of any of the rule's requests, each once.
    pub fn mirrored(&self) -> &[BackendId] {
        &self.mirrored
    }

    /// What is done on the way to the backend at `index` of the rule's `backend_refs`; `None` when that is nothing.
    pub fn on_the_way_to(&self, index: usize) -> Option<&Filters> {
        self.forwarding.get(index)
    }

    /// What is done on the way to each of the rule's `backend_refs`; none of them when nothing is done on any way.
    pub fn on_every_way(&self) -> impl Iterator<Item = &Filters> {
        self.forwarding.iter()
    }
}

impl Filters {
    /// Whether a request is the same behind these as behind those.
    pub fn sends_the_same(&self, other: &Self) -> bool {
        (&self.request, &self.rewrite) == (&other.request, &other.rewrite)
    }

    fn is_empty(&self) -> bool {
        let changes_nothing = self.request.is_empty() && self.response.is_empty();
        changes_nothing && self.rewrite == Rewrite::default() && self.mirrors.is_empty()
    }

    /// These and then those; what is rewritten by both is as those say.
    fn then(&self, next: &Self) -> Self {
        let (before, after) = (&self.rewrite, &next.rewrite);
        Self {
            request: self.request.then(&next.request),
            response: self.response.then(&next.response),
            rewrite: Rewrite {
                hostname: after.hostname.as_ref().or(before.hostname.as_ref()).cloned(),
                path: after.path.as_ref().or(before.path.as_ref()).cloned(),
            },
            mirrors: self.mirrors.iter().chain(&next.mirrors).copied().collect(),
        }
    }
}

impl HeaderChanges {
    /// Sets, then adds, then removes; names are compared in any case.
    pub fn new<T: AsRef<str>>(set: &[(T, T)], add: &[(T, T)], remove: &[T]) -> Self {
        let removed = |name: &str| remove.iter().any(|other| other.as_ref().eq_ignore_ascii_case(name));
        let names = set.iter().map(|(name, _)| name).chain(remove);
        let fields = set.iter().chain(add).filter(|(name, _)| !removed(name.as_ref()));
        Self {
            dropped: names.map(|name| name.as_ref().to_ascii_lowercase().into()).collect(),
            appended: fields.map(|(name, value)| (name.as_ref().into(), value.as_ref().into())).collect(),
        }
    }

    /// These and then those.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        let stay = self.appended.iter().filter(|(name, _)| !next.drops(name));
        Self {
            dropped: self.dropped.iter().chain(&next.dropped).cloned().collect(),
            appended: stay.chain(&next.appended).cloned().collect(),
        }
    }

    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.appended.is_empty()
    }

    /// Whether the fields called `name` (any case) that the message has do not go on.
    pub fn drops(&self, name: &str) -> bool {
        self.dropped.iter().any(|dropped| dropped.eq_ignore_ascii_case(name))
    }

    /// The names of fields that the message does not keep, in lower case.
    pub fn dropped(&self) -> impl Iterator<Item = &str> {
        self.dropped.iter().map(|name| &**name)
    }

    /// The fields that the message gets, after its own: names as written, and values.
    pub fn appended(&self) -> impl Iterator<Item = (&str, &str)> {
        self.appended.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl Part {
    /// All of it.
    pub const ALL: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator` of `denominator`; `None` where that is no part of a whole.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        (denominator > 0 && numerator <= denominator).then_some(Self { numerator, denominator })
    }

    /// Whether a point drawn evenly from all of `u64` falls into the part.
    pub fn takes(self, point: u64) -> bool {
        // As in `Split::pick`.
        (u128::from(point) * u128::from(self.denominator)) >> 64 < u128::from(self.numerator)
    }

    /// How many of how many.
    pub fn fraction(self) -> (u32, u32) {
        (self.numerator, self.denominator)
    }

    /// From 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

impl PathModifier {
    /// Puts `replacement` where the path prefix `matched` was, by whole segments; a slash at the end of either says
    /// nothing.
    pub fn prefix(matched: &str, replacement: &str) -> Self {
        let without_slash = |text: &str| text.trim_end_matches('/').into();
        Self::Prefix { matched: without_slash(matched), replacement: without_slash(replacement) }
    }
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A message's fields after the changes, as a recipient that does what the filters say one by one would have them.
    fn changed(fields: &[(String, String)], changes: &HeaderChanges) -> Vec<(String, String)> {
        let stay = fields.iter().filter(|(name, _)| !changes.drops(name)).cloned();
        stay.chain(changes.appended().map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
    }

    type Lists = (Vec<(String, String)>, Vec<(String, String)>, Vec<String>);

    fn one_by_one(mut fields: Vec<(String, String)>, (set, add, remove): &Lists) -> Vec<(String, String)> {
        for (name, value) in set {
            fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            fields.push((name.clone(), value.clone()));
        }
        fields.extend(add.iter().cloned());
        fields.retain(|(other, _)| !remove.iter().any(|name| name.eq_ignore_ascii_case(other)));
        fields
    }

    fn fields(most: usize) -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::vec(("[a-cA-C]", "[0-9]"), 0..most)
    }

    /// Lists as the config lets them be: no name twice in `set`.
    fn lists() -> impl Strategy<Value = Lists> {
        (fields(4), fields(3), proptest::collection::vec("[a-cA-C]", 0..2)).prop_map(|(mut set, add, remove)| {
            let mut seen = Vec::new();
            set.retain(|(name, _)| {
                let new = !seen.contains(&name.to_ascii_lowercase());
                seen.push(name.to_ascii_lowercase());
                new
            });
            (set, add, remove)
        })
    }

    proptest! {
        /// The folded form does what the three lists, and two filters in a row, do one by one.
        #[test]
        fn folded_changes_are_those_made_one_by_one(sent in fields(6), first in lists(), second in lists()) {
            let changes = |(set, add, remove): &Lists| HeaderChanges::new(set, add, remove);
            prop_assert_eq!(changed(&sent, &changes(&first)), one_by_one(sent.clone(), &first));
            let both = changes(&first).then(&changes(&second));
            prop_assert_eq!(changed(&sent, &both), one_by_one(one_by_one(sent, &first), &second));
        }
    }

    #[test]
    fn a_rule_without_filters_has_nothing_to_look_at() {
        let rule = RuleFilters::forwarding(&Filters::default(), &[Filters::default(), Filters::default()]);
        assert!(rule.on_the_way_to(0).is_none() && rule.on_every_way().next().is_none());
    }

    #[test]
    fn a_part_takes_its_share_of_the_line_and_no_more() {
        for (numerator, denominator) in [(0, 1), (1, 100), (50, 100), (2, 3), (1, 1), (1, 2_147_483_647)] {
            let part = Part::new(numerator, denominator).unwrap();
            let end = ((u128::from(numerator) << 64) / u128::from(denominator)).min(u128::from(u64::MAX));
            let end = u64::try_from(end).unwrap();
            assert_eq!((part.takes(0), part.takes(u64::MAX)), (numerator > 0, numerator == denominator));
            assert!(numerator == 0 || part.takes(end - 1), "{numerator}/{denominator}");
            assert!(numerator == denominator || !part.takes(end + 1), "{numerator}/{denominator}");
        }
        assert!(Part::new(2, 1).is_none() && Part::new(0, 0).is_none());
    }

    #[test]
    fn whoever_gets_copies_of_a_rules_requests_is_counted_in_one_place() {
        let to = |backends: &[usize]| Filters {
            mirrors: backends
                .iter()
                .map(|&n| Mirror { backend: BackendId::new(n), part: Part::ALL, place: 0 })
                .collect(),
            ..Filters::default()
        };
        let rule = RuleFilters::forwarding(&to(&[7]), &[to(&[]), to(&[8, 7])]);
        let places = |index| rule.on_the_way_to(index).unwrap().mirrors.iter().map(|m| m.place).collect::<Vec<_>>();
        assert_eq!((places(0), places(1)), (vec![0], vec![0, 1, 0]));
        assert_eq!(rule.mirrored(), [BackendId::new(7), BackendId::new(8)]);
    }

    #[test]
    fn what_both_rewrite_is_as_the_backend_ref_says() {
        let rewrite = |hostname: Option<&str>, path: Option<&str>| Filters {
            rewrite: Rewrite {
                hostname: hostname.map(Into::into),
                path: path.map(|path| PathModifier::Full(path.into())),
            },
            ..Filters::default()
        };
        let rule =
            RuleFilters::forwarding(&rewrite(Some("a"), Some("/a")), &[rewrite(Some("b"), None), rewrite(None, None)]);
        assert_eq!(rule.on_the_way_to(0).unwrap().rewrite, rewrite(Some("b"), Some("/a")).rewrite);
        assert_eq!(rule.on_the_way_to(1).unwrap().rewrite, rewrite(Some("a"), Some("/a")).rewrite);
    }
}
