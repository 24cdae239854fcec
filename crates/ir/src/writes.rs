//! A row-local relation to what it makes of each column of the table that it reads.
//!
//! Row-local means one row of the table to at most one row: `where`, `extend`, `project` and its relatives, `parse`,
//! `as`. When a row is left out is not said here: [`crate::condition`]. Tests: `crates/engine/tests/conditions.rs`.

use crate::expr::{ExprId, ExprKind};
use crate::program::Program;
use crate::rel::{ParsePiece, RelId, RelKind};

/// Holds what a row-local relation makes of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    /// The scan at its bottom.
    pub scan: RelId,
    /// The table.
    pub table: String,
    /// For each column of the scan, in order: what becomes of it.
    pub columns: Vec<(String, Write)>,
    /// Positions of the output columns that the table does not have.
    pub added: Vec<u32>,
}

/// Says what becomes of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It has the value that it had.
    Kept,
    /// The output does not have it.
    Dropped,
    /// It has the value of this expression over the rows of this relation.
    Changed {
        /// The relation whose rows the expression sees.
        input: RelId,
        /// The expression.
        expr: ExprId,
    },
    /// It is filled by this `parse` or `parse-kv`.
    Parsed(RelId),
}

/// Returns what a relation makes of each column of its table.
///
/// # Errors
/// The relation that is not row-local, when there is one.
pub fn of(program: &Program, rel: RelId) -> Result<Writes, RelId> {
    let (scan, table) = scan_of(program, rel)?;
    let (output, scanned) = (&program.rel(rel).columns, &program.rel(scan).columns);
    let write = |name: &str| match output.iter().position(|column| column.name == name) {
        None => Write::Dropped,
        Some(position) => trace(program, rel, position, name),
    };
    let columns = scanned.iter().map(|column| (column.name.clone(), write(&column.name))).collect();
    // `parse` can give a column the name of another: the second one is no column of the table.
    let is_added = |position: usize, name: &str| {
        scanned.iter().all(|column| column.name != name) || output[..position].iter().any(|other| other.name == name)
    };
    let added = output.iter().enumerate().filter(|(position, column)| is_added(*position, &column.name));
    let added = added.map(|(position, _)| u32::try_from(position).expect("columns are counted in u32"));
    Ok(Writes { scan, table, columns, added: added.collect() })
}

fn scan_of(program: &Program, rel: RelId) -> Result<(RelId, String), RelId> {
    let mut at = rel;
    loop {
        at = match &program.rel(at).kind {
            RelKind::Scan { table } => return Ok((at, table.clone())),
            RelKind::Filter { input, .. } | RelKind::Project { input, .. } | RelKind::Materialize { input } => *input,
            RelKind::Parse(parse) => parse.input,
            RelKind::ParseKv(parse) => parse.input,
            _ => return Err(at),
        };
    }
}

/// Follows an output column down to the scan.
fn trace(program: &Program, rel: RelId, position: usize, name: &str) -> Write {
    let (mut at, mut position) = (rel, u32::try_from(position).expect("columns are counted in u32"));
    // Where the value was last passed on as it is: what a renamed column is.
    let mut passed = None;
    loop {
        at = match &program.rel(at).kind {
            RelKind::Project { input, exprs } => {
                let expr = exprs[position as usize];
                let ExprKind::Column(column) = program.expr(expr).kind else {
                    return Write::Changed { input: *input, expr };
                };
                passed = passed.or(Some((*input, expr)));
                position = column;
                *input
            }
            RelKind::Parse(parse) => {
                let is_captured =
                    |piece: &ParsePiece| matches!(piece, ParsePiece::Column(column, _) if *column == position);
                if parse.pieces.iter().any(is_captured) {
                    return Write::Parsed(at);
                }
                parse.input
            }
            RelKind::ParseKv(parse) => {
                if parse.keys.iter().any(|(_, column, _)| *column == position) {
                    return Write::Parsed(at);
                }
                parse.input
            }
            RelKind::Filter { input, .. } | RelKind::Materialize { input } => *input,
            _ => {
                let is_same = program.rel(at).columns.get(position as usize).is_some_and(|found| found.name == name);
                return match passed {
                    Some((input, expr)) if !is_same => Write::Changed { input, expr },
                    _ => Write::Kept,
                };
            }
        };
    }
}
