//! How matches and endpoints read in words: for `serin check`, the log and the admin API.

use super::{Endpoints, Hostname, NameMatch, PathMatch, RequestMatch, TextMatch, Wildcard};
use std::fmt::{Display, Formatter, Result};

impl Display for Hostname {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Any => f.write_str("every host"),
            Self::Wildcard(Wildcard(suffix)) => write!(f, "*{suffix}"),
            Self::Exact(host) => f.write_str(host),
        }
    }
}

impl Display for RequestMatch {
    /// `PathPrefix /a, method GET, header x = 1`; `every request` when nothing is asked.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut parts = Vec::new();
        if !matches!(&self.path, PathMatch::Prefix(prefix) if prefix.is_empty()) {
            parts.push(self.path.to_string());
        }
        parts.extend(self.method.iter().map(|method| format!("method {method}")));
        let kinds = [("header", &self.headers), ("cookie", &self.cookies), ("query", &self.query_params)];
        parts.extend(kinds.iter().flat_map(|(kind, list)| list.iter().map(move |m| format!("{kind} {m}"))));
        f.write_str(if parts.is_empty() { "every request" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl Display for PathMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Exact(path) => write!(f, "Exact {path}"),
            Self::Prefix(prefix) if prefix.is_empty() => f.write_str("PathPrefix /"),
            Self::Prefix(prefix) => write!(f, "PathPrefix {prefix}"),
            Self::Regex(regex) => write!(f, "RegularExpression {}", as_written(regex.as_str())),
        }
    }
}

impl Display for NameMatch {
    /// `name = value`, or `name ~ pattern`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            TextMatch::Exact(value) => write!(f, "{} = {value}", self.name),
            TextMatch::Regex(regex) => write!(f, "{} ~ {}", self.name, as_written(regex.as_str())),
        }
    }
}

impl Display for Endpoints {
    /// `10.0.0.1:80, 10.0.0.2:80`, or `dns name:80`.
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Static(addresses) => {
                f.write_str(&addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Dns { host, port } => write!(f, "dns {host}:{port}"),
        }
    }
}

/// A pattern without the anchors that the config puts around it.
fn as_written(pattern: &str) -> &str {
    pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    #[test]
    fn a_match_reads_as_the_conditions_that_were_written() {
        let named = |name: &str, value| NameMatch { name: name.into(), value };
        let everything = RequestMatch::everything();
        assert_eq!(everything.to_string(), "every request");
        let all = RequestMatch {
            path: PathMatch::Regex(Regex::new("^(?:/a|/b)$").unwrap()),
            method: Some("GET".into()),
            headers: vec![named("x", TextMatch::Exact("1".into()))],
            cookies: vec![named("c", TextMatch::Exact("2".into()))],
            query_params: vec![named("q", TextMatch::Regex(Regex::new("^(?:3+)$").unwrap()))],
        };
        assert_eq!(all.to_string(), "RegularExpression /a|/b, method GET, header x = 1, cookie c = 2, query q ~ 3+");
    }
}
