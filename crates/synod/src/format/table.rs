//! Tables with borders: headings in capitals and centred, cells to the right, as `etcdctl` draws them.

use std::io::{self, Write};

/// A table of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these headings.
    pub fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has a cell for every heading.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.headings.len(), "a row has a cell for every heading");
        self.rows.push(row);
    }

    /// Writes the table with borders.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths();
        let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
        writeln!(out, "{rule}+")?;
        for (heading, width) in self.headings.iter().zip(&widths) {
            let gap = width - columns(heading);
            write!(out, "| {}{}{} ", " ".repeat(gap / 2), heading.to_uppercase(), " ".repeat(gap - gap / 2))?;
        }
        writeln!(out, "|\n{rule}+")?;
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&widths) {
                write!(out, "| {}{cell} ", " ".repeat(width - columns(cell)))?;
            }
            writeln!(out, "|")?;
        }
        writeln!(out, "{rule}+")
    }

    /// Writes the rows alone, cells separated by a comma and a space.
    pub fn write_simple(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", row.join(", ")))
    }

    /// Writes headings and rows in columns without borders, cells to the left.
    pub fn write_plain(&self, out: &mut dyn Write) -> io::Result<()> {
        let headings: Vec<String> = self.headings.iter().map(|heading| heading.to_uppercase()).collect();
        let widths = self.widths();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let padded = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - columns(cell))));
            writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| self.rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
        self.headings
            .iter()
            .enumerate()
            .map(|(column, heading)| columns(heading).max(width(column)))
            .collect()
    }
}

/// Columns on a terminal, taking every character as one column wide.
fn columns(text: &str) -> usize {
    text.chars().count()
}
