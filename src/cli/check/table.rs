//! What `serin check` says, in columns.

use std::fmt::Write as _;

/// Rows under a heading on their left, every column as wide as its widest cell.
#[derive(Default)]
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    /// A heading that is the same as the row's above is left out.
    pub(super) fn row<const N: usize>(&mut self, heading: &str, cells: [&str; N]) {
        let mut row = vec![heading.to_owned()];
        row.extend(cells.iter().map(|cell| (*cell).to_owned()));
        self.0.push(row);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const HEADING: usize = 11;
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<_> = (1..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut heading = "";
        for row in &self.0 {
            let shown = if row[0] == heading { "" } else { &row[0] };
            heading = &row[0];
            // A table without headings is indented instead.
            let mut line = if heading.is_empty() { "  ".into() } else { format!("{shown:HEADING$} ") };
            for (cell, width) in row[1..].iter().zip(&widths) {
                if *width > 0 {
                    let _ = write!(line, "{cell:width$}  ");
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
