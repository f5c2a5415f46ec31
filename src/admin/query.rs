//! A request's query, read strictly: a parameter that nobody reads is a mistake that would otherwise change what is done.

use super::no::No;
use axum::extract::Query;
use axum::http::Uri;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of `uri`; each must be one of `known`, and there once at most. `whose` names the path, for people.
    pub(super) fn of(uri: &Uri, whose: &str, known: &[&str]) -> Result<Self, No> {
        let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| No::bad(format!("the query cannot be read: {error}")))?;
        for (at, (name, _)) in all.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let takes =
                    if known.is_empty() { "takes none".to_owned() } else { format!("takes {}", known.join(", ")) };
                return Err(No::bad(format!("{whose} has no parameter `{name}`; it {takes}")));
            }
            if all[..at].iter().any(|(before, _)| before == name) {
                return Err(No::bad(format!("the parameter `{name}` is there twice; give it once")));
            }
        }
        Ok(Self(all))
    }

    /// What `name` says.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `name` as `read` has it; `expected` says what that takes.
    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, No> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| No::bad(format!("`{name}={text}` is not understood; it takes {expected}")))
    }

    /// `name` as yes or no; no without it.
    pub(super) fn flag(&self, name: &str) -> Result<bool, No> {
        let read = self.read(name, "true or false", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })?;
        Ok(read.unwrap_or(false))
    }
}
