//! Rows are dropped before anything is computed for them, and what nobody looks at is not computed.
//!
//! A filter moves below the projection, sort or `distinct` that it stands on, and joins the filter that it meets; a
//! projection of a projection becomes one; a computed column that nobody looks at becomes a constant of its type, so
//! that neither it nor the columns that it reads are produced. The rule about errors: an expression that can fail is
//! evaluated for exactly the rows for which it was, and before and after the same others. Everything that is evaluated
//! for fewer or more rows than before can neither fail nor be noticed. Fixtures: `fixtures/opt/prune.md`.

use crate::build::{Builder, Link};
use crate::cost;
use crate::walk::{Node, Rule};
use dtq_ir::needed::{self, Need, Needed};
use dtq_ir::{ExprId, ExprKind, Program, Rel, RelId, RelKind};
use dtq_value::{Type, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Down how many operators a filter moves at once.
const STEPS_MAX: usize = 100;

/// What an expression may cost that is computed twice, once for the filter and once for the row: a column, a constant, a
/// property of a column. See `cost.rs` for the unit.
const REPEATED_COST_MAX: f64 = 14.0;

/// The pass.
pub(crate) struct Prune {
    needed: Needed,
}

impl Prune {
    /// Returns the pass over a program.
    pub fn new(program: &Program) -> Self {
        Self { needed: needed::of(program) }
    }
}

impl Rule for Prune {
    fn apply(&mut self, _build: &mut Builder<'_>, _node: &Node) -> Option<ExprId> {
        None
    }

    fn apply_rel(&mut self, build: &mut Builder<'_>, old: RelId, rel: &Rel) -> Option<RelId> {
        match &rel.kind {
            RelKind::Filter { input, predicate } if build.bool_constant(*predicate) == Some(true) => Some(*input),
            RelKind::Filter { input, predicate } => filter(build, rel, *input, *predicate, STEPS_MAX),
            RelKind::Project { input, exprs } => {
                let used = without_unused(build, exprs, rel, &self.needed[old.0 as usize]);
                let exprs = used.as_ref().unwrap_or(exprs);
                if let Some(found) = merged(build, rel, *input, exprs).or_else(|| identity(build, rel, *input, exprs)) {
                    return Some(found);
                }
                let kind = RelKind::Project { input: *input, exprs: used? };
                Some(build.program.add_rel(Rel { kind, columns: rel.columns.clone(), ..*rel }))
            }
            _ => None,
        }
    }
}

/// Returns a filter of `input` that stands as low as it may, or `None` when that is on `input` itself.
fn filter(build: &mut Builder<'_>, rel: &Rel, input: RelId, predicate: ExprId, steps_left: usize) -> Option<RelId> {
    let steps_left = steps_left.checked_sub(1)?;
    let below = build.program.rel(input).clone();
    let is_movable = build.info(predicate).is_movable();
    match &below.kind {
        RelKind::Filter { input: lower, predicate: first } => {
            let first_info = build.info(*first);
            // Where the first is null, `and` evaluates the second, which was not evaluated before.
            if !(is_movable || (!first_info.may_be_null && first_info.is_movable())) {
                return None;
            }
            let both = build.join(&[*first, predicate], Link::And);
            Some(lowest(build, rel, *lower, both, steps_left))
        }
        RelKind::Project { input: lower, exprs } => {
            through_project(build, rel, &below, *lower, exprs, predicate, steps_left)
        }
        RelKind::Sort { input: lower, keys } => {
            let is_free = is_movable && keys.iter().all(|key| build.info(key.expr).is_movable());
            is_free.then(|| over(build, &below, *lower, rel, predicate, steps_left))
        }
        RelKind::Distinct { input: lower } => {
            let is_free = is_movable && reads_plain_identity(build, &below, predicate);
            is_free.then(|| over(build, &below, *lower, rel, predicate, steps_left))
        }
        _ => None,
    }
}

/// Returns a filter of `input`, on it or below it.
fn lowest(build: &mut Builder<'_>, rel: &Rel, input: RelId, predicate: ExprId, steps_left: usize) -> RelId {
    if let Some(found) = filter(build, rel, input, predicate, steps_left) {
        return found;
    }
    let below = build.program.rel(input);
    let (columns, is_ordered) = (below.columns.clone(), below.is_ordered);
    let kind = RelKind::Filter { input, predicate };
    build.program.add_rel(Rel { kind, columns, is_ordered, span: rel.span })
}

/// Returns `upper` again, over a filter of what it was over.
fn over(build: &mut Builder<'_>, upper: &Rel, lower: RelId, rel: &Rel, predicate: ExprId, steps_left: usize) -> RelId {
    let filtered = lowest(build, rel, lower, predicate, steps_left);
    let mut moved = upper.clone();
    moved.kind.visit_inputs_mut(&mut |input| *input = filtered);
    build.program.add_rel(moved)
}

/// Moves a filter, or those of its conditions for which it can be done, below a projection.
fn through_project(
    build: &mut Builder<'_>,
    rel: &Rel,
    project: &Rel,
    lower: RelId,
    exprs: &[ExprId],
    predicate: ExprId,
    steps_left: usize,
) -> Option<RelId> {
    if !exprs.iter().all(|expr| build.info(*expr).is_movable()) || !build.info(predicate).is_pure {
        return None;
    }
    let is_pushable = |build: &Builder<'_>, part: ExprId| {
        columns_of(&build.program, part).iter().all(|column| is_cheap(build, exprs[*column as usize]))
    };
    let parts = build.chain(predicate, Link::And);
    let (down, rest): (Vec<ExprId>, Vec<ExprId>) = parts.iter().partition(|part| is_pushable(build, **part));
    if down.is_empty() || !(rest.is_empty() || build.info(predicate).is_movable()) {
        return None;
    }
    let down = build.join(&down, Link::And);
    let down = substituted(build, down, exprs);
    let moved = over(build, project, lower, rel, down, steps_left);
    if rest.is_empty() {
        return Some(moved);
    }
    let kind = RelKind::Filter { input: moved, predicate: build.join(&rest, Link::And) };
    let (columns, is_ordered) = (project.columns.clone(), project.is_ordered);
    Some(build.program.add_rel(Rel { kind, columns, is_ordered, span: rel.span }))
}

/// Says whether an expression may be computed twice.
fn is_cheap(build: &Builder<'_>, id: ExprId) -> bool {
    // Larger ones cost more in any case.
    build.info(id).size <= 8 && cost::of_tree(&build.program, id) <= REPEATED_COST_MAX
}

/// Says whether a predicate reads only columns whose values are the same row for `distinct` only if nothing tells them
/// apart: not reals (zero has two signs), decimals (zeros at the end) and dynamics.
fn reads_plain_identity(build: &Builder<'_>, rel: &Rel, predicate: ExprId) -> bool {
    let is_plain = |column: &u32| {
        let ty = rel.columns.get(*column as usize).map(|column| column.ty);
        !matches!(ty, None | Some(Type::Real | Type::Decimal | Type::Dynamic))
    };
    columns_of(&build.program, predicate).iter().all(is_plain)
}

/// Returns what an expression is made of, operands first.
fn reached(program: &Program, root: ExprId) -> BTreeSet<ExprId> {
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(program.expr(id).kind.children());
        }
    }
    found
}

/// Returns the columns that an expression reads.
fn columns_of(program: &Program, root: ExprId) -> BTreeSet<u32> {
    let column = |id: ExprId| if let ExprKind::Column(index) = program.expr(id).kind { Some(index) } else { None };
    reached(program, root).into_iter().filter_map(column).collect()
}

/// Returns an expression with each column replaced by the expression at its position.
fn substituted(build: &mut Builder<'_>, root: ExprId, exprs: &[ExprId]) -> ExprId {
    let mut made: FxHashMap<ExprId, ExprId> = FxHashMap::default();
    for id in reached(&build.program, root) {
        let expr = build.program.expr(id).clone();
        let new = match expr.kind {
            ExprKind::Column(index) => exprs[index as usize],
            kind => {
                let kind = kind.mapped(&mut |operand| made[&operand], &mut |rel| rel);
                build.add(kind, expr.ty, expr.span)
            }
        };
        made.insert(id, new);
    }
    made[&root]
}

/// Returns the expressions with a constant for each that nobody looks at, or `None` when there is none.
fn without_unused(build: &mut Builder<'_>, exprs: &[ExprId], rel: &Rel, needed: &[Need]) -> Option<Vec<ExprId>> {
    let mut kept = exprs.to_vec();
    for ((expr, is_needed), column) in kept.iter_mut().zip(needed).zip(&rel.columns) {
        let is_const = matches!(build.kind(*expr), ExprKind::Const(_));
        if !is_needed.is_some() && !is_const && build.info(*expr).is_droppable() {
            *expr = build.add_constant(Value::missing(column.ty), column.ty, rel.span);
        }
    }
    (kept != exprs).then_some(kept)
}

/// A projection of a projection is one, where nothing costly is then computed twice.
fn merged(build: &mut Builder<'_>, rel: &Rel, input: RelId, outer: &[ExprId]) -> Option<RelId> {
    let RelKind::Project { input: lower, exprs: inner } = build.program.rel(input).kind.clone() else { return None };
    let uses = column_uses(&build.program, outer, inner.len());
    let is_fine = |(expr, uses): (&ExprId, &u64)| {
        let info = build.info(*expr);
        info.is_movable() && (*uses > 0 || info.is_droppable()) && (*uses <= 1 || is_cheap(build, *expr))
    };
    if !inner.iter().zip(&uses).all(is_fine) {
        return None;
    }
    let exprs = outer.iter().map(|expr| substituted(build, *expr, &inner)).collect();
    let kind = RelKind::Project { input: lower, exprs };
    Some(build.program.add_rel(Rel { kind, columns: rel.columns.clone(), ..*rel }))
}

/// Returns how often each column is read, a shared node counted each time it is reached.
fn column_uses(program: &Program, roots: &[ExprId], count: usize) -> Vec<u64> {
    let mut columns = vec![0_u64; count];
    let mut open: std::collections::BTreeMap<ExprId, u64> = std::collections::BTreeMap::new();
    roots.iter().for_each(|root| *open.entry(*root).or_default() += 1);
    while let Some((id, uses)) = open.pop_last() {
        let kind = &program.expr(id).kind;
        if let ExprKind::Column(index) = kind
            && let Some(column) = columns.get_mut(*index as usize)
        {
            *column = column.saturating_add(uses);
        }
        for child in kind.children() {
            let known = open.entry(child).or_default();
            *known = known.saturating_add(uses);
        }
    }
    columns
}

/// A projection to the columns as they are is its input.
fn identity(build: &Builder<'_>, rel: &Rel, input: RelId, exprs: &[ExprId]) -> Option<RelId> {
    let below = build.program.rel(input);
    let is_same = below.columns == rel.columns
        && below.is_ordered == rel.is_ordered
        && exprs.iter().enumerate().all(|(index, expr)| *build.kind(*expr) == ExprKind::Column(index as u32));
    is_same.then_some(input)
}
