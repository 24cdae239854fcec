//! Logic with null: what is true, false and null stays so, and fewer nodes say it.
//!
//! `and`, `or`, `not` have three values. Where a node is asked for its value, a rule holds for all three. Where it is
//! asked only whether it is true (a filter, a condition of `iff`), null counts as false, and more rules hold. Which
//! operands are evaluated for which rows changes only where an operand can neither fail nor be noticed.
//! Fixtures: `fixtures/opt/simplify.md`.

use crate::build::{Builder, Link};
use crate::negate::negated;
use crate::walk::{Asked, Node, Rule};
use dtq_ir::{ExprId, ExprKind};
use dtq_value::{Type, Value};
use rustc_hash::FxHashSet;

/// The pass.
pub(crate) struct Simplify;

impl Rule for Simplify {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        match &node.kind {
            ExprKind::And(left, right) => linked(build, node, Link::And, *left, *right),
            ExprKind::Or(left, right) => linked(build, node, Link::Or, *left, *right),
            ExprKind::Case { arms, otherwise } => case(build, node, arms, *otherwise),
            ExprKind::Coalesce(items) => coalesce(build, node, items),
            ExprKind::Call { function, args, .. } => call(build, node, function.name, args),
            _ => None,
        }
    }
}

/// How many operands of a chain are compared with each other.
const COMPARED_MAX: usize = 64;

/// `x and x`, `x and not(x)`, `x and (x or y)`, and the same with `or`, of a whole chain.
fn linked(build: &mut Builder<'_>, node: &Node, link: Link, left: ExprId, right: ExprId) -> Option<ExprId> {
    if node.is_inner {
        return None;
    }
    let operands = [build.chain(left, link), build.chain(right, link)].concat();
    let mut kept: Vec<ExprId> = Vec::with_capacity(operands.len());
    let mut seen: FxHashSet<ExprId> = FxHashSet::default();
    for operand in &operands {
        // One that stands there twice was evaluated before, with the same result.
        if seen.insert(*operand) || !build.info(*operand).is_pure {
            kept.push(*operand);
        }
    }
    if kept.len() <= COMPARED_MAX {
        if is_opposed(build, node, link, &kept, &seen) {
            return Some(build.add_bool(link.decisive(), node.span));
        }
        kept = unabsorbed(build, link, &kept);
    }
    (kept.len() < operands.len()).then(|| build.join(&kept, link))
}

/// `x and not(x)` is false, or null if `x` is: the same where only truth counts.
fn is_opposed(build: &mut Builder<'_>, node: &Node, link: Link, operands: &[ExprId], all: &FxHashSet<ExprId>) -> bool {
    let counts = match link {
        Link::And => node.asked == Asked::Truth,
        Link::Or => node.asked == Asked::Falsity,
    };
    operands.iter().all(|one| build.info(*one).is_droppable())
        && operands.iter().any(|one| {
            let is_null_fine = counts || !build.info(*one).may_be_null;
            let span = build.span(*one);
            is_null_fine && negated(build, *one, span).is_some_and(|opposite| all.contains(&opposite))
        })
}

/// Returns the operands without those that are a chain of the other link with a part that stands beside it, as in
/// `x and (x or y)`.
///
/// The part stands before it, or what stands between is evaluated for other rows.
fn unabsorbed(build: &Builder<'_>, link: Link, operands: &[ExprId]) -> Vec<ExprId> {
    let is_all_movable = operands.iter().all(|one| build.info(*one).is_movable());
    let beside = |index: usize| if is_all_movable { operands } else { &operands[..index] };
    let is_kept = |(index, id): (usize, &ExprId)| {
        let is_chain = Link::of(build.kind(*id)) == Some(link.dual()) && build.info(*id).is_droppable();
        let stands = |part: &ExprId| beside(index).contains(part);
        (!(is_chain && build.chain(*id, link.dual()).iter().any(stands))).then_some(*id)
    };
    operands.iter().enumerate().filter_map(is_kept).collect()
}

/// `iff` of bools as `and`, `or`, `not`; neighbours with the same value; conditions that were asked before.
fn case(build: &mut Builder<'_>, node: &Node, arms: &[(ExprId, ExprId)], otherwise: ExprId) -> Option<ExprId> {
    if let ([(condition, value)], Type::Bool) = (arms, node.ty)
        && let Some(found) = bool_choice(build, node, *condition, *value, otherwise)
    {
        return Some(found);
    }
    let mut kept: Vec<(ExprId, ExprId)> = Vec::with_capacity(arms.len());
    let mut asked: FxHashSet<ExprId> = FxHashSet::default();
    for (condition, value) in arms {
        let was_asked = !asked.insert(*condition) && build.info(*condition).is_pure;
        match kept.last_mut() {
            _ if was_asked => {}
            Some((known, last)) if last == value && build.info(*value).is_pure => {
                *known = build.join(&[*known, *condition], Link::Or);
            }
            _ => kept.push((*condition, *value)),
        }
    }
    (kept.len() < arms.len()).then(|| build.add(ExprKind::Case { arms: kept, otherwise }, node.ty, node.span))
}

/// `iff(condition, then, otherwise)` of bools.
fn bool_choice(
    build: &mut Builder<'_>,
    node: &Node,
    condition: ExprId,
    then: ExprId,
    otherwise: ExprId,
) -> Option<ExprId> {
    let is_total = !build.info(condition).may_be_null;
    let (is_truth, is_falsity) = (node.asked == Asked::Truth, node.asked == Asked::Falsity);
    match (build.bool_constant(then), build.bool_constant(otherwise)) {
        (Some(true), Some(false)) if is_total || is_truth => Some(condition),
        (Some(false), Some(true)) if is_total || is_falsity => {
            let span = node.span;
            negated(build, condition, span).or_else(|| build.call("not", &[condition], Type::Bool, span))
        }
        // A condition that is null chooses `otherwise`, and evaluates both operands of `or`, like this.
        (Some(true), None) if is_total || is_truth => {
            Some(build.add(ExprKind::Or(condition, otherwise), Type::Bool, node.span))
        }
        // Where the condition is null, `and` evaluates what `iff` does not.
        (None, Some(false)) if is_total || (is_truth && build.info(then).is_movable()) => {
            Some(build.add(ExprKind::And(condition, then), Type::Bool, node.span))
        }
        _ => None,
    }
}

/// `coalesce` in `coalesce`, and items that stand there twice.
fn coalesce(build: &mut Builder<'_>, node: &Node, items: &[ExprId]) -> Option<ExprId> {
    let mut flat: Vec<ExprId> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let inner = match build.kind(*item) {
            ExprKind::Coalesce(inner) => inner.clone(),
            _ => vec![*item],
        };
        let is_last = index + 1 == items.len();
        for (position, one) in inner.iter().enumerate() {
            // The last one is the result when none has a value.
            let is_final = is_last && position + 1 == inner.len();
            if !(flat.contains(one) && build.info(*one).is_pure && (!is_final || node.ty != Type::Dynamic)) {
                flat.push(*one);
            }
        }
    }
    match flat.as_slice() {
        [only] => Some(*only),
        _ if flat == items => None,
        _ => Some(build.add(ExprKind::Coalesce(flat), node.ty, node.span)),
    }
}

fn call(build: &mut Builder<'_>, node: &Node, name: &str, args: &[ExprId]) -> Option<ExprId> {
    match (name, args) {
        ("not", [operand]) => negated(build, *operand, node.span),
        ("isnull" | "isnotnull", [operand]) => {
            let info = build.info(*operand);
            (!info.may_be_null && info.is_droppable()).then(|| build.add_bool(name == "isnotnull", node.span))
        }
        ("isempty" | "isnotempty", [operand]) => {
            let info = build.info(*operand);
            let has_text = matches!(build.ty(*operand), Type::String | Type::Dynamic);
            let is_known = !has_text && !info.may_be_null && info.is_droppable();
            is_known.then(|| build.add_bool(name == "isnotempty", node.span))
        }
        ("==" | "!=", [left, right]) if build.ty(*left) == Type::Bool && build.ty(*right) == Type::Bool => {
            bool_equality(build, node, name == "==", *left, *right).or_else(|| constant_last(build, node, name, args))
        }
        _ => constant_last(build, node, name, args),
    }
}

/// `x == true` is `x`, but that it is false where `x` is null.
fn bool_equality(build: &mut Builder<'_>, node: &Node, is_equal: bool, left: ExprId, right: ExprId) -> Option<ExprId> {
    let (operand, constant) = match (build.bool_constant(left), build.bool_constant(right)) {
        (None, Some(constant)) => (left, constant),
        (Some(constant), None) => (right, constant),
        _ => return None,
    };
    let is_null_fine = match node.asked {
        Asked::Value => false,
        Asked::Truth => is_equal,
        Asked::Falsity => !is_equal,
    };
    if build.info(operand).may_be_null && !is_null_fine {
        return None;
    }
    if is_equal == constant {
        return Some(operand);
    }
    let span = node.span;
    negated(build, operand, span).or_else(|| build.call("not", &[operand], Type::Bool, span))
}

/// A comparison with a constant on the left has it on the right, so that later passes look in one place.
fn constant_last(build: &mut Builder<'_>, node: &Node, name: &str, args: &[ExprId]) -> Option<ExprId> {
    let [left, right] = args else { return None };
    let mirrored = match name {
        "==" => "==",
        "!=" => "!=",
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        _ => return None,
    };
    let is_constant = |id: ExprId| matches!(build.kind(id), ExprKind::Const(value) if !matches!(value, Value::Null));
    if !is_constant(*left) || matches!(build.kind(*right), ExprKind::Const(_)) {
        return None;
    }
    build.call(mirrored, &[*right, *left], node.ty, node.span)
}
