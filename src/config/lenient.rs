//! A deserializer that goes on after a mistake.
//!
//! serde's derived code stops at its first error. Here nothing that an operator can get wrong ever becomes an error
//! for that code: unknown and repeated keys are reported and left out before it sees them, and a value that does not
//! fit is reported and taken by the [`At`] around it. So the types in `raw` stay plain serde types, and a file with
//! five mistakes gets five reports.

use super::at::{AT, At};
use super::nearest::nearest;
use super::node::{Key, Kind, Node, Place};
use super::problem::{Collector, Problem, listed};
use super::raw;
use serde::de::value::StrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use std::fmt;

/// The name of an enum whose variant follows from the shape of what is written: [`LIST`] or [`MAPPING`].
///
/// serde's own untagged enums would try one variant after the other, and lose the place of every mistake.
const BY_SHAPE: &str = "$by-shape";
const LIST: &str = "$list";
const MAPPING: &str = "$mapping";

/// `node` as a `T`; whatever does not fit goes to `problems`.
pub(super) fn read<'n, T: Deserialize<'n>>(node: &'n Node, problems: &'n Collector) -> At<T> {
    At::deserialize(Reader { node, problems }).expect("an At takes every mistake")
}

/// Why a value does not fit.
#[derive(Debug)]
enum Misfit {
    /// Reported already, where more was known about it.
    Reported,
    /// What should have been there.
    Expected(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported => f.write_str("reported before"),
            Self::Expected(what) => write!(f, "expected {what}"),
        }
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Expected(message.to_string())
    }
}

#[derive(Clone, Copy)]
struct Reader<'n> {
    node: &'n Node,
    problems: &'n Collector,
}

impl<'n> Reader<'n> {
    fn at(self, node: &'n Node) -> Self {
        Self { node, ..self }
    }

    fn plain_text(self) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Scalar { text, quoted: false } => Some(text),
            _ => None,
        }
    }

    /// The entries whose key is one of `known`, each once; the others are reported.
    ///
    /// A typo stands for the key that it was meant for, so that it is not reported again as a missing one, and what
    /// is wrong with its value is not left for the next round.
    fn known_entries(self, owner: &str, known: &'static [&'static str], entries: &'n [(Key, Node)]) -> Vec<Entry<'n>> {
        let is_there = |name: &str| entries.iter().any(|(key, _)| key.name == name);
        let mut kept: Vec<Entry<'n>> = Vec::new();
        for (key, value) in entries {
            let (name, place) = (key.name.as_str(), key.place);
            if !self.is_first(&kept, Entry { name, place, value }) {
                continue;
            }
            if known.contains(&name) {
                kept.push(Entry { name, place, value });
            } else if raw::is_not_built_yet(owner, name) {
                let problem = Problem::new(place, format!("this version of Serin does not have `{name}` yet"));
                self.problems.report(problem.label("not built yet").help("leave it out"));
            } else {
                let problem = Problem::new(place, format!("unknown key `{}`", name.escape_debug()));
                self.problems.report(problem.label("no such key here").known(name, known.iter().copied()));
                let meant = nearest(name, known).filter(|name| !is_there(name));
                if let Some(name) = meant.filter(|name| kept.iter().all(|entry| entry.name != *name)) {
                    kept.push(Entry { name, place, value });
                }
            }
        }
        kept
    }

    /// Whether no entry that was kept has the name of this one; reports it otherwise.
    fn is_first(self, kept: &[Entry<'_>], entry: Entry<'_>) -> bool {
        let first = kept.iter().find(|other| other.name == entry.name);
        if let Some(first) = first {
            let problem = Problem::new(entry.place, format!("`{}` is there twice", entry.name.escape_debug()));
            self.problems.report(problem.label("the second one").also(first.place, "the first one"));
        }
        first.is_none()
    }
}

/// One entry of a mapping, under a name that fits there.
#[derive(Clone, Copy)]
struct Entry<'n> {
    name: &'n str,
    place: Place,
    value: &'n Node,
}

impl<'n> Deserializer<'n> for Reader<'n> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    /// Any scalar is a text, so that `version: 1.10` needs no quotes.
    fn deserialize_str<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            Kind::Scalar { text, .. } => visitor.visit_str(text),
            _ => Err(Misfit::Expected("a text".into())),
        }
    }

    fn deserialize_bool<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.plain_text() {
            Some("true") => visitor.visit_bool(true),
            Some("false") => visitor.visit_bool(false),
            _ => Err(Misfit::Expected("`true` or `false`".into())),
        }
    }

    fn deserialize_u64<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let text = self.plain_text().unwrap_or_default();
        let number = text.parse().map_err(|_| {
            let percentage = text.strip_suffix('%').is_some_and(|number| number.parse::<u64>().is_ok());
            Misfit::Expected(if percentage { "a whole number without `%`" } else { "a whole number" }.into())
        });
        visitor.visit_u64(number?)
    }

    /// Both `Option` and [`At`] ask here; `Option` takes `visit_unit` for none.
    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.node.kind == Kind::Null { visitor.visit_unit() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Kind::Seq(items) = &self.node.kind else { return Err(Misfit::Expected("a list".into())) };
        visitor.visit_seq(Items { reader: self, rest: items.iter() })
    }

    fn deserialize_tuple_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        assert_eq!(name, AT, "the raw types have no other tuple struct");
        visitor.visit_seq(PlaceAndValue { reader: self, next: 0 })
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Kind::Map(entries) = &self.node.kind else {
            return Err(Misfit::Expected(format!("a mapping with {}", some(fields))));
        };
        let entries = self.known_entries(name, fields, entries);
        visitor.visit_map(Fields { reader: self, rest: entries.into_iter(), value: None })
    }

    /// A mapping whose keys are the operator's own.
    fn deserialize_map<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Kind::Map(entries) = &self.node.kind else { return Err(Misfit::Expected("a mapping".into())) };
        let mut kept: Vec<Entry<'n>> = Vec::new();
        for (key, value) in entries {
            let entry = Entry { name: &key.name, place: key.place, value };
            if self.is_first(&kept, entry) {
                kept.push(entry);
            }
        }
        visitor.visit_map(Fields { reader: self, rest: kept.into_iter(), value: None })
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.kind {
            Kind::Seq(_) if name == BY_SHAPE => visitor.visit_enum(Choice::of_shape(LIST, self)),
            Kind::Map(_) if name == BY_SHAPE => visitor.visit_enum(Choice::of_shape(MAPPING, self)),
            _ if name == BY_SHAPE => Err(Misfit::Expected("a list or a mapping".into())),
            Kind::Scalar { text, .. } if variants.contains(&text.as_str()) => {
                visitor.visit_enum(Choice { name: text, value: None, reader: self })
            }
            Kind::Scalar { text, .. } => {
                let problem = Problem::new(self.node.place, format!("unknown value `{}`", text.escape_debug()));
                self.problems.report(problem.label(format!("not one of {}", listed(variants))).near(text, variants));
                Err(Misfit::Reported)
            }
            Kind::Map(entries) => match self.known_entries(name, variants, entries).as_slice() {
                [entry] => visitor.visit_enum(Choice { name: entry.name, value: Some(entry.value), reader: self }),
                [] if !entries.is_empty() => Err(Misfit::Reported),
                [] => Err(Misfit::Expected(format!("one of {}", listed(variants)))),
                [first, second, ..] => {
                    let problem = Problem::new(second.place, format!("both `{}` and `{}`", first.name, second.name));
                    self.problems.report(problem.label("only one of them").also(first.place, "already said here"));
                    Err(Misfit::Reported)
                }
            },
            Kind::Null | Kind::Seq(_) => Err(Misfit::Expected(format!("one of {}", listed(variants)))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'n>>
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char string bytes byte_buf unit unit_struct tuple
        identifier ignored_any
    }
}

/// The names, or the first few of many.
fn some(names: &[&str]) -> String {
    match names {
        [a, b, c, _, _, _, ..] => format!("`{a}`, `{b}`, `{c}` and so on"),
        few => listed(few),
    }
}

/// The items of a list; an empty one is reported and skipped.
struct Items<'n> {
    reader: Reader<'n>,
    rest: std::slice::Iter<'n, Node>,
}

impl<'n> SeqAccess<'n> for Items<'n> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        for node in self.rest.by_ref() {
            if node.kind != Kind::Null {
                return seed.deserialize(self.reader.at(node)).map(Some);
            }
            let problem = Problem::new(node.place, "an empty item in a list").label("nothing here");
            self.reader.problems.report(problem.help("fill it in, or remove it"));
        }
        Ok(None)
    }
}

/// What [`At`] asks for: start, end, and the value unless it does not fit.
struct PlaceAndValue<'n> {
    reader: Reader<'n>,
    next: u8,
}

impl<'n> SeqAccess<'n> for PlaceAndValue<'n> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let node = self.reader.node;
        self.next += 1;
        match self.next {
            1 => seed.deserialize(node.place.start.into_deserializer()).map(Some),
            2 => seed.deserialize(node.place.end.into_deserializer()).map(Some),
            _ => match seed.deserialize(self.reader) {
                Ok(value) => Ok(Some(value)),
                Err(Misfit::Reported) => Ok(None),
                Err(Misfit::Expected(what)) => {
                    let problem = Problem::new(node.place, format!("expected {what}, found {}", node.describe()));
                    self.reader.problems.report(problem.label(format!("expected {what}")));
                    Ok(None)
                }
            },
        }
    }
}

/// The entries of a mapping.
struct Fields<'n> {
    reader: Reader<'n>,
    rest: std::vec::IntoIter<Entry<'n>>,
    value: Option<&'n Node>,
}

impl<'n> MapAccess<'n> for Fields<'n> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'n>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some(entry) = self.rest.next() else { return Ok(None) };
        self.value = Some(entry.value);
        let name: StrDeserializer<'_, Misfit> = entry.name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let node = self.value.take().expect("serde asks for a key first");
        seed.deserialize(self.reader.at(node))
    }
}

/// One variant: a word, or a mapping with one key.
struct Choice<'n> {
    name: &'n str,
    value: Option<&'n Node>,
    reader: Reader<'n>,
}

impl<'n> Choice<'n> {
    /// The variant called `name`, which takes all that is written.
    fn of_shape(name: &'n str, reader: Reader<'n>) -> Self {
        Self { name, value: Some(reader.node), reader }
    }
}

impl<'n> EnumAccess<'n> for Choice<'n> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'n>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let name: StrDeserializer<'_, Misfit> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'n> VariantAccess<'n> for Choice<'n> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        if self.value.is_none() { Ok(()) } else { Err(Misfit::Expected(format!("just `{}`", self.name))) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'n>>(self, seed: T) -> Result<T::Value, Misfit> {
        match self.value {
            Some(node) => seed.deserialize(self.reader.at(node)),
            None => Err(Misfit::Expected(format!("`{{ {}: … }}`", self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'n>>(self, _: usize, _: V) -> Result<V::Value, Misfit> {
        unreachable!("the raw types have no tuple variant")
    }

    fn struct_variant<V: Visitor<'n>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Misfit> {
        unreachable!("the raw types have no struct variant")
    }
}
