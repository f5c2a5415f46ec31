//! Matches: hostnames, paths, methods, and named texts.

use super::{Check, all, items, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw::{self, PathType, TextType};
use crate::plan::{Hostname, NameMatch, PathMatch, RequestMatch, TextMatch, Wildcard};
use regex::bytes::{Regex, RegexBuilder};

/// The methods of RFC 9110 and RFC 5789 that can be forwarded.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
/// A compiled pattern's bytes: far above what people write, far below what hurts.
const REGEX_BYTES: usize = 1 << 20;

impl Check<'_> {
    /// The hosts of a route; every host when it names none.
    pub(super) fn hostnames(self, list: Option<&At<Vec<At<String>>>>) -> Option<Vec<Hostname>> {
        let mut seen: Vec<(Hostname, Place)> = Vec::new();
        let hostnames = all(items(value(list)).map(|(at, text)| {
            let hostname = self.hostname(text, at.place)?;
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == hostname) {
                let problem = Problem::new(at.place, format!("`{text}` is there twice"));
                self.report(problem.label("the second one").also(*first, "the first one"));
            }
            seen.push((hostname.clone(), at.place));
            Some(hostname)
        }))?;
        Some(if hostnames.is_empty() { vec![Hostname::Any] } else { hostnames })
    }

    /// A host, or all below one.
    pub(super) fn hostname(self, text: &str, place: Place) -> Option<Hostname> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        if super::addresses::is_host_name(name) {
            return Some(match lower.strip_prefix('*') {
                Some(suffix) => Hostname::Wildcard(Wildcard(suffix.into())),
                None => Hostname::Exact(lower),
            });
        }
        let help = match text {
            "*" => "leave `hostnames` out for every host",
            _ if text.contains("://") => "the host alone, without `http://`",
            _ if text.contains(':') => "the host alone, without a port",
            _ if text.contains('*') => "a `*` stands alone before the first dot, as in `*.example.com`",
            _ => "as in `shop.example.com` or `*.example.com`",
        };
        let problem = Problem::new(place, format!("`{}` is no host name", text.escape_debug()));
        self.report(problem.label("a host name").help(help));
        None
    }

    /// The matches of a rule; everything when it has none.
    pub(super) fn matches(self, list: Option<&At<Vec<At<raw::RequestMatch>>>>) -> Option<Vec<RequestMatch>> {
        let matches = all(value(list).into_iter().flatten().map(|at| self.request_match(at)))?;
        Some(if matches.is_empty() { vec![RequestMatch::everything()] } else { matches })
    }

    fn request_match(self, at: &At<raw::RequestMatch>) -> Option<RequestMatch> {
        let raw = at.get()?;
        let path = raw.path.as_ref().map_or(Some(RequestMatch::everything().path), |at| self.path_match(at));
        let method = raw.method.as_ref().map_or(Some(None), |at| self.method(at).map(Some));
        let headers = self.name_matches(raw.headers.as_ref(), "header");
        let cookies = self.name_matches(raw.cookies.as_ref(), "cookie");
        let query_params = self.name_matches(raw.query_params.as_ref(), "query parameter");
        Some(RequestMatch {
            path: path?,
            method: method?,
            headers: headers?,
            cookies: cookies?,
            query_params: query_params?,
        })
    }

    fn path_match(self, at: &At<raw::PathMatch>) -> Option<PathMatch> {
        let raw = at.get()?;
        let kind = raw.kind.as_ref().map_or(Some(PathType::PathPrefix), |at| at.get().copied());
        let (text, place) = match &raw.value {
            Some(at) => (at.get()?.as_str(), at.place),
            None => ("/", at.place),
        };
        match kind? {
            PathType::RegularExpression => self.regex(text, place).map(PathMatch::Regex),
            PathType::Exact => self.path_text(text, place).map(|path| PathMatch::Exact(path.into())),
            PathType::PathPrefix => {
                self.path_text(text, place).map(|path| PathMatch::Prefix(path.trim_end_matches('/').into()))
            }
        }
    }

    /// A path as requests carry it.
    pub(super) fn path_text(self, text: &str, place: Place) -> Option<&str> {
        let help = if text.contains(['?', '#']) {
            "a path ends before `?`; for the query there are `queryParams`".into()
        } else if !text.starts_with('/') {
            format!("write `/{}`", text.escape_debug())
        } else if text.contains(|c: char| !c.is_ascii_graphic()) {
            "percent-encode spaces and letters beyond ASCII, as clients do".into()
        } else {
            return Some(text);
        };
        let problem = Problem::new(place, format!("`{}` is no path", text.escape_debug()));
        self.report(problem.label("a path begins with `/`").help(help));
        None
    }

    fn method(self, at: &At<String>) -> Option<String> {
        let method = at.get()?;
        let upper = method.to_ascii_uppercase();
        let (title, help) = if *method == "CONNECT" {
            ("`CONNECT` never reaches a rule".into(), "Serin answers it with 405".into())
        } else if !is_token(method) {
            (format!("`{}` is no method", method.escape_debug()), "as in `GET`".into())
        } else if *method != upper && METHODS.contains(&upper.as_str()) {
            (format!("methods are case-sensitive, and `{method}` is not a usual one"), format!("write `{upper}`"))
        } else {
            return Some(method.clone());
        };
        self.report(Problem::new(at.place, title).label("a method").help(help));
        None
    }

    fn name_matches(self, list: Option<&At<Vec<At<raw::NameMatch>>>>, kind: &str) -> Option<Vec<NameMatch>> {
        all(value(list).into_iter().flatten().map(|at| {
            let raw = at.get()?;
            let name = match kind {
                "header" => self.header_name(&raw.name, at.place),
                _ => self.token(&raw.name, at.place, kind, "name"),
            };
            let how = raw.kind.as_ref().map_or(Some(TextType::Exact), |at| at.get().copied());
            let text = raw.value.need("value", at.place, self.problems)?;
            let value = match how? {
                TextType::Exact => Some(TextMatch::Exact(text.clone())),
                TextType::RegularExpression => self.regex(text, raw.value.place).map(TextMatch::Regex),
            };
            Some(NameMatch { name: name?, value: value? })
        }))
    }

    /// A header's name, in lower case.
    pub(super) fn header_name(self, at: &At<String>, owner: Place) -> Option<String> {
        self.token(at, owner, "header", "name").map(|name| name.to_ascii_lowercase())
    }

    /// The name of a header or cookie (a token, RFC 9110 section 5.6.2), or of a query parameter.
    pub(super) fn token(self, at: &At<String>, owner: Place, kind: &str, key: &str) -> Option<String> {
        let name = at.need(key, owner, self.problems)?;
        let fits = match kind {
            "query parameter" => !name.is_empty() && !name.contains(['&', '=', '#']) && is_visible(name),
            _ => is_token(name),
        };
        if fits {
            return Some(name.clone());
        }
        let problem = Problem::new(at.place, format!("`{}` is no name of a {kind}", name.escape_debug()));
        self.report(problem.label(match kind {
            "query parameter" => "visible ASCII without `&`, `=` and `#`",
            _ => "letters, digits and any of !#$%&'*+-.^_`|~",
        }));
        None
    }

    /// A pattern that has to match in full.
    fn regex(self, pattern: &str, place: Place) -> Option<Regex> {
        let compile = |pattern: &str| RegexBuilder::new(pattern).unicode(false).size_limit(REGEX_BYTES).build();
        // Alone first, so that `a)|(b` cannot become right by the brackets around it.
        let compiled = compile(pattern).and_then(|_| compile(&format!("^(?:{pattern})$")));
        compiled
            .map_err(|error| {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let problem = Problem::new(place, format!("bad regular expression: {reason}"));
                self.report(problem.label("does not compile"));
            })
            .ok()
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
