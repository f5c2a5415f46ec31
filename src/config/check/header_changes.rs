//! Header modifiers: which fields may be changed, and to what.

use super::{Check, all, items, value};
use crate::config::at::At;
use crate::config::node::Place;
use crate::config::problem::Problem;
use crate::config::raw::{self, FilterType};
use crate::http::Field;
use crate::plan::HeaderChanges;

/// As in `HTTPRoute`; with a client's hundred fields the whole is still a head that can be read.
const MOST_FIELDS: usize = 16;
const LONGEST_NAME: usize = 256;
const LONGEST_VALUE: usize = 4_096;

/// A name in lower case where the file has it, and a value.
type Written<'t> = (Place, String, &'t str);

impl Check<'_> {
    /// What a modifier comes to.
    pub(super) fn header_changes(
        self,
        raw: &raw::HeaderModifier,
        place: Place,
        kind: FilterType,
    ) -> Option<HeaderChanges> {
        let set = self.fields("set", raw.set.as_ref(), kind);
        let add = self.fields("add", raw.add.as_ref(), kind);
        let remove = self.removed(raw.remove.as_ref(), kind);
        let (set, add, remove) = (set?, add?, remove?);
        if set.is_empty() && add.is_empty() && remove.is_empty() {
            let problem = Problem::new(place, format!("this `{}` changes nothing", kind.name()));
            self.report(problem.label("needs `set`, `add` or `remove`"));
            return None;
        }
        let is_removed = |name: &str| remove.iter().any(|(_, other, _)| other == name);
        if let Some((place, name, _)) = set.iter().chain(&add).find(|(_, name, _)| is_removed(name)) {
            let problem = Problem::new(*place, format!("`{name}` is written here and removed after that"));
            self.report(problem.label("gone in the end").help("`set` alone replaces what is there"));
            return None;
        }
        let pairs = |list: &[Written<'_>]| -> Vec<_> {
            list.iter().map(|(_, name, value)| (name.clone(), (*value).to_owned())).collect()
        };
        let names: Vec<_> = remove.into_iter().map(|(_, name, _)| name).collect();
        Some(HeaderChanges::new(&pairs(&set), &pairs(&add), &names))
    }

    /// The fields of `set` or `add`.
    fn fields<'t>(
        self,
        key: &str,
        list: Option<&'t At<Vec<At<raw::HeaderField>>>>,
        kind: FilterType,
    ) -> Option<Vec<Written<'t>>> {
        let fields = all(items(value(list)).map(|(at, raw)| {
            let name = self.changed_name(&raw.name, at.place, kind);
            let value = self.field_value(&raw.value, at.place);
            Some((raw.name.place, name?, value?))
        }))?;
        self.distinct(key, list.map(|at| at.place), fields)
    }

    fn removed(self, list: Option<&At<Vec<At<String>>>>, kind: FilterType) -> Option<Vec<Written<'_>>> {
        let names =
            all(items(value(list)).map(|(at, _)| Some((at.place, self.changed_name(at, at.place, kind)?, ""))))?;
        self.distinct("remove", list.map(|at| at.place), names)
    }

    /// The list, unless it is too long or has a name twice.
    fn distinct<'t>(self, key: &str, place: Option<Place>, list: Vec<Written<'t>>) -> Option<Vec<Written<'t>>> {
        if let Some(place) = place.filter(|_| list.len() > MOST_FIELDS) {
            let problem = Problem::new(place, format!("`{key}` has {} items", list.len()));
            self.report(problem.label(format!("at most {MOST_FIELDS}")));
            return None;
        }
        for (at, (place, name, _)) in list.iter().enumerate() {
            if let Some((first, ..)) = list[..at].iter().find(|(_, other, _)| other == name) {
                let problem = Problem::new(*place, format!("`{name}` is there twice"));
                self.report(problem.label("the second one").also(*first, "the first one"));
                return None;
            }
        }
        Some(list)
    }

    /// The name of a field that may be changed, in lower case.
    fn changed_name(self, at: &At<String>, owner: Place, kind: FilterType) -> Option<String> {
        let name = self.header_name(at, owner)?;
        let (title, help) = match Field::of(&name) {
            _ if name.len() > LONGEST_NAME => (format!("a name of {} characters", name.len()), "at most 256"),
            Field::Host if kind == FilterType::RequestHeaderModifier => {
                ("`host` is not changed like other fields".into(), "use a `URLRewrite` with `hostname`")
            }
            Field::Host => ("`host` is a field of requests".into(), "leave it out"),
            Field::ContentLength | Field::TransferEncoding => {
                (format!("`{name}` says where a message ends"), "leave it out: Serin writes it as the message is")
            }
            Field::Connection | Field::Te | Field::Expect | Field::Upgrade | Field::HopByHop => (
                format!("`{name}` is between two neighbours on the way"),
                "leave it out: Serin writes it as its own connections are",
            ),
            _ => return Some(name),
        };
        self.report(Problem::new(at.place, title).label("cannot be changed").help(help));
        None
    }

    /// A field's value (RFC 9110 section 5.5), in ASCII.
    fn field_value(self, at: &At<String>, owner: Place) -> Option<&str> {
        let value = at.need("value", owner, self.problems)?;
        if value.is_empty() {
            let problem = Problem::new(at.place, "`value` is empty").label("a value");
            self.report(problem.help("`remove` takes a field away"));
            return None;
        }
        let help = if value.trim() != value {
            "white space at either end is not part of a value"
        } else if value.len() > LONGEST_VALUE {
            "at most 4,096 characters"
        } else if value.bytes().any(|byte| byte != b' ' && byte != b'\t' && !byte.is_ascii_graphic()) {
            "letters, digits, punctuation and blanks, all of ASCII"
        } else {
            return Some(value);
        };
        let shown: String = value.chars().take(32).collect();
        let problem = Problem::new(at.place, format!("`{}` is no value of a header", shown.escape_debug()));
        self.report(problem.label("cannot be sent").help(help));
        None
    }
}
