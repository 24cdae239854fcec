//! A bool to its opposite without a `not`, where that costs nothing.
//!
//! `not(a == b)` is `a != b` for every value and null, since each operator and its negation are null for the same
//! operands. `not(a < b)` is `a >= b` only where no operand is NaN: both are false beside NaN. Next: `simplify.rs`.

use crate::build::{Builder, Link};
use dtq_ir::{ExprId, ExprKind};
use dtq_source::Span;
use dtq_value::{Type, Value};

/// How many operands a chain may have that is negated one by one, and how deep chains may nest.
const OPERANDS_MAX: usize = 64;
const DEPTH_MAX: usize = 8;

/// Returns the opposite of a bool if that needs no `not`.
pub(crate) fn negated(build: &mut Builder<'_>, id: ExprId, span: Span) -> Option<ExprId> {
    within(build, id, span, DEPTH_MAX)
}

fn within(build: &mut Builder<'_>, id: ExprId, span: Span, depth_left: usize) -> Option<ExprId> {
    let kind = build.kind(id).clone();
    if let Some(link) = Link::of(&kind) {
        return chain(build, id, link, depth_left.checked_sub(1)?);
    }
    match &kind {
        ExprKind::Const(Value::Bool(is_true)) => Some(build.add_bool(!is_true, span)),
        ExprKind::Const(Value::Null) => Some(id),
        ExprKind::Call { function, args, .. } if function.name == "not" => args.first().copied(),
        ExprKind::Call { function, args, .. } => {
            let name = opposite(build, function.name, args)?;
            build.call(name, args, Type::Bool, span)
        }
        ExprKind::InRel { value, rel, is_negated, is_case_ignored } => {
            let kind = ExprKind::InRel {
                value: *value,
                rel: *rel,
                is_negated: !is_negated,
                is_case_ignored: *is_case_ignored,
            };
            Some(build.add(kind, Type::Bool, span))
        }
        _ => None,
    }
}

/// `not(a and b)` is `not(a) or not(b)`: the right one is evaluated in the same cases.
fn chain(build: &mut Builder<'_>, id: ExprId, link: Link, depth_left: usize) -> Option<ExprId> {
    let operands = build.chain(id, link);
    if operands.len() > OPERANDS_MAX {
        return None;
    }
    let mut opposites = Vec::with_capacity(operands.len());
    for operand in operands {
        let span = build.span(operand);
        opposites.push(within(build, operand, span, depth_left)?);
    }
    Some(build.join(&opposites, link.dual()))
}

/// Returns the name of the operator that is true where this one is false, false where it is true, and else null.
fn opposite(build: &Builder<'_>, name: &str, args: &[ExprId]) -> Option<&'static str> {
    let is_ordered = || args.iter().all(|arg| !matches!(build.ty(*arg), Type::Real | Type::Dynamic));
    Some(match name {
        "==" => "!=",
        "!=" => "==",
        "=~" => "!~",
        "!~" => "=~",
        "isnull" => "isnotnull",
        "isnotnull" => "isnull",
        "isempty" => "isnotempty",
        "isnotempty" => "isempty",
        "<" if is_ordered() => ">=",
        ">=" if is_ordered() => "<",
        ">" if is_ordered() => "<=",
        "<=" if is_ordered() => ">",
        "<" | "<=" | ">" | ">=" => return None,
        _ => match name.strip_prefix('!') {
            Some(positive) => dtq_ir::functions::by_name(positive)?.0.name,
            None => dtq_ir::functions::by_name(&format!("!{name}"))?.0.name,
        },
    })
}
