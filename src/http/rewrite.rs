//! A path in place of another one, as `HTTPRoute`'s `HTTPPathModifier` has it.

use crate::plan::PathModifier;

/// Appends what `path`, as sent, becomes. The asterisk of `OPTIONS *` is no path and stays.
pub(super) fn modified_path(out: &mut Vec<u8>, path: &str, modifier: Option<&PathModifier>) {
    match modifier {
        Some(PathModifier::Full(full)) if path != "*" => out.extend_from_slice(full.as_bytes()),
        Some(PathModifier::Prefix { matched, replacement }) if path != "*" => {
            // Whatever matched begins like this; if it did not, nothing would be replaced.
            let rest = path.strip_prefix(&**matched);
            let replacement = if rest.is_some() { &**replacement } else { "" };
            let rest = rest.unwrap_or(path);
            out.extend_from_slice(replacement.as_bytes());
            out.extend_from_slice(rest.as_bytes());
            if replacement.is_empty() && rest.is_empty() {
                out.push(b'/');
            }
        }
        _ => out.extend_from_slice(path.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::PathModifier;

    fn modified(path: &str, modifier: &PathModifier) -> String {
        let mut out = Vec::new();
        modified_path(&mut out, path, Some(modifier));
        String::from_utf8(out).unwrap()
    }

    /// The table of `HTTPPathModifier.replacePrefixMatch` (Gateway API v1), and what it leaves open.
    #[test]
    fn a_prefix_is_replaced_as_the_gateway_api_has_it() {
        for (path, matched, replacement, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            // Not in the table: an empty prefix, a slash that nothing follows, slashes that are the client's own.
            ("/bar", "/", "/xyz", "/xyz/bar"),
            ("/", "/", "/xyz", "/xyz/"),
            ("/bar", "/", "/", "/bar"),
            ("/foo", "/foo/", "/xyz/", "/xyz"),
            ("/foo//bar", "/foo", "/xyz", "/xyz//bar"),
            ("/foo/bar/foo", "/foo", "/xyz", "/xyz/bar/foo"),
            ("*", "/", "/xyz", "*"),
        ] {
            let modifier = PathModifier::prefix(matched, replacement);
            assert_eq!(modified(path, &modifier), expected, "{path}, {matched} by {replacement}");
        }
    }

    #[test]
    fn a_full_path_is_replaced_whatever_it_was() {
        let modifier = PathModifier::Full("/xyz".into());
        assert_eq!((modified("/foo/bar", &modifier), modified("*", &modifier)), ("/xyz".into(), "*".into()));
    }
}
