//! The tables that HPACK's indices point into: the static one, and the dynamic one that a peer fills (RFC 7541 section
//! 2.3).
//!
//! The dynamic table's text is in one piece, and grows with what is in it: a connection that says the same few fields
//! again and again, as most do, needs a few hundred bytes for it while it waits.

use super::FieldSection;
use std::collections::VecDeque;

/// The most that the dynamic table may hold: the default of `SETTINGS_HEADER_TABLE_SIZE` (RFC 9113 section 6.5.2), which
/// Serin leaves as it is.
pub(super) const MOST: usize = 4_096;
/// What an entry counts beside its text (RFC 7541 section 4.1).
const OVERHEAD: usize = 32;
/// How much memory is not worth being given back: what the next field would take again.
const SPARE: usize = 256;
/// How much text of entries that are gone is kept at least, so that not each insertion moves the rest.
const SLACK: usize = 512;

/// The dynamic table, and before it the static one.
#[derive(Debug)]
pub(super) struct Table {
    /// The oldest entry first.
    entries: VecDeque<Entry>,
    /// The entries' text, and before it some that is nobody's any more.
    text: Vec<u8>,
    size: usize,
    most: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The text of a table is shorter than what this can tell: see [`Table::shrink_to`].
    begin: u16,
    name: u16,
    value: u16,
}

impl Entry {
    fn size(self) -> usize {
        usize::from(self.name) + usize::from(self.value) + OVERHEAD
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), text: Vec::new(), size: 0, most: MOST }
    }
}

impl Table {
    /// The name and the value at `index`, which counts from 1.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let place = self.entries.len().checked_sub(index - STATIC.len() + 1)?;
        let Entry { begin, name, value } = self.entries[place];
        let (begin, name, value) = (usize::from(begin), usize::from(name), usize::from(value));
        Some(self.text[begin..begin + name + value].split_at(name))
    }

    /// Puts a field in, and the oldest ones out until it fits; one that never does leaves nothing (RFC 7541 section 4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink_to(self.most.saturating_sub(size));
        if size > self.most {
            return;
        }
        let short = |length: usize| u16::try_from(length).expect("it is below twice the size of a table");
        self.entries.push_back(Entry {
            begin: short(self.text.len()),
            name: short(name.len()),
            value: short(value.len()),
        });
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(value);
        self.size += size;
    }

    /// Sets how much it may hold; false when that is more than was allowed.
    pub(super) fn resize(&mut self, most: usize) -> bool {
        if most > MOST {
            return false;
        }
        self.most = most;
        self.shrink_to(most);
        true
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size > size {
            let oldest = self.entries.pop_front().expect("the size is that of the entries");
            self.size -= oldest.size();
        }
        if self.unused() > SLACK.max(self.text.len() / 2) || self.entries.is_empty() {
            self.drop_unused();
        }
    }

    /// How much of the text is nobody's any more.
    fn unused(&self) -> usize {
        self.entries.front().map_or(self.text.len(), |oldest| usize::from(oldest.begin))
    }

    fn drop_unused(&mut self) {
        let unused = self.unused();
        self.text.drain(..unused);
        for entry in &mut self.entries {
            entry.begin -= u16::try_from(unused).expect("an entry begins behind it");
        }
    }

    /// Holds hardly more memory than what the entries need.
    pub(super) fn shrink(&mut self) {
        if self.text.capacity() - self.text.len() + self.unused() > SPARE {
            self.drop_unused();
            self.text.shrink_to_fit();
            self.entries.shrink_to_fit();
        }
    }

    /// Copies the field at `index` to the end of `section`'s text: the length of its name; `None` if there is none.
    pub(super) fn copy(&self, index: usize, with_value: bool, section: &mut FieldSection) -> Option<usize> {
        let (name, value) = self.get(index)?;
        section.text.extend_from_slice(name);
        if with_value {
            section.text.extend_from_slice(value);
        }
        Some(name.len())
    }
}

/// RFC 7541 appendix A.
pub(super) static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
