//! The conditions right above a table to texts that a row has to have, so that the table can pass over what lacks them.
//!
//! A text follows from a condition only when evaluating the condition cannot fail: a row that is not looked at raises no
//! error. Says which texts; how they are found in records is `record/src/sieve.rs`.

use dtq_ir::needed::path;
use dtq_ir::rel::{RelId, RelKind};
use dtq_ir::{Effect, ExprId, ExprKind, Program};
use dtq_record::stream::NeededText;
use dtq_value::{Str, Type, Value};
use rustc_hash::FxHashMap;

/// How many alternatives a condition may have, and how deep they may stand in each other.
const TEXTS_MAX: usize = 32;

/// Returns the texts that each scan's rows need, one of each group; `readers` is how many read each relation.
pub(crate) fn find_texts(program: &Program, readers: &[u32]) -> FxHashMap<RelId, Vec<Vec<NeededText>>> {
    let mut reader_of: FxHashMap<RelId, RelId> = FxHashMap::default();
    for (index, rel) in program.rels().iter().enumerate().filter(|(index, _)| readers[*index] > 0) {
        let id = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
        reader_of.extend(rel.kind.inputs().into_iter().map(|input| (input, id)));
    }
    let mut found = FxHashMap::default();
    for (index, rel) in program.rels().iter().enumerate() {
        if matches!(rel.kind, RelKind::Scan { .. }) {
            let scan = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
            let texts = texts_of_scan(program, readers, &reader_of, scan);
            if !texts.is_empty() {
                found.insert(scan, texts);
            }
        }
    }
    found
}

fn texts_of_scan(
    program: &Program,
    readers: &[u32],
    reader_of: &FxHashMap<RelId, RelId>,
    scan: RelId,
) -> Vec<Vec<NeededText>> {
    let (mut groups, mut at) = (Vec::new(), scan);
    while readers[at.0 as usize] == 1
        && let Some(reader) = reader_of.get(&at)
        && let RelKind::Filter { predicate, .. } = program.rel(*reader).kind
        && always_succeeds(program, predicate)
    {
        let mut pending = vec![predicate];
        while let Some(condition) = pending.pop() {
            match program.expr(condition).kind {
                ExprKind::And(left, right) => pending.extend([right, left]),
                _ => groups.extend(texts_of_condition(program, condition, TEXTS_MAX)),
            }
        }
        at = *reader;
    }
    groups
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

/// Functions that give a value for any arguments.
const SURE: [&str; 67] = [
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=~",
    "!~",
    "in",
    "!in",
    "in~",
    "!in~",
    "not",
    "+",
    "-",
    "*",
    "/",
    "%",
    "isempty",
    "isnotempty",
    "isnull",
    "isnotnull",
    "contains",
    "!contains",
    "contains_cs",
    "!contains_cs",
    "has",
    "!has",
    "has_cs",
    "!has_cs",
    "startswith",
    "!startswith",
    "startswith_cs",
    "!startswith_cs",
    "endswith",
    "!endswith",
    "endswith_cs",
    "!endswith_cs",
    "hasprefix",
    "!hasprefix",
    "hasprefix_cs",
    "!hasprefix_cs",
    "hassuffix",
    "!hassuffix",
    "hassuffix_cs",
    "!hassuffix_cs",
    "tostring",
    "toint",
    "tolong",
    "todouble",
    "toreal",
    "tobool",
    "todatetime",
    "totimespan",
    "tolower",
    "toupper",
    "strlen",
    "between",
    "!between",
    "bin",
    "now",
    "ago",
    "startofday",
    "startofweek",
    "startofmonth",
    "startofyear",
    "has_any",
];

/// Says whether evaluating an expression cannot fail and changes nothing, so that leaving it out is not noticed.
fn always_succeeds(program: &Program, root: ExprId) -> bool {
    let mut pending = vec![root];
    while let Some(id) = pending.pop() {
        match &program.expr(id).kind {
            ExprKind::Call { function, args, .. } => {
                let is_sure = matches!(function.effect, Effect::Pure | Effect::Time) && SURE.contains(&function.name);
                if !is_sure {
                    return false;
                }
                pending.extend(args.iter().copied());
            }
            ExprKind::Scalar(_) | ExprKind::InRel { .. } => return false,
            kind => pending.extend(kind.children()),
        }
    }
    true
}
