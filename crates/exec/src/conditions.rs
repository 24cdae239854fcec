//! The conditions right above a table to texts and integers that a row has to have, so that the table can pass over what
//! lacks them.
//!
//! Anything follows from a condition only when evaluating the condition cannot fail: a row that is not looked at raises
//! no error. Says which texts; how they are found in records is `record/src/sieve.rs`.

use dtq_ir::effects::always_succeeds;
use dtq_ir::needed::path;
use dtq_ir::rel::{RelId, RelKind};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::stream::{NeededRange, NeededText};
use dtq_value::{Str, Type, Value};
use rustc_hash::FxHashMap;

/// How many alternatives a condition may have, and how deep they may stand in each other.
const TEXTS_MAX: usize = 32;

/// Holds what the rows of a table need, as in a projection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    /// One text of each group.
    pub(crate) texts: Vec<Vec<NeededText>>,
    /// Integers in ranges, at most one range a column.
    pub(crate) ranges: Vec<NeededRange>,
}

/// Returns what each scan's rows need; `readers` is how many read each relation.
pub(crate) fn find_conditions(program: &Program, readers: &[u32]) -> FxHashMap<RelId, Conditions> {
    let mut reader_of: FxHashMap<RelId, RelId> = FxHashMap::default();
    for (index, rel) in program.rels().iter().enumerate().filter(|(index, _)| readers[*index] > 0) {
        let id = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
        reader_of.extend(rel.kind.inputs().into_iter().map(|input| (input, id)));
    }
    let mut found = FxHashMap::default();
    for (index, rel) in program.rels().iter().enumerate() {
        if matches!(rel.kind, RelKind::Scan { .. }) {
            let scan = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
            found.insert(scan, conditions_of_scan(program, readers, &reader_of, scan));
        }
    }
    found
}

fn conditions_of_scan(
    program: &Program,
    readers: &[u32],
    reader_of: &FxHashMap<RelId, RelId>,
    scan: RelId,
) -> Conditions {
    let (mut found, mut at) = (Conditions::default(), scan);
    while readers[at.0 as usize] == 1
        && let Some(reader) = reader_of.get(&at)
        && let RelKind::Filter { predicate, .. } = program.rel(*reader).kind
        && always_succeeds(program, predicate)
    {
        let mut pending = vec![predicate];
        while let Some(condition) = pending.pop() {
            match program.expr(condition).kind {
                ExprKind::And(left, right) => pending.extend([right, left]),
                _ => match range_of(program, condition) {
                    Some(range) => add_range(&mut found.ranges, range),
                    None => found.texts.extend(texts_of_condition(program, condition, TEXTS_MAX)),
                },
            }
        }
        at = *reader;
    }
    found
}

/// Returns the range that a comparison of a column of integers with a constant gives.
fn range_of(program: &Program, condition: ExprId) -> Option<NeededRange> {
    let ExprKind::Call { function, args, .. } = &program.expr(condition).kind else { return None };
    let [left, right] = args[..] else { return None };
    let (ExprKind::Column(column), ExprKind::Const(bound)) = (&program.expr(left).kind, &program.expr(right).kind)
    else {
        return None;
    };
    if !matches!(program.expr(left).ty, Type::Int | Type::Long) {
        return None;
    }
    let bound = match bound {
        Value::Int(number) => i64::from(*number),
        Value::Long(number) => *number,
        _ => return None,
    };
    let (least, greatest) = match function.name {
        "==" => (bound, bound),
        ">=" => (bound, i64::MAX),
        "<=" => (i64::MIN, bound),
        ">" => (bound.checked_add(1)?, i64::MAX),
        "<" => (i64::MIN, bound.checked_sub(1)?),
        _ => return None,
    };
    Some(NeededRange { column: *column as usize, least, greatest })
}

/// Adds a range; with another one of the same column, what both allow.
fn add_range(ranges: &mut Vec<NeededRange>, range: NeededRange) {
    match ranges.iter_mut().find(|known| known.column == range.column) {
        Some(known) => {
            known.least = known.least.max(range.least);
            known.greatest = known.greatest.min(range.greatest);
        }
        None => ranges.push(range),
    }
}

/// Returns texts of which one is in every row for which the condition is true, or `None` where they cannot be told.
fn texts_of_condition(program: &Program, root: ExprId, nesting_max: usize) -> Option<Vec<NeededText>> {
    let mut texts = Vec::new();
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        match &program.expr(id).kind {
            ExprKind::Or(left, right) => pending.extend([*right, *left]),
            ExprKind::And(left, right) => {
                let inner = |side: &ExprId| texts_of_condition(program, *side, nesting_max.checked_sub(1)?);
                texts.extend(inner(left).or_else(|| inner(right))?);
            }
            ExprKind::Call { function, args, .. } => texts.extend(texts_of_call(program, function.name, args)?),
            ExprKind::Const(Value::Bool(false)) => {}
            _ => return None,
        }
        if texts.len() > TEXTS_MAX {
            return None;
        }
    }
    Some(texts)
}

fn texts_of_call(program: &Program, name: &str, args: &[ExprId]) -> Option<Vec<NeededText>> {
    let is_case_ignored = match name {
        "==" | "in" | "contains_cs" | "has_cs" | "startswith_cs" | "endswith_cs" | "hasprefix_cs" | "hassuffix_cs" => {
            false
        }
        "=~" | "in~" | "contains" | "has" | "startswith" | "endswith" | "hasprefix" | "hassuffix" => true,
        _ => return None,
    };
    let (subject, rest) = args.split_first()?;
    if rest.is_empty() || rest.len() > 1 && !matches!(name, "in" | "in~") {
        return None;
    }
    let column = column_of_text(program, *subject)?;
    let text = |arg: &ExprId| match &program.expr(*arg).kind {
        ExprKind::Const(Value::String(text)) if !Str::is_empty(text) => {
            Some(NeededText { column, text: text.clone(), is_case_ignored })
        }
        _ => None,
    };
    rest.iter().map(text).collect()
}

/// Returns the column that an expression gives the text of, or of something inside of it.
fn column_of_text(program: &Program, id: ExprId) -> Option<usize> {
    let expr = program.expr(id);
    match &expr.kind {
        ExprKind::Call { function, args, .. } if function.name == "tostring" && args.len() == 1 => {
            let (column, _) = path(program, args[0]).filter(|_| is_text(program.expr(args[0]).ty))?;
            Some(column)
        }
        _ => path(program, id).filter(|_| is_text(expr.ty)).map(|(column, _)| column),
    }
}

fn is_text(ty: Type) -> bool {
    matches!(ty, Type::String | Type::Dynamic)
}
