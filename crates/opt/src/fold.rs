//! What depends on nothing at run time is computed now.
//!
//! A call of constants becomes its result if the function is pure, does not fail on them under bounds far below those
//! of a run, and the result is small. An error therefore stays where it was: a call that fails is kept. Also folded are
//! calls with one null operand where null gives null, and `and`, `or`, `iff`, `case`, `coalesce` as far as constants
//! decide them. An operand is left out only if it could neither fail nor be noticed. Fixtures: `fixtures/opt/fold.md`.

use crate::build::{Builder, Link};
use crate::info::propagates_null;
use crate::walk::{Asked, Node, Rule};
use dtq_ir::{Effect, ExprId, ExprKind};
use dtq_source::Limits;
use dtq_value::scalar::{Call, Context};
use dtq_value::{Str, Type, Value};

/// How large a folded string or dynamic may be, in bytes: what is larger costs more as a constant than as a call.
const RESULT_BYTES_MAX: usize = 4_096;

/// How deep a folded dynamic may be.
const RESULT_NESTING_MAX: usize = 16;

/// The pass.
pub(crate) struct Fold;

impl Rule for Fold {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        match &node.kind {
            ExprKind::Call { args, .. } => call(build, node).or_else(|| null_operand(build, node, args)),
            ExprKind::And(left, right) => linked(build, node, Link::And, *left, *right),
            ExprKind::Or(left, right) => linked(build, node, Link::Or, *left, *right),
            ExprKind::Case { arms, otherwise } => case(build, node, arms, *otherwise),
            ExprKind::Coalesce(items) => coalesce(build, node, items),
            ExprKind::Property { base, key } => {
                let value = property(build.constant(*base)?, key);
                Some(build.add_constant(value, node.ty, node.span))
            }
            ExprKind::Element { base, index } => {
                let value = element(build.constant(*base)?, build.constant(*index)?);
                Some(build.add_constant(value, node.ty, node.span))
            }
            ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) | ExprKind::InRel { .. } => None,
        }
    }
}

/// Returns the result of a call of constants.
fn call(build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
    let ExprKind::Call { function, signature, args, pooled } = &node.kind else { return None };
    if function.effect != Effect::Pure {
        return None;
    }
    let values: Vec<Value> = args.iter().map(|arg| build.constant(*arg).cloned()).collect::<Option<_>>()?;
    if propagates_null(&node.kind) && values.iter().any(Value::is_null) {
        return Some(build.add_constant(Value::missing(node.ty), node.ty, node.span));
    }
    let own = build.limits;
    let limits = Limits {
        value_bytes_max: own.value_bytes_max.min(RESULT_BYTES_MAX),
        value_nesting_max: own.value_nesting_max.min(RESULT_NESTING_MAX),
        ..own.clone()
    };
    let mut ctx = Context::new(limits, 0, 0);
    let pooled = pooled.map(|id| build.program.pooled(id));
    let eval = function.signatures[usize::from(*signature)].eval;
    let value = eval(&mut Call { args: &values, pooled, ctx: &mut ctx }).ok()?;
    // No constant is a null string: what gives one stays a call.
    let is_constant = node.ty != Type::String || !value.is_null();
    (is_constant && is_small(&value) && is_written(&value) && !depends_on_bounds(function.name))
        .then(|| build.add_constant(value, node.ty, node.span))
}

/// Says whether a function gives another result, and no fault, where a bound is narrower.
fn depends_on_bounds(name: &str) -> bool {
    matches!(name, "parse_json" | "extract_json" | "range")
}

/// Says whether a value may stand in a program.
fn is_small(value: &Value) -> bool {
    dtq_value::scalar::bounded::check(
        value,
        &Limits { value_bytes_max: RESULT_BYTES_MAX, value_nesting_max: RESULT_NESTING_MAX, ..Limits::default() },
    )
    .is_ok()
}

/// Says whether the text of a program keeps the value: that of a decimal does not keep the sign of zero.
fn is_written(value: &Value) -> bool {
    match value {
        Value::Decimal(number) => !number.is_zero() || number.is_sign_positive(),
        Value::Array(items) => items.iter().all(is_written),
        Value::Bag(bag) => bag.iter().all(|(_, item)| is_written(item)),
        _ => true,
    }
}

/// Returns null for a call that null makes null, if its other operands may be left out.
fn null_operand(build: &mut Builder<'_>, node: &Node, args: &[ExprId]) -> Option<ExprId> {
    let ExprKind::Call { function, .. } = &node.kind else { return None };
    let is_null = propagates_null(&node.kind) && args.iter().any(|arg| build.is_null_constant(*arg));
    let is_free = function.effect == Effect::Pure && args.iter().all(|arg| build.info(*arg).is_droppable());
    (is_null && is_free).then(|| build.add_constant(Value::missing(node.ty), node.ty, node.span))
}

/// `and` and `or` of a constant.
fn linked(build: &mut Builder<'_>, node: &Node, link: Link, left: ExprId, right: ExprId) -> Option<ExprId> {
    let decisive = link.decisive();
    if build.bool_constant(left) == Some(decisive) {
        return Some(left);
    }
    if build.bool_constant(left) == Some(!decisive) {
        return Some(right);
    }
    if build.bool_constant(right) == Some(!decisive) {
        return Some(left);
    }
    if build.bool_constant(right) == Some(decisive) && build.info(left).is_droppable() {
        return Some(right);
    }
    if build.is_null_constant(left) && build.is_null_constant(right) {
        return Some(left);
    }
    // Beside null the whole is null or decided; where null counts as decided, so is the whole.
    let counts_as_decided = match link {
        Link::And => node.asked == Asked::Truth,
        Link::Or => node.asked == Asked::Falsity,
    };
    let other = match (build.is_null_constant(left), build.is_null_constant(right)) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    (counts_as_decided && build.info(other).is_droppable()).then(|| build.add_bool(decisive, node.span))
}

/// `iff` and `case` with constant conditions, or with nothing to choose from.
fn case(build: &mut Builder<'_>, node: &Node, arms: &[(ExprId, ExprId)], otherwise: ExprId) -> Option<ExprId> {
    let mut kept: Vec<(ExprId, ExprId)> = Vec::with_capacity(arms.len());
    let mut rest = otherwise;
    for (condition, value) in arms {
        match build.constant(*condition) {
            Some(Value::Bool(true)) => {
                rest = *value;
                break;
            }
            Some(_) => {}
            None => kept.push((*condition, *value)),
        }
    }
    while let Some((condition, value)) = kept.last()
        && *value == rest
        && build.info(*condition).is_droppable()
        && build.info(rest).is_pure
    {
        kept.pop();
    }
    if kept.len() == arms.len() && rest == otherwise && !arms.is_empty() {
        return None;
    }
    Some(match kept.is_empty() {
        true => rest,
        false => build.add(ExprKind::Case { arms: kept, otherwise: rest }, node.ty, node.span),
    })
}

/// `coalesce` up to the first item that has a value, without constants that have none.
fn coalesce(build: &mut Builder<'_>, node: &Node, items: &[ExprId]) -> Option<ExprId> {
    let mut kept: Vec<ExprId> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let is_last = index + 1 == items.len();
        let constant = build.constant(*item);
        let is_missing = constant.is_some_and(dtq_value::scalar::logic::is_empty);
        // The last item is the result when none has a value: of a dynamic that may be null or "".
        if is_missing && !(is_last && (node.ty == Type::Dynamic || kept.is_empty())) {
            continue;
        }
        kept.push(*item);
        let has_value = match constant {
            Some(_) => !is_missing,
            None => !matches!(node.ty, Type::String | Type::Dynamic) && !build.info(*item).may_be_null,
        };
        if has_value {
            break;
        }
    }
    match kept.as_slice() {
        [] => items.last().copied(),
        [only] => Some(*only),
        _ if kept.len() == items.len() => None,
        _ => Some(build.add(ExprKind::Coalesce(kept), node.ty, node.span)),
    }
}

/// Returns a property of a dynamic, or null, as interpreters do.
fn property(base: &Value, key: &Str) -> Value {
    match base {
        Value::Bag(bag) => bag.get(key.as_bytes()).cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

/// Returns an element of a dynamic, or null, as interpreters do.
fn element(base: &Value, index: &Value) -> Value {
    let at = |items: &[Value], index: i64| {
        let position = if index < 0 { index.saturating_add(items.len() as i64) } else { index };
        usize::try_from(position).ok().and_then(|position| items.get(position)).cloned().unwrap_or_default()
    };
    match (base, index) {
        (Value::Array(items), Value::Long(index)) => at(items, *index),
        (Value::Array(items), Value::Int(index)) => at(items, i64::from(*index)),
        (Value::Bag(_), Value::String(key)) => property(base, key),
        _ => Value::Null,
    }
}
