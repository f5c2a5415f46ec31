//! The file as a tree, every value with its place.
//!
//! Reading goes through this tree and not straight into the types, because a reader that stops at the first mistake
//! would make the operator mend a file one error at a time.

/// A stretch of the file, in bytes; empty where nothing can be underlined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    /// The first byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a value is, before anyone has said what it should be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// One word, number or text, as it was written: `1.10` stays `1.10`.
    Scalar {
        text: String,
        /// Quoted, so that it is a text whatever it looks like.
        quoted: bool,
    },
    Seq(Vec<Node>),
    /// In the file's order, duplicates included.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
}

impl Node {
    /// What a person calls it: `a list`, `` `10` ``.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Scalar { text, quoted: true } => format!("the text \"{}\"", text.escape_debug()),
            Kind::Scalar { text, quoted: false } => format!("`{}`", text.escape_debug()),
            Kind::Seq(_) => "a list".into(),
            Kind::Map(_) => "a mapping".into(),
        }
    }
}
