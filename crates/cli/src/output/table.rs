//! Rows to columns of text for people: widths from the first rows, long cells cut with an ellipsis.
//!
//! It holds at most [`SAMPLED_ROWS`] rows and [`SAMPLED_BYTES`] bytes to find the widths; later rows get the same widths.
//! Where the columns cannot fit, each row becomes a block with a value a line. Next: `layout.rs`.

use crate::output::layout::{self, GAP};
use crate::output::{Header, Sink, text};
use dtq_record::stream::{Column, Row};
use dtq_value::Type;
use std::io::{self, Write};

/// How many rows are held to find the widths.
const SAMPLED_ROWS: usize = 1_000;

/// How many bytes of cells are held to find the widths.
const SAMPLED_BYTES: usize = 8 << 20;

/// How much of a cell is ever looked at when there is no width to keep to.
const CELL_CHARS_MAX: usize = 1 << 20;

/// The text of one cell, already harmless; `None` is null.
type Cell = Option<String>;

/// How the rows of the table are laid out, once that is known.
enum Layout {
    /// Not yet: these rows are held.
    Undecided { held: Vec<Vec<Cell>>, held_bytes: usize },
    /// In columns of these widths.
    Columns(Vec<usize>),
    /// A block a row, names padded to this width.
    Blocks(usize),
}

/// Writes tables for people.
pub struct TableSink {
    /// The width to fit into; `None` when no terminal reads it, and then nothing is cut.
    width_max: Option<usize>,
    columns: Vec<Column>,
    names: Vec<String>,
    layout: Layout,
    table_count: usize,
    row_count: usize,
}

impl TableSink {
    /// Returns a sink that fits into `width_max` terminal columns, or cuts nothing.
    pub fn new(width_max: Option<usize>) -> Self {
        Self { width_max, columns: Vec::new(), names: Vec::new(), layout: undecided(), table_count: 0, row_count: 0 }
    }

    fn cells(&self, row: &Row) -> Vec<Cell> {
        let limit = self.width_max.unwrap_or(CELL_CHARS_MAX);
        self.columns
            .iter()
            .zip(row)
            .map(|(column, value)| shown(text::cell(value, column.ty)?.as_ref(), limit))
            .collect()
    }

    /// Chooses the layout from the held rows and writes them.
    fn decide(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Layout::Undecided { held, .. } = std::mem::replace(&mut self.layout, undecided()) else {
            return Ok(());
        };
        let mut natural: Vec<usize> = self.names.iter().map(|name| layout::width(name)).collect();
        for cells in &held {
            for (width, cell) in natural.iter_mut().zip(cells) {
                *width = (*width).max(layout::width(cell.as_deref().unwrap_or(NULL)));
            }
        }
        let fitted = match self.width_max {
            None => Some(natural),
            Some(total) => layout::fit(&natural, total),
        };
        match fitted {
            Some(widths) => {
                self.head(out, &widths)?;
                self.layout = Layout::Columns(widths);
            }
            None => self.layout = Layout::Blocks(self.names.iter().map(|name| layout::width(name)).max().unwrap_or(0)),
        }
        held.iter().try_for_each(|cells| self.row(out, cells))
    }

    fn head(&self, out: &mut dyn Write, widths: &[usize]) -> io::Result<()> {
        let names: Vec<Cell> = self.names.iter().cloned().map(Some).collect();
        self.line(out, widths, &names)?;
        let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        writeln!(out, "{}", rules.join(&" ".repeat(GAP)))
    }

    fn row(&mut self, out: &mut dyn Write, cells: &[Cell]) -> io::Result<()> {
        self.row_count += 1;
        match &self.layout {
            Layout::Undecided { .. } => Ok(()),
            Layout::Columns(widths) => self.line(out, widths, cells),
            Layout::Blocks(name_width) => self.block(out, *name_width, cells),
        }
    }

    fn line(&self, out: &mut dyn Write, widths: &[usize], cells: &[Cell]) -> io::Result<()> {
        let mut line = String::new();
        for (index, ((cell, width), column)) in cells.iter().zip(widths).zip(&self.columns).enumerate() {
            let whole = cell.as_deref().unwrap_or(NULL);
            let cut = if self.width_max.is_some() { layout::cut(whole, *width) } else { whole.into() };
            let padding = " ".repeat(width.saturating_sub(layout::width(&cut)));
            let (before, after) =
                if is_right_aligned(column.ty) { (padding.as_str(), "") } else { ("", padding.as_str()) };
            line.push_str(if index == 0 { "" } else { "  " });
            line.push_str(before);
            line.push_str(&cut);
            line.push_str(after);
        }
        writeln!(out, "{}", line.trim_end())
    }

    fn block(&self, out: &mut dyn Write, name_width: usize, cells: &[Cell]) -> io::Result<()> {
        writeln!(out, "-- {} --", self.row_count)?;
        // Names give way to values when the terminal is very narrow.
        let name_width = self.width_max.map_or(name_width, |total| name_width.min(total / 2));
        let value_width = self.width_max.map_or(usize::MAX, |total| total.saturating_sub(name_width + GAP).max(1));
        for (name, cell) in self.names.iter().zip(cells) {
            let name = layout::cut(name, name_width);
            let padding = " ".repeat(name_width.saturating_sub(layout::width(&name)) + GAP);
            let value = layout::cut(cell.as_deref().unwrap_or(NULL), value_width);
            writeln!(out, "{}", format!("{name}{padding}{value}").trim_end())?;
        }
        Ok(())
    }
}

/// What a null shows as; an empty string shows as nothing.
const NULL: &str = "null";

fn undecided() -> Layout {
    Layout::Undecided { held: Vec::new(), held_bytes: 0 }
}

/// Returns the harmless beginning of a cell's text: only as much as can be seen, and then some for the ellipsis.
fn shown(cell: &str, limit: usize) -> Cell {
    let end = cell.char_indices().nth(limit.saturating_mul(2).saturating_add(2)).map_or(cell.len(), |(at, _)| at);
    Some(text::neutral(&cell[..end]).into_owned())
}

fn is_right_aligned(ty: Type) -> bool {
    ty.is_numeric() || ty == Type::TimeSpan
}

impl Sink for TableSink {
    fn begin(&mut self, out: &mut dyn Write, header: &Header<'_>) -> io::Result<()> {
        if self.table_count > 0 {
            writeln!(out)?;
        }
        if header.is_one_of_several {
            writeln!(out, "{}:", text::neutral(header.name))?;
        }
        self.table_count += 1;
        self.row_count = 0;
        self.columns = header.columns.to_vec();
        self.names = header.columns.iter().map(|column| text::neutral(&column.name).into_owned()).collect();
        self.layout = undecided();
        Ok(())
    }

    fn rows(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let cells = self.cells(row);
            let Layout::Undecided { held, held_bytes } = &mut self.layout else {
                self.row(out, &cells)?;
                continue;
            };
            *held_bytes += cells.iter().flatten().map(String::len).sum::<usize>();
            held.push(cells);
            if held.len() >= SAMPLED_ROWS || *held_bytes >= SAMPLED_BYTES {
                self.decide(out)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.decide(out)?;
        if self.row_count == 0 { writeln!(out, "(no rows)") } else { Ok(()) }
    }

    fn finish(&mut self, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_value::Value;

    fn written(width_max: Option<usize>, columns: &[Column], rows: &[Row]) -> String {
        let mut out = Vec::new();
        let mut sink = TableSink::new(width_max);
        sink.begin(&mut out, &Header { name: "T", columns, is_one_of_several: false }).unwrap();
        sink.rows(&mut out, rows).unwrap();
        sink.end(&mut out).unwrap();
        sink.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_right_and_null_differs_from_empty() {
        let columns = [Column::new("Name", Type::String), Column::new("n", Type::Long)];
        let rows = [vec![Value::string("a"), Value::Long(12)], vec![Value::string(""), Value::Null]];
        assert_eq!(written(None, &columns, &rows), "Name     n\n----  ----\na       12\n      null\n");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let columns: Vec<Column> = (0..4).map(|index| Column::new(format!("c{index}"), Type::String)).collect();
        let rows: Vec<Row> = vec![vec![Value::string("\u{6f22}\x1b[31m".repeat(50)); 4]; 3];
        for width in 1..120 {
            let text = written(Some(width), &columns, &rows);
            let is_narrow = width < 12;
            assert!(is_narrow || text.lines().all(|line| layout::width(line) <= width), "{width}\n{text}");
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn columns_that_cannot_fit_become_blocks() {
        let columns: Vec<Column> = (0..12).map(|index| Column::new(format!("c{index}"), Type::String)).collect();
        let text = written(Some(60), &columns, &[vec![Value::string("x".repeat(20)); 12]]);
        assert!(text.starts_with("-- 1 --\nc0   xxxxxxxxxxxxxxxxxxxx\n"), "{text}");
    }

    #[test]
    fn rows_after_the_sample_keep_its_widths() {
        let columns = [Column::new("s", Type::String)];
        let mut rows: Vec<Row> = vec![vec![Value::string("a".repeat(30))]; SAMPLED_ROWS];
        rows.push(vec![Value::string("b".repeat(90))]);
        let text = written(Some(40), &columns, &rows);
        assert_eq!(text.lines().last().unwrap(), format!("{}\u{2026}", "b".repeat(29)));
    }
}
