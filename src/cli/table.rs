//! Tables that line up, coloured or not.

use std::fmt::Write;

/// What a piece of text is to look like on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Ink {
    /// `text` in this ink, where there is `colour`.
    pub(super) fn on(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
            Self::Plain => return text.to_owned(),
        };
        if colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    pub(super) fn inked(text: impl Into<String>, ink: Ink) -> Self {
        Self { text: text.into(), ink }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::inked(text, Ink::Plain)
    }
}

/// Rows of cells, the first of which is the heading.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn headed(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|text| Cell::inked(*text, Ink::Bold)).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Each column as wide as its widest cell; the last one is not filled up.
    pub(super) fn text(&self, colour: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |cell: &Cell| cell.text.chars().count();
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                text.push_str(&cell.ink.on(&cell.text, colour));
                if column + 1 < row.len() {
                    write!(text, "{:1$}", "", widths[column] - width(cell) + 2).expect("a string takes everything");
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::headed(&["NAME", "PHASE", "MESSAGE"]);
        table.row(["a".into(), Cell::inked("Paused", Ink::Yellow), "by hand".into()]);
        table.row(["a-long-name".into(), "Waiting".into(), "".into()]);
        table
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let expected = "NAME         PHASE    MESSAGE\na            Paused   by hand\na-long-name  Waiting\n";
        assert_eq!(table().text(false), expected);
    }

    #[test]
    fn colours_move_nothing() {
        let coloured = table().text(true);
        assert!(coloured.contains("a            \x1b[33mPaused\x1b[0m   by hand"), "{coloured:?}");
    }
}
