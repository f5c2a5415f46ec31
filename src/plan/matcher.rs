//! Finds the rule for a request, by `HTTPRoute`'s precedence.
//!
//! Every combination of a hostname and a match is an entry of one list, sorted once, the most specific first: the
//! first entry that holds is the answer. Gateway API v1 (`HTTPRouteRule`, `HTTPRouteSpec`) sets the order: longest
//! hostname, exact before wildcard; then `Exact` path, longest prefix, method, most headers, most query parameters;
//! then the file's order. `RegularExpression` paths, whose place the specification leaves open, stand between `Exact`
//! and `PathPrefix`; cookies, our addition, count as headers do.

use super::RuleId;
use regex::bytes::Regex;
use std::cmp::Reverse;

/// The parts of a request that matches look at.
#[derive(Debug)]
pub struct Request<'a, F> {
    /// The method as sent; methods are case-sensitive.
    pub method: &'a str,
    /// The authority without its port, in any case; empty when the client named none.
    pub host: &'a str,
    /// The path of the target, as sent.
    pub path: &'a str,
    /// What follows the path's `?`, without it; empty when there is none.
    pub query: &'a str,
    /// The header fields.
    pub fields: F,
}

/// Header fields to look up by name.
pub trait Fields {
    /// Calls `found` with each value of the field `name` (any case) until it answers true; whether it did.
    fn any(&self, name: &str, found: impl FnMut(&[u8]) -> bool) -> bool;
}

/// How a text must look.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// Equal to it.
    Exact(String),
    /// Matched in full by it: the config anchors the pattern at both ends.
    Regex(Regex),
}

/// A named text that must be there: a header, a cookie, a query parameter.
#[derive(Debug, Clone)]
pub struct NameMatch {
    /// Header names in lower case; the others as written, which is how they are compared.
    pub name: String,
    /// How its value must look.
    pub value: TextMatch,
}

/// How a path must look.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// Equal to it.
    Exact(String),
    /// Equal to it or below it, by whole segments: `/a` has `/a` and `/a/b` below it, not `/ab`. No trailing slash,
    /// so that `/` is written as the empty text here.
    Prefix(String),
    /// Matched in full by it.
    Regex(Regex),
}

/// Conditions that must all hold.
#[derive(Debug, Clone)]
pub struct RequestMatch {
    /// The path's; `HTTPRoute`'s default is the prefix `/`.
    pub path: PathMatch,
    /// The method's.
    pub method: Option<String>,
    /// The headers'.
    pub headers: Vec<NameMatch>,
    /// The cookies'.
    pub cookies: Vec<NameMatch>,
    /// The query parameters'.
    pub query_params: Vec<NameMatch>,
}

/// Which hosts a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hostname {
    /// Every host.
    Any,
    /// `*.example.com`.
    Wildcard(Wildcard),
    /// One host, in lower case.
    Exact(String),
}

/// What follows the `*` of a wildcard hostname, with its dot and in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(pub String);

/// The rules, most specific first.
#[derive(Debug)]
pub struct Matcher {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    hostname: Hostname,
    conditions: RequestMatch,
    rule: RuleId,
}

impl Matcher {
    /// From every hostname, match and rule of the file, in its order.
    pub fn new(rules: impl IntoIterator<Item = (Hostname, RequestMatch, RuleId)>) -> Self {
        let mut entries: Vec<_> =
            rules.into_iter().map(|(hostname, conditions, rule)| Entry { hostname, conditions, rule }).collect();
        entries.sort_by_key(|entry| Reverse((entry.hostname.rank(), entry.conditions.rank())));
        Self { entries }
    }

    /// Every combination of a hostname and a match with its rule, in the order of precedence.
    pub fn entries(&self) -> impl Iterator<Item = (&Hostname, &RequestMatch, RuleId)> {
        self.entries.iter().map(|entry| (&entry.hostname, &entry.conditions, entry.rule))
    }

    /// The rule that `request` falls under.
    pub fn find<F: Fields>(&self, request: &Request<'_, F>) -> Option<RuleId> {
        self.entries.iter().find(|e| e.hostname.holds(request.host) && e.conditions.hold(request)).map(|e| e.rule)
    }
}

impl RequestMatch {
    /// `HTTPRoute`'s default: every path, nothing else asked.
    pub fn everything() -> Self {
        let path = PathMatch::Prefix(String::new());
        Self { path, method: None, headers: Vec::new(), cookies: Vec::new(), query_params: Vec::new() }
    }

    fn rank(&self) -> impl Ord + use<> {
        let path = match &self.path {
            PathMatch::Exact(_) => (2, 0),
            PathMatch::Regex(regex) => (1, regex.as_str().len()),
            PathMatch::Prefix(prefix) => (0, prefix.len()),
        };
        (path, self.method.is_some(), self.headers.len() + self.cookies.len(), self.query_params.len())
    }

    fn hold<F: Fields>(&self, request: &Request<'_, F>) -> bool {
        self.path.holds(request.path)
            && self.method.as_ref().is_none_or(|method| method == request.method)
            && self.headers.iter().all(|m| request.fields.any(&m.name, |value| m.value.holds(value)))
            && self.cookies.iter().all(|m| any_cookie(&request.fields, &m.name, |value| m.value.holds(value)))
            && self.query_params.iter().all(|m| m.first_param_holds(request.query))
    }
}

impl NameMatch {
    /// Of a parameter that is there twice only the first one counts (`HTTPQueryParamMatch`).
    fn first_param_holds(&self, query: &str) -> bool {
        let mut params = query.split('&').map(|param| param.split_once('=').unwrap_or((param, "")));
        params.find(|(name, _)| *name == self.name).is_some_and(|(_, value)| self.value.holds(value.as_bytes()))
    }
}

impl TextMatch {
    fn holds(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl PathMatch {
    fn holds(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            Self::Regex(regex) => regex.is_match(path.as_bytes()),
            Self::Prefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    || prefix.is_empty()
            }
        }
    }
}

impl Hostname {
    fn rank(&self) -> (usize, bool) {
        match self {
            Self::Any => (0, false),
            Self::Wildcard(Wildcard(suffix)) => (suffix.len(), false),
            Self::Exact(host) => (host.len(), true),
        }
    }

    fn holds(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact.eq_ignore_ascii_case(host),
            Self::Wildcard(Wildcard(suffix)) => host
                .len()
                .checked_sub(suffix.len())
                .filter(|&star| star > 0)
                .and_then(|star| host.get(star..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
        }
    }
}

/// Calls `found` with each value of the cookie `name` until it answers true; whether it did (RFC 6265 section 4.2).
pub fn any_cookie(fields: &impl Fields, name: &str, mut found: impl FnMut(&[u8]) -> bool) -> bool {
    fields.any("cookie", |line| {
        line.split(|&byte| byte == b';').any(|pair| {
            let pair = pair.trim_ascii();
            pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")).is_some_and(&mut found)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(&'static [(&'static str, &'static str)]);

    impl Fields for List {
        fn any(&self, name: &str, mut found: impl FnMut(&[u8]) -> bool) -> bool {
            self.0.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && found(v.as_bytes()))
        }
    }

    fn get(host: &'static str, path: &'static str) -> Request<'static, List> {
        Request { method: "GET", host, path, query: "", fields: List(&[]) }
    }

    fn path(path: PathMatch) -> RequestMatch {
        RequestMatch { path, ..RequestMatch::everything() }
    }

    fn prefix(text: &str) -> RequestMatch {
        path(PathMatch::Prefix(text.trim_end_matches('/').into()))
    }

    fn matcher(rules: Vec<(Hostname, RequestMatch)>) -> Matcher {
        Matcher::new(rules.into_iter().enumerate().map(|(i, (h, m))| (h, m, RuleId::new(i))))
    }

    fn found(matcher: &Matcher, request: &Request<'_, List>) -> Option<usize> {
        matcher.find(request).map(RuleId::index)
    }

    #[test]
    fn a_prefix_matches_whole_segments_only() {
        let m = matcher(vec![(Hostname::Any, prefix("/a"))]);
        for (path, expected) in
            [("/a", true), ("/a/", true), ("/a/b", true), ("/ab", false), ("/", false), ("*", false)]
        {
            assert_eq!(found(&m, &get("x", path)).is_some(), expected, "{path}");
        }
        let root = matcher(vec![(Hostname::Any, prefix("/"))]);
        for path in ["/", "/a", "*", ""] {
            assert!(found(&root, &get("x", path)).is_some(), "{path}");
        }
    }

    #[test]
    fn the_most_specific_rule_wins_whatever_the_files_order() {
        let regex = path(PathMatch::Regex(Regex::new("^(?:/a/.*)$").unwrap()));
        let header = NameMatch { name: "x".into(), value: TextMatch::Exact("1".into()) };
        let m = matcher(vec![
            (Hostname::Any, prefix("/")),
            (Hostname::Any, RequestMatch { headers: vec![header.clone()], ..prefix("/") }),
            (Hostname::Any, RequestMatch { method: Some("GET".into()), ..prefix("/") }),
            (Hostname::Any, prefix("/a")),
            (Hostname::Any, regex),
            (Hostname::Any, path(PathMatch::Exact("/a/b".into()))),
        ]);
        let with_header = |path| Request { fields: List(&[("X", "1")]), ..get("h", path) };
        assert_eq!(found(&m, &with_header("/a/b")), Some(5), "exact");
        assert_eq!(found(&m, &with_header("/a/c")), Some(4), "regular expression");
        assert_eq!(found(&m, &with_header("/a")), Some(3), "longest prefix");
        assert_eq!(found(&m, &with_header("/")), Some(2), "method before headers");
        assert_eq!(found(&m, &Request { method: "PUT", ..with_header("/") }), Some(1), "headers");
        assert_eq!(found(&m, &Request { method: "PUT", ..get("h", "/") }), Some(0));
    }

    #[test]
    fn the_most_specific_hostname_wins_before_any_path() {
        let m = matcher(vec![
            (Hostname::Any, path(PathMatch::Exact("/a".into()))),
            (Hostname::Wildcard(Wildcard(".example.com".into())), prefix("/")),
            (Hostname::Exact("www.example.com".into()), prefix("/")),
        ]);
        for (host, expected) in [("WWW.example.com", 2), ("a.Example.com", 1), ("example.com", 0), (".example.com", 0)]
        {
            assert_eq!(found(&m, &get(host, "/a")), Some(expected), "{host}");
        }
    }

    #[test]
    fn cookies_and_query_parameters_are_compared_by_name_and_value() {
        let named =
            |name: &str, value: &str| vec![NameMatch { name: name.into(), value: TextMatch::Exact(value.into()) }];
        let m = matcher(vec![
            (Hostname::Any, RequestMatch { cookies: named("side", "canary"), ..prefix("/") }),
            (Hostname::Any, RequestMatch { query_params: named("v", "2"), ..prefix("/") }),
        ]);
        let cookie = |line: &'static [(&'static str, &'static str)]| Request { fields: List(line), ..get("h", "/") };
        assert_eq!(found(&m, &cookie(&[("cookie", "a=b; side=canary")])), Some(0));
        assert_eq!(found(&m, &cookie(&[("cookie", "beside=canary; side=stable")])), None);
        assert_eq!(found(&m, &Request { query: "a=1&v=2&v=3", ..get("h", "/") }), Some(1));
        assert_eq!(found(&m, &Request { query: "v=3&v=2", ..get("h", "/") }), None, "only the first counts");
    }
}
