//! A value with its place, or the reason that there is none.

use super::node::Place;
use super::problem::{Collector, Problem};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// The name under which [`At`] asks its deserializer for a place and a value.
pub(super) const AT: &str = "$place-and-value";

/// A `T` of the file and where it stands.
///
/// Whoever reads it has to deal with the other three cases: it may be missing, there may be nothing after its colon,
/// or it was no `T`, in which case that has been reported already. Because an `At` takes every one of them, one bad
/// value never hides the next.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) place: Place,
    given: Given<T>,
}

#[derive(Debug, Clone)]
enum Given<T> {
    Value(T),
    /// The key is not there.
    Missing,
    /// The key is there, with nothing after it.
    Empty,
    /// Not a `T`; reported.
    Refused,
}

impl<T> At<T> {
    /// The value, where being missing is no problem or one that has been reported.
    pub(super) fn get(&self) -> Option<&T> {
        match &self.given {
            Given::Value(value) => Some(value),
            Given::Missing | Given::Empty | Given::Refused => None,
        }
    }

    /// The value of `key`; reports when `owner`, the mapping that should have it, has not.
    pub(super) fn need(&self, key: &str, owner: Place, problems: &Collector) -> Option<&T> {
        match &self.given {
            Given::Missing => {
                problems.report(Problem::new(owner, format!("`{key}` is missing")).label(format!("needs `{key}`")));
            }
            Given::Empty => {
                problems.report(Problem::new(owner, format!("`{key}` is empty")).label(format!("needs `{key}`")));
            }
            Given::Value(_) | Given::Refused => {}
        }
        self.get()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    /// Asked as an option, because that is the one question that a missing field answers without an error.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(AtVisitor(PhantomData))
    }
}

struct AtVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with its place")
    }

    fn visit_none<E>(self) -> Result<At<T>, E> {
        Ok(At { place: Place::default(), given: Given::Missing })
    }

    fn visit_unit<E>(self) -> Result<At<T>, E> {
        Ok(At { place: Place::default(), given: Given::Empty })
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<At<T>, D::Error> {
        deserializer.deserialize_tuple_struct(AT, 3, PairVisitor(PhantomData))
    }
}

struct PairVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PairVisitor<T> {
    type Value = At<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("start, end and value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<At<T>, A::Error> {
        let start = seq.next_element()?.unwrap_or_default();
        let end = seq.next_element()?.unwrap_or_default();
        let given = seq.next_element()?.map_or(Given::Refused, Given::Value);
        Ok(At { place: Place { start, end }, given })
    }
}

/// In the schema a place does not show.
impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
