//! A program to the columns and property paths of tables that it names: `Attributes["http.method"]` of `logs`.
//!
//! Follows columns through the operators that pass them on, so that a path counts where it is used and not only where
//! it is first written. What it cannot follow (bodies of `mv-apply` and `partition`, steps of `scan`) it leaves out: it
//! serves hints, and decides nothing.

use crate::expr::{ExprId, ExprKind};
use crate::program::Program;
use crate::rel::{Parse, ParseKv, ParsePiece, RelId, RelKind};
use dtq_source::Span;
use dtq_value::Value;
use std::collections::BTreeSet;

/// How many tables a column is followed to, behind a union of many.
const ORIGINS_MAX: usize = 16;

/// Names a value of a table by its column and the keys inside of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// Keys, from the outside in; empty for the column itself.
    pub keys: Vec<String>,
}

/// Holds a path and one place where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What is read.
    pub path: Path,
    /// Where. A column that an operator only passes on has the place of something else, such as the operator.
    pub span: Span,
}

/// What a value can come from: nothing that is known, or one path for each table behind a union.
type Origins = Vec<Path>;

/// Returns what the program reads, each path once a place, in order of the relations.
pub fn of(program: &Program) -> Vec<Read> {
    let is_reached = reached(program);
    let mut reads = Reads { program, columns: Vec::new(), found: Vec::new() };
    for (index, is_needed) in is_reached.into_iter().enumerate() {
        let id = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
        let origins = reads.rel(id, is_needed);
        reads.columns.push(origins);
    }
    let mut seen = BTreeSet::new();
    reads.found.retain(|read| seen.insert((read.path.clone(), read.span)));
    reads.found
}

/// Says for each relation whether an output needs it.
pub fn reached(program: &Program) -> Vec<bool> {
    let mut is_reached = vec![false; program.rels().len()];
    let mut is_seen = vec![false; program.exprs().len()];
    let mut rels: Vec<RelId> = program.outputs.iter().map(|output| output.rel).collect();
    while let Some(id) = rels.pop() {
        if std::mem::replace(&mut is_reached[id.0 as usize], true) {
            continue;
        }
        let kind = &program.rel(id).kind;
        rels.extend(kind.inputs());
        let mut exprs = kind.exprs();
        while let Some(expr) = exprs.pop() {
            if std::mem::replace(&mut is_seen[expr.0 as usize], true) {
                continue;
            }
            let kind = &program.expr(expr).kind;
            if let ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } = kind {
                rels.push(*rel);
            }
            exprs.extend(kind.children());
        }
    }
    is_reached
}

struct Reads<'p> {
    program: &'p Program,
    /// For each relation so far, where its columns come from.
    columns: Vec<Vec<Origins>>,
    found: Vec<Read>,
}

impl Reads<'_> {
    /// Adds what a relation reads itself and returns where its columns come from.
    fn rel(&mut self, id: RelId, is_reached: bool) -> Vec<Origins> {
        let rel = self.program.rel(id);
        if is_reached {
            self.exprs_of(&rel.kind);
        }
        let mut origins = self.origins_of(id);
        origins.resize(rel.columns.len(), Vec::new());
        origins
    }

    fn exprs_of(&mut self, kind: &RelKind) {
        if let RelKind::Join { left, right, keys, .. } = kind {
            self.reads_in(keys.iter().map(|(key, _)| *key).collect(), *left);
            self.reads_in(keys.iter().map(|(_, key)| *key).collect(), *right);
            return;
        }
        let sees_more_than_its_input = matches!(kind, RelKind::ScanSteps(_));
        if let (Some(input), false) = (kind.inputs().first(), sees_more_than_its_input) {
            self.reads_in(kind.exprs(), *input);
        }
    }

    /// Adds the longest paths in expressions over the rows of a relation.
    fn reads_in(&mut self, mut exprs: Vec<ExprId>, input: RelId) {
        let mut seen = BTreeSet::new();
        while let Some(id) = exprs.pop() {
            if !seen.insert(id) {
                continue;
            }
            let expr = self.program.expr(id);
            let origins = self.origins(id, input);
            if origins.is_empty() {
                exprs.extend(expr.kind.children());
            }
            self.found.extend(origins.into_iter().map(|path| Read { path, span: expr.span }));
        }
    }

    /// Returns where the value of an expression over the rows of a relation comes from.
    fn origins(&self, id: ExprId, input: RelId) -> Origins {
        let mut keys = Vec::new();
        let mut id = id;
        loop {
            let key = match &self.program.expr(id).kind {
                ExprKind::Property { base, key } => (*base, key.as_text().into_owned()),
                ExprKind::Element { base, index } => match &self.program.expr(*index).kind {
                    ExprKind::Const(Value::String(key)) => (*base, key.as_text().into_owned()),
                    _ => return Vec::new(),
                },
                ExprKind::Column(position) => {
                    let column = self.columns[input.0 as usize].get(*position as usize);
                    keys.reverse();
                    return column.map(|origins| extended(origins, &keys)).unwrap_or_default();
                }
                _ => return Vec::new(),
            };
            id = key.0;
            keys.push(key.1);
        }
    }

    fn origins_of(&self, id: RelId) -> Vec<Origins> {
        let rel = self.program.rel(id);
        let of = |input: &RelId| self.columns[input.0 as usize].clone();
        match &rel.kind {
            RelKind::Scan { table } => rel.columns.iter().map(|column| vec![root(table, &column.name)]).collect(),
            RelKind::Filter { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Distinct { input }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::Window { input, .. }
            | RelKind::Materialize { input }
            | RelKind::Sample { input, .. } => of(input),
            RelKind::Project { input, exprs } => exprs.iter().map(|expr| self.origins(*expr, *input)).collect(),
            RelKind::Aggregate { input, keys, .. } => keys.iter().map(|expr| self.origins(*expr, *input)).collect(),
            RelKind::Join { left, right, .. } => {
                let both = [of(left), of(right)].concat();
                if both.len() == rel.columns.len() { both } else { Vec::new() }
            }
            RelKind::Union { inputs } => united(inputs.iter().map(of), rel.columns.len()),
            RelKind::MvExpand { input, items, .. } => without(of(input), items.iter().map(|item| item.column)),
            RelKind::Parse(parse) => without(of(&parse.input), captured(parse)),
            RelKind::ParseKv(parse) => without(of(&parse.input), kv_captured(parse)),
            RelKind::MvApply { input, body: _ } => of(input),
            RelKind::Input
            | RelKind::Values { .. }
            | RelKind::Range { .. }
            | RelKind::Partition { .. }
            | RelKind::MakeSeries(_)
            | RelKind::TopNested { .. }
            | RelKind::ScanSteps(_)
            | RelKind::BagUnpack { .. }
            | RelKind::Pivot { .. } => Vec::new(),
        }
    }
}

fn root(table: &str, column: &str) -> Path {
    Path { table: table.to_owned(), column: column.to_owned(), keys: Vec::new() }
}

fn extended(origins: &Origins, keys: &[String]) -> Origins {
    let longer = |path: &Path| Path { keys: [&path.keys[..], keys].concat(), ..path.clone() };
    origins.iter().map(longer).collect()
}

fn united(inputs: impl Iterator<Item = Vec<Origins>>, count: usize) -> Vec<Origins> {
    let mut columns: Vec<Origins> = vec![Vec::new(); count];
    for input in inputs {
        for (column, more) in columns.iter_mut().zip(input) {
            column.extend(more);
            column.sort_unstable();
            column.dedup();
            column.truncate(ORIGINS_MAX);
        }
    }
    columns
}

/// Returns the origins without those of columns that the operator writes.
fn without(mut origins: Vec<Origins>, written: impl IntoIterator<Item = u32>) -> Vec<Origins> {
    for position in written {
        if let Some(column) = origins.get_mut(position as usize) {
            column.clear();
        }
    }
    origins
}

fn captured(parse: &Parse) -> Vec<u32> {
    let position =
        |piece: &ParsePiece| if let ParsePiece::Column(position, _) = piece { Some(*position) } else { None };
    parse.pieces.iter().filter_map(position).collect()
}

fn kv_captured(parse: &ParseKv) -> Vec<u32> {
    parse.keys.iter().map(|(_, position, _)| *position).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Expr;
    use crate::program::Output;
    use crate::rel::Rel;
    use dtq_record::stream::Column;
    use dtq_value::Type;

    fn expr(program: &mut Program, kind: ExprKind) -> ExprId {
        program.add_expr(Expr { kind, ty: Type::Dynamic, span: Span::default() })
    }

    fn rel(program: &mut Program, kind: RelKind, columns: &[&str]) -> RelId {
        let columns = columns.iter().map(|name| Column::new(*name, Type::Dynamic)).collect();
        program.add_rel(Rel { kind, columns, is_ordered: false, span: Span::default() })
    }

    fn shown(program: &Program) -> Vec<String> {
        of(program).iter().map(|read| format!("{}.{}{:?}", read.path.table, read.path.column, read.path.keys)).collect()
    }

    /// `logs | project b = Attributes.k | where b.inner`, and a second scan that nothing uses.
    #[test]
    fn paths_are_followed_through_columns() {
        let mut program = Program::new();
        let scan = rel(&mut program, RelKind::Scan { table: "logs".into() }, &["Body", "Attributes"]);
        rel(&mut program, RelKind::Scan { table: "unused".into() }, &["x"]);
        let attributes = expr(&mut program, ExprKind::Column(1));
        let property = expr(&mut program, ExprKind::Property { base: attributes, key: "k".into() });
        let project = rel(&mut program, RelKind::Project { input: scan, exprs: vec![property] }, &["b"]);
        let column = expr(&mut program, ExprKind::Column(0));
        let key = expr(&mut program, ExprKind::Const(Value::string("inner")));
        let element = expr(&mut program, ExprKind::Element { base: column, index: key });
        let filter = rel(&mut program, RelKind::Filter { input: project, predicate: element }, &["b"]);
        program.outputs.push(Output { name: "PrimaryResult".into(), rel: filter });
        assert_eq!(shown(&program), ["logs.Attributes[\"k\"]", "logs.Attributes[\"k\", \"inner\"]"]);
    }

    /// `union a, b | where x`: the column comes from both tables.
    #[test]
    fn a_union_has_the_origins_of_its_inputs() {
        let mut program = Program::new();
        let inputs = ["a", "b"].map(|table| rel(&mut program, RelKind::Scan { table: table.into() }, &["x"])).to_vec();
        let union = rel(&mut program, RelKind::Union { inputs }, &["x"]);
        let predicate = expr(&mut program, ExprKind::Column(0));
        let filter = rel(&mut program, RelKind::Filter { input: union, predicate }, &["x"]);
        program.outputs.push(Output { name: "PrimaryResult".into(), rel: filter });
        assert_eq!(shown(&program), ["a.x[]", "b.x[]"]);
    }
}
