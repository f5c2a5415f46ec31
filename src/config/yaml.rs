//! The one place that knows the YAML library.
//!
//! It turns a text into [`Node`]s and leaves every judgement to others: duplicate keys are kept, numbers keep the
//! spelling that they were written in.

use super::node::{Key, Kind, Node, Place};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

/// Text that is not YAML.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) place: Place,
    pub(super) message: String,
}

/// The tree of `text`; `Null` at the root when there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    let spanned: Spanned<Content> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map_or_else(Place::default, |location| place_of(location, text));
        SyntaxError { place, message: message_of(&error) }
    })?;
    Ok(node(spanned, text))
}

/// The library's message without the position that it ends in: the report shows that anyway.
fn message_of(error: &serde_saphyr::Error) -> String {
    if matches!(error.without_snippet(), serde_saphyr::Error::MultipleDocuments { .. }) {
        return "one document a file: nothing may follow `---`".into();
    }
    let text = error.without_snippet().to_string();
    let first = text.lines().next().unwrap_or_default();
    let end = first.find(" at line ").or_else(|| first.find(" (line ")).unwrap_or(first.len());
    first[..end].trim_end_matches([',', ':', ' ']).to_owned()
}

fn place_of(location: Location, text: &str) -> Place {
    let (span, whole) = (location.span(), |value: u64| usize::try_from(value).unwrap_or(usize::MAX));
    if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        let start = whole(start).min(text.len());
        return Place { start, end: start.saturating_add(whole(len)).min(text.len()) };
    }
    // The scanner knows the line and the column alone, in characters.
    let line_start: usize =
        text.split_inclusive('\n').take(whole(location.line()).saturating_sub(1)).map(str::len).sum();
    let before = text[line_start..].chars().take(whole(location.column()).saturating_sub(1));
    let start = line_start + before.map(char::len_utf8).sum::<usize>();
    Place { start, end: start }
}

/// A value as the library hands it over.
enum Content {
    Null,
    Text(String),
    /// Something that the library took for a number or a truth value; its own spelling is in the file.
    Inferred(String),
    Seq(Vec<Spanned<Content>>),
    Map(Vec<(Spanned<Content>, Spanned<Content>)>),
}

fn node(spanned: Spanned<Content>, text: &str) -> Node {
    let mut place = place_of(spanned.defined, text);
    let written = text.get(place.start..place.end).unwrap_or_default();
    let kind = match spanned.value {
        Content::Null => Kind::Null,
        Content::Text(value) => Kind::Scalar { quoted: written.starts_with(['"', '\'']), text: value },
        Content::Inferred(value) => {
            let text = if written.is_empty() { value } else { written.to_owned() };
            Kind::Scalar { text, quoted: false }
        }
        Content::Seq(items) => Kind::Seq(items.into_iter().map(|item| node(item, text)).collect()),
        Content::Map(entries) => {
            let entries: Vec<_> = entries.into_iter().map(|(key, value)| entry(key, value, text)).collect();
            if let Some((first, _)) = entries.first() {
                place = first.place;
            }
            Kind::Map(entries)
        }
    };
    Node { place, kind }
}

fn entry(key: Spanned<Content>, value: Spanned<Content>, text: &str) -> (Key, Node) {
    let key = node(key, text);
    let name = match key.kind {
        Kind::Scalar { text, .. } => text,
        Kind::Null | Kind::Seq(_) | Kind::Map(_) => String::new(),
    };
    (Key { place: key.place, name }, node(value, text))
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Inferred(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Content::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<Content>, Spanned<Content>>()? {
            if !matches!(key.value, Content::Text(_) | Content::Inferred(_)) {
                return Err(A::Error::custom("a key must be a word"));
            }
            entries.push((key, value));
        }
        Ok(Content::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(text: &str) -> (String, bool) {
        let node = parse(text).unwrap();
        let Kind::Map(entries) = node.kind else { panic!("a mapping") };
        let Kind::Scalar { text, quoted } = entries[0].1.kind.clone() else { panic!("a scalar") };
        (text, quoted)
    }

    #[test]
    fn numbers_and_truth_values_keep_the_spelling_of_the_file() {
        for written in ["1.10", "0x10", "1e-5", "off", "True", "007", "+5"] {
            assert_eq!(scalar(&format!("a: {written}")), (written.into(), false));
        }
        assert_eq!(scalar("a: \"1.10\""), ("1.10".into(), true));
        assert_eq!(scalar("a: '1.10'"), ("1.10".into(), true));
    }

    #[test]
    fn duplicate_keys_are_kept_for_the_report() {
        let Kind::Map(entries) = parse("{ a: 1, a: 2 }").unwrap().kind else { panic!("a mapping") };
        assert_eq!(entries.iter().map(|(key, _)| key.place.start).collect::<Vec<_>>(), [2, 8]);
    }

    #[test]
    fn places_are_bytes_of_the_file_whatever_comes_before() {
        let text = "ü: &anchor [ä, b] # é\nc: *anchor\n";
        let Kind::Map(entries) = parse(text).unwrap().kind else { panic!("a mapping") };
        let Kind::Seq(items) = &entries[1].1.kind else { panic!("a list") };
        assert_eq!(&text[items[1].place.start..items[1].place.end], "b");
    }

    #[test]
    fn text_that_is_not_yaml_is_an_error_with_a_place() {
        for (text, at) in [("a: [1\nb: 3\n", 7), ("a: b: c\n", 4), ("a: *x\n", 3), ("ü: \"x\n", 4)] {
            assert_eq!(parse(text).unwrap_err().place.start, at, "{text:?}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let level = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "));
        let levels: Vec<_> = (1..12).map(level).collect();
        parse(&format!("a0: &a0 [x]\n{}", levels.concat())).unwrap_err();
    }
}
