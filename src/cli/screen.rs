//! Where a verb writes, and how it draws over what it has drawn.
//!
//! Colours and widths are for eyes alone: a pipe gets neither, so that what a script reads does not depend on the window
//! that it was started from.

use std::io::{self, IsTerminal, Write};

/// Where a verb writes. `main` owns the streams.
pub struct Screen<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Whether colours are wanted on `out`.
    pub colour: bool,
    /// Whether colours are wanted on `err`.
    pub err_colour: bool,
    /// The size of the terminal that `out` is; `None` when it is none.
    pub size: fn() -> Option<Size>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// How long a line can be.
    pub columns: usize,
    /// How many lines there are.
    pub rows: usize,
}

impl Size {
    /// Of the terminal that standard output is, as it is now: windows are resized.
    pub fn of_stdout() -> Option<Self> {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return None;
        }
        // A terminal that does not say, such as a serial line, is taken for the smallest that is common.
        let known = rustix::termios::tcgetwinsize(&stdout).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        Some(known.map_or(Self { columns: 80, rows: 24 }, |size| Self {
            columns: usize::from(size.ws_col),
            rows: usize::from(size.ws_row),
        }))
    }
}

/// A text that is drawn over itself.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    /// Lines of the last one.
    lines: usize,
}

impl Drawing {
    /// Draws `text` where the last one was. With a size it is cut to it: a line that wraps could not be drawn over.
    pub(super) fn draw(&mut self, out: &mut dyn Write, text: &str, size: Option<Size>) -> io::Result<()> {
        if self.lines > 0 {
            write!(out, "\x1b[{}A", self.lines)?;
        }
        // The cursor stands below the drawing.
        let rows = size.map_or(usize::MAX, |size| size.rows.saturating_sub(1));
        self.lines = 0;
        for line in text.lines().take(rows) {
            writeln!(out, "\r{}\x1b[K", size.map_or(line.to_owned(), |size| cut(line, size.columns)))?;
            self.lines += 1;
        }
        // A shorter drawing leaves nothing of a longer one behind.
        write!(out, "\x1b[J")?;
        out.flush()
    }
}

/// `line`, no longer than `columns` on the screen, with an ellipsis where something is missing.
pub(super) fn cut(line: &str, columns: usize) -> String {
    let mut kept = String::new();
    let (mut seen, mut in_escape, mut coloured) = (0, false, false);
    let whole = visible(line) <= columns;
    for character in line.chars() {
        if in_escape || character == '\x1b' {
            in_escape = character != 'm';
            coloured = true;
        } else if !whole && seen + 1 >= columns {
            break;
        } else {
            seen += 1;
        }
        kept.push(character);
    }
    if !whole {
        kept.push('…');
        if coloured {
            kept.push_str("\x1b[0m");
        }
    }
    kept
}

/// How many characters of `line` are seen: escape sequences for colours are not.
fn visible(line: &str) -> usize {
    let mut in_escape = false;
    let seen = line.chars().filter(|character| {
        let hidden = in_escape || *character == '\x1b';
        in_escape = hidden && *character != 'm';
        !hidden
    });
    seen.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_what_is_seen_of_it() {
        assert_eq!(cut("paused", 6), "paused");
        assert_eq!(cut("paused", 5), "paus…");
        assert_eq!(cut("\x1b[31mpaused\x1b[0m", 6), "\x1b[31mpaused\x1b[0m");
        assert_eq!(cut("\x1b[31mpaused\x1b[0m now", 8), "\x1b[31mpaused\x1b[0m …\x1b[0m");
        assert_eq!(cut("äöü", 2), "ä…");
    }

    #[test]
    fn a_drawing_covers_the_one_before_and_fits_the_screen() {
        let (mut out, mut drawing) = (Vec::new(), Drawing::default());
        let size = Some(Size { columns: 4, rows: 3 });
        drawing.draw(&mut out, "one\ntwo\nthree\n", size).unwrap();
        drawing.draw(&mut out, "longer\n", size).unwrap();
        let drawn = String::from_utf8(out).unwrap();
        assert_eq!(drawn, "\rone\x1b[K\n\rtwo\x1b[K\n\x1b[J\x1b[2A\rlon…\x1b[K\n\x1b[J");
    }
}
