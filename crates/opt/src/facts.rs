//! What conditions say together: one that follows from the others goes, and those that exclude each other are false.
//!
//! `a > 5 and a > 3` is `a > 5`; `a > 5 and a < 3` is never true. Only where truth alone counts, since null may become
//! false here. What a condition implies, excludes and needs is [`dtq_ir::condition`], which also warns of rules in each
//! other's way. Fixtures: `fixtures/opt/facts.md`.

use crate::build::{Builder, Link};
use crate::walk::{Asked, Node, Rule};
use dtq_ir::{Condition, ExprId, ExprKind};

/// How many operands of a chain are compared with each other.
const COMPARED_MAX: usize = 24;

/// How large the whole chain may be, in nodes.
const SIZE_MAX: u32 = 600;

/// The pass.
pub(crate) struct Facts;

impl Rule for Facts {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        if node.asked != Asked::Truth || node.is_inner {
            return None;
        }
        match node.kind {
            ExprKind::And(left, right) => chain(build, node, Link::And, left, right),
            ExprKind::Or(left, right) => chain(build, node, Link::Or, left, right),
            _ => None,
        }
    }
}

/// Drops operands that follow from the others (of `or`: that the others follow from).
fn chain(build: &mut Builder<'_>, node: &Node, link: Link, left: ExprId, right: ExprId) -> Option<ExprId> {
    let operands = [build.chain(left, link), build.chain(right, link)].concat();
    let size = operands.iter().fold(0_u32, |sum, one| sum.saturating_add(build.info(*one).size));
    if operands.len() > COMPARED_MAX || size > SIZE_MAX {
        return None;
    }
    let whole = |build: &mut Builder<'_>, parts: &[ExprId]| {
        let joined = build.join(parts, link);
        Condition::of_row(&build.program, joined)
    };
    let is_free = operands.iter().all(|one| build.info(*one).is_droppable());
    let all = whole(build, &operands);
    if is_free && all.is_never_true() {
        return Some(build.add_bool(false, node.span));
    }
    if is_free && all.is_always_true() {
        return Some(build.add_bool(true, node.span));
    }
    let mut kept = operands.clone();
    // From the last: what was written first stays.
    for index in (0..operands.len()).rev() {
        // What stands behind it is then evaluated for other rows.
        let is_free = kept[index + 1..].iter().all(|one| build.info(*one).is_movable());
        if kept.len() == 1 || !is_free || !build.info(kept[index]).is_droppable() {
            continue;
        }
        let mut others = kept.clone();
        let one = others.remove(index);
        let (one, rest) = (Condition::of_row(&build.program, one), whole(build, &others));
        let follows = match link {
            Link::And => rest.implies(&one),
            Link::Or => one.implies(&rest),
        };
        if follows {
            kept = others;
        }
    }
    (kept.len() < operands.len()).then(|| build.join(&kept, link))
}
