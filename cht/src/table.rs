//! Tables for people, as wide as their terminal at most. Pure but for the terminal's width.

use std::io::{self, IsTerminal as _};

use cht_core::terminal;

/// Shortest cell that is still worth a column.
const SHORTEST: usize = 8;

/// Side on which the texts of a column are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under headings. The first column is cut where a row does not fit.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Returns a table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let head = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        Self { columns: columns.iter().map(|(_, align)| *align).collect(), rows: vec![head] }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Returns the table as lines of at most `width` columns, or as wide as it needs.
    pub(crate) fn text(&self, width: Option<usize>) -> String {
        let of_column = |at: usize| {
            self.rows
                .iter()
                .filter_map(|row| Some(terminal::width(row.get(at)?)))
                .max()
                .unwrap_or(0)
        };
        let mut widths: Vec<_> = (0..self.columns.len()).map(of_column).collect();
        if let (Some(width), Some((first, rest))) = (width, widths.split_first_mut()) {
            let others: usize = rest.iter().map(|it| it + 2).sum();
            *first = (*first).min(width.saturating_sub(others).max(SHORTEST));
        }
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).zip(&self.columns);
            let cells = cells
                .map(|((cell, width), align)| padded(&terminal::fit(cell, *width), *width, *align));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

fn padded(text: &str, width: usize, align: Align) -> String {
    let space = " ".repeat(width.saturating_sub(terminal::width(text)));
    match align {
        Align::Left => format!("{text}{space}"),
        Align::Right => format!("{space}{text}"),
    }
}

/// Returns the width of the terminal on stdout; `None` if stdout is no terminal.
pub(crate) fn width() -> Option<usize> {
    let stdout = io::stdout();
    stdout.is_terminal().then(|| terminal::columns(stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_as_wide_as_its_terminal() {
        let mut table = Table::new(&[("name", Align::Left), ("frames", Align::Right)]);
        table.row(vec!["20261129_120000".into(), "7".into()]);
        assert_eq!(table.text(None), "name             frames\n20261129_120000       7\n");
        assert_eq!(table.text(Some(20)), "name          frames\n20261129_12…       7\n");
        assert_eq!(table.text(Some(1)), "name      frames\n2026112…       7\n");
    }
}
