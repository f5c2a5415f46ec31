//! Reads field sections (RFC 7541 section 6).

use super::table::Table;
use super::{FieldSection, Malformed, huffman};

/// Reads the field sections of one peer, which build upon each other.
#[derive(Debug, Default)]
pub(in super::super) struct Decoder {
    table: Table,
}

/// Why a section cannot be read; nor can any that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unreadable {
    /// It is no HPACK.
    Malformed,
    /// It is several times as large as it may be.
    TooLarge,
}

impl From<Malformed> for Unreadable {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// No index and no length is as large as this.
const MOST: usize = 1 << 24;

impl Decoder {
    /// Holds hardly more memory than what the table needs.
    pub(in super::super) fn shrink(&mut self) {
        self.table.shrink();
    }

    /// Reads a whole section.
    ///
    /// # Errors
    /// [`Unreadable`]: a connection error (RFC 9113 section 4.3).
    pub(in super::super) fn decode(&mut self, mut block: &[u8], section: &mut FieldSection) -> Result<(), Unreadable> {
        let mut may_resize = true;
        while let Some(&first) = block.first() {
            let begin = section.text.len();
            let name = match first {
                // An indexed field (section 6.1).
                0x80.. => {
                    let index = integer(&mut block, 7)?;
                    self.table.copy(index, true, section).ok_or(Malformed)?
                }
                // A size of the table (section 6.3), only before the first field (section 4.2).
                0x20..0x40 => {
                    let most = integer(&mut block, 5)?;
                    if !may_resize || !self.table.resize(most) {
                        return Err(Unreadable::Malformed);
                    }
                    continue;
                }
                // A literal that is put into the table (section 6.2.1).
                0x40.. => {
                    let name = self.literal(&mut block, 6, section)?;
                    let (name_text, value) = section.text[begin..].split_at(name);
                    self.table.insert(name_text, value);
                    name
                }
                // One that is not (sections 6.2.2 and 6.2.3).
                _ => self.literal(&mut block, 4, section)?,
            };
            may_resize = false;
            if !section.push(begin, name) {
                return Err(Unreadable::TooLarge);
            }
        }
        Ok(())
    }

    /// Reads a literal to the end of the section's text: the length of its name.
    fn literal(&self, block: &mut &[u8], prefix: u32, section: &mut FieldSection) -> Result<usize, Malformed> {
        let begin = section.text.len();
        let name = match integer(block, prefix)? {
            0 => {
                string(block, &mut section.text)?;
                section.text.len() - begin
            }
            index => self.table.copy(index, false, section).ok_or(Malformed)?,
        };
        string(block, &mut section.text)?;
        Ok(name)
    }
}

/// An integer whose first bits are the last `prefix` ones of a byte (section 5.1).
fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, Malformed> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(take(block)?) & most;
    if value < most {
        return Ok(value);
    }
    let mut shift = 0;
    loop {
        let byte = usize::from(take(block)?);
        value += (byte & 0x7f) << shift;
        shift += 7;
        // Zeros that go on and on say nothing.
        if value > MOST || shift > 28 {
            return Err(Malformed);
        }
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}

/// Appends a string (section 5.2) to `text`.
fn string(block: &mut &[u8], text: &mut Vec<u8>) -> Result<(), Malformed> {
    let is_coded = block.first().ok_or(Malformed)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length).ok_or(Malformed)?;
    *block = rest;
    if is_coded {
        return huffman::decode(bytes, text);
    }
    text.extend_from_slice(bytes);
    Ok(())
}

fn take(block: &mut &[u8]) -> Result<u8, Malformed> {
    let (&first, rest) = block.split_first().ok_or(Malformed)?;
    *block = rest;
    Ok(first)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
