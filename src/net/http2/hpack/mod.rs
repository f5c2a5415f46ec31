//! HPACK (RFC 7541): how HTTP/2 writes field sections.
//!
//! Reading is all of it, since peers choose what they use. Writing is as little as is always right: an index where the
//! static table has one, and everything else spelt out. So there is no table of ours that has to be kept for each
//! connection, and no code to be computed for each byte; a response's few fields are some bytes longer for it.

mod decode;
mod encode;
mod huffman;
mod table;

pub(super) use decode::{Decoder, Unreadable};
pub(super) use encode::{encode_field, encode_status, encode_table_size};

/// It is no HPACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Malformed;

/// The fields of one section, as they came.
#[derive(Debug)]
pub(super) struct FieldSection {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// As RFC 9113 section 6.5.2 counts it.
    size: usize,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    begin: usize,
    value: usize,
    end: usize,
}

/// What a field counts in a section's size beside its text (RFC 9113 section 6.5.2).
const OVERHEAD: usize = 32;
/// How many times as large as it may be a section is read to its end, so that the next ones can be: what is larger is
/// not worth that.
const FAR: usize = 4;
/// Room for the text of most sections.
const TEXT: usize = 512;
/// Room for the fields of most sections.
const LINES: usize = 16;

impl FieldSection {
    /// An empty section, which takes fields up to a size of `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { text: Vec::with_capacity(TEXT), lines: Vec::with_capacity(LINES), size: 0, most }
    }

    /// Whether some fields are missing, since the section is larger than it may be.
    pub(super) fn is_too_large(&self) -> bool {
        self.size > self.most
    }

    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The name and the value of a field.
    pub(super) fn field(&self, index: usize) -> (&[u8], &[u8]) {
        let Line { begin, value, end } = self.lines[index];
        (&self.text[begin..value], &self.text[value..end])
    }

    /// The names and values, in order.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|&Line { begin, value, end }| (&self.text[begin..value], &self.text[value..end]))
    }

    /// Takes the text from `begin` on, whose first `name` bytes are the name, for a field; false when that is far too
    /// much.
    fn push(&mut self, begin: usize, name: usize) -> bool {
        let end = self.text.len();
        self.size += end - begin + OVERHEAD;
        if self.is_too_large() {
            self.text.truncate(begin);
        } else {
            self.lines.push(Line { begin, value: begin + name, end });
        }
        self.size <= self.most.saturating_mul(FAR)
    }
}
