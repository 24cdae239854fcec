//! Conditions in which no pass finds anything, told by one look at their nodes.
//!
//! Most rules compare a few fields with constants, each once. To say so costs a fraction of asking every pass, which
//! matters where a thousand rules are compiled. Only for expressions whose columns may fail, so that nothing is moved. A
//! test asks all passes about generated conditions that are plain here. Next: `driver.rs`.

use crate::build::Link;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_value::{Type, Value};
use smallvec::SmallVec;

/// Nodes that are looked at; a larger condition is left to the passes.
const NODES_MAX: usize = 256;

/// Says whether these expressions only compare columns with constants, none of them twice.
///
/// In them [`optimize_roots`](crate::optimize_roots) finds nothing where columns may fail.
///
/// # Panics
/// If a root is no expression of the program.
pub fn are_plain(program: &Program, roots: impl Iterator<Item = ExprId>) -> bool {
    let mut columns: SmallVec<[u32; 16]> = SmallVec::new();
    let mut open: SmallVec<[ExprId; 16]> = roots.collect();
    let mut count = 0;
    while let Some(id) = open.pop() {
        count += 1;
        let column = match &program.expr(id).kind {
            kind @ (ExprKind::And(left, right) | ExprKind::Or(left, right)) => {
                if Link::of(kind) == Link::of(&program.expr(*right).kind) {
                    return false;
                }
                open.extend([*left, *right]);
                continue;
            }
            ExprKind::Call { function, args, .. } => compared(program, function.name, args),
            ExprKind::Column(column) => Some(*column),
            _ => None,
        };
        match column {
            Some(column) if count <= NODES_MAX && !columns.contains(&column) => columns.push(column),
            _ => return false,
        }
    }
    true
}

/// Returns the column that a call compares with a constant, where that cannot be said more simply.
fn compared(program: &Program, name: &str, args: &[ExprId]) -> Option<u32> {
    if matches!(name, "in" | "!in" | "in~" | "!in~") {
        return listed(program, args);
    }
    let [subject, constant] = *args else { return None };
    let ExprKind::Const(value) = &program.expr(constant).kind else { return None };
    let is_plain = match (name, value) {
        (_, Value::Null | Value::Bool(_)) => false,
        ("==" | "!=", Value::String(_)) => true,
        ("==" | "!=" | "<" | "<=" | ">" | ">=", _) => true,
        ("=~" | "!~", Value::String(text)) => text.as_bytes().iter().any(u8::is_ascii_alphabetic),
        (_, Value::String(text)) => is_search(name, text.as_bytes()),
        _ => false,
    };
    if is_plain { column_of(program, subject, value) } else { None }
}

/// Returns the column that is looked up among several texts, none of which stands twice.
fn listed(program: &Program, args: &[ExprId]) -> Option<u32> {
    const ITEMS_MAX: usize = 32;
    let (subject, items) = args.split_first()?;
    let text = |id: &ExprId| match &program.expr(*id).kind {
        ExprKind::Const(value @ Value::String(_)) => Some(value),
        _ => None,
    };
    let texts: SmallVec<[&Value; 8]> = items.iter().map(text).collect::<Option<_>>()?;
    let is_single = |(at, one): (usize, &&Value)| !texts[..at].contains(one);
    let is_plain = (2..=ITEMS_MAX).contains(&texts.len()) && texts.iter().enumerate().all(is_single);
    if is_plain { column_of(program, *subject, texts[0]) } else { None }
}

/// Says whether a search for a text is one that no cheaper operator does.
fn is_search(name: &str, text: &[u8]) -> bool {
    let stem = name.trim_start_matches('!');
    let (stem, is_exact) = stem.strip_suffix("_cs").map_or((stem, false), |stem| (stem, true));
    matches!(stem, "contains" | "startswith" | "endswith" | "has" | "hasprefix" | "hassuffix")
        && !text.is_empty()
        && (is_exact || text.iter().any(u8::is_ascii_alphabetic))
}

/// Returns the column that an expression is, or is converted from where the conversion says something.
fn column_of(program: &Program, id: ExprId, compared_with: &Value) -> Option<u32> {
    match &program.expr(id).kind {
        ExprKind::Column(column) => Some(*column),
        // Searching the text of a dynamic is said more simply without `tostring`, which costs engines nothing.
        ExprKind::Call { function, args, .. }
            if matches!(
                (function.name, compared_with),
                ("tostring", Value::String(_))
                    | ("tolong" | "toint" | "todouble" | "toreal", Value::Int(_) | Value::Long(_) | Value::Real(_))
            ) =>
        {
            match &program.expr(*args.first()?).kind {
                ExprKind::Column(column) if args.len() == 1 && program.expr(args[0]).ty == Type::Dynamic => {
                    Some(*column)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtq_ir::Expr;
    use dtq_source::Span;

    fn add(program: &mut Program, kind: ExprKind, ty: Type) -> ExprId {
        program.add_expr(Expr { kind, ty, span: Span::default() })
    }

    #[test]
    fn a_column_that_is_read_twice_is_not_plain() {
        let mut program = Program::new();
        let one = add(&mut program, ExprKind::Column(3), Type::Bool);
        let other = add(&mut program, ExprKind::Column(4), Type::Bool);
        let again = add(&mut program, ExprKind::Column(3), Type::Bool);
        assert!(are_plain(&program, [one, other].into_iter()));
        assert!(!are_plain(&program, [one, other, again].into_iter()));
    }
}
