//! Tables in Markdown that can be read as text too.

use std::fmt;

/// A table under construction.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns from here on have figures.
    figures: usize,
}

impl Table {
    /// A table with these columns, of which the first `names` have no figures.
    pub(crate) fn new(names: usize, columns: &[&str]) -> Table {
        Table { rows: vec![columns.iter().map(|&column| column.to_owned()).collect()], figures: names }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(4);
        for (at, row) in self.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                if column < self.figures {
                    write!(f, "| {cell:width$} ")?;
                } else {
                    write!(f, "| {cell:>width$} ")?;
                }
            }
            writeln!(f, "|")?;
            if at == 0 {
                for column in 0..columns {
                    let dashes = "-".repeat(width(column) - 1);
                    write!(
                        f,
                        "| {} ",
                        if column < self.figures { format!("-{dashes}") } else { format!("{dashes}:") }
                    )?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}
