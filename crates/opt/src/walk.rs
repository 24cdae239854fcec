//! A program and a rule for one node to a program in which every node has met the rule, operands first.
//!
//! Only what an output needs is copied, so that a walk also leaves behind what nothing uses any more. Walks are loops
//! over the arenas, not recursions: a chain of a hundred thousand operands needs no stack. Next: the passes.

use crate::build::{Builder, Link};
use crate::info::{self, Info};
use crate::options::Options;
use dtq_ir::{Expr, ExprId, ExprKind, PoolId, Program, Rel, RelId, RelKind, Sees};
use dtq_source::Span;
use dtq_value::{Type, Value};
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::collections::BinaryHeap;

/// Says what the one who uses a bool wants to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Its value.
    Value,
    /// Whether it is true: null may become false, and false null.
    Truth,
    /// Whether it is false: null may become true, and true null.
    Falsity,
}

impl Asked {
    fn opposite(self) -> Self {
        match self {
            Asked::Value => Asked::Value,
            Asked::Truth => Asked::Falsity,
            Asked::Falsity => Asked::Truth,
        }
    }

    /// Returns what is asked of a node that has two users.
    fn both(self, other: Self) -> Self {
        if self == other { self } else { Asked::Value }
    }
}

/// Holds an expression whose operands have met the rule already.
pub(crate) struct Node {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it was written.
    pub span: Span,
    /// What is asked of it.
    pub asked: Asked,
    /// Whether it is an operand of another `and`, if it is an `and`, or of another `or`, if it is an `or`: the outermost
    /// node of a chain is not.
    pub is_inner: bool,
}

/// Holds what the users of an expression ask of it.
#[derive(Clone, Copy)]
struct Use {
    asked: Asked,
    is_inner: bool,
}

/// A rule for one node.
pub(crate) trait Rule {
    /// Returns what stands for a node instead of it, or `None` when it stays.
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId>;

    /// Returns what stands for a relation instead of it, or `None` when it stays; `rel` names what is in the new
    /// program, `old` is its id in the old one.
    fn apply_rel(&mut self, build: &mut Builder<'_>, old: RelId, rel: &Rel) -> Option<RelId> {
        let _ = (build, old, rel);
        None
    }
}

/// Holds what a walk made.
pub(crate) struct Walked {
    /// The program.
    pub program: Program,
    /// How often the rule answered.
    pub changes: usize,
}

/// Returns the program in which every node that an output needs has met the rule.
pub(crate) fn walk(program: &Program, rule: &mut dyn Rule, options: &Options) -> Walked {
    let mut walk = Walk::new(program, rule, options);
    for (index, is_reached) in dtq_ir::reads::reached(program).into_iter().enumerate() {
        if is_reached {
            walk.rel(RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX")));
        }
    }
    for output in &program.outputs {
        let rel = walk.rels[&output.rel];
        walk.build.program.outputs.push(dtq_ir::Output { name: output.name.clone(), rel });
    }
    Walked { program: walk.build.program, changes: walk.changes }
}

/// Returns the program in which these bools and values over one row have met the rule, and where they are now.
pub(crate) fn walk_roots(
    program: &Program,
    roots: &[(ExprId, Asked)],
    rule: &mut dyn Rule,
    options: &Options,
    is_column_null: &dyn Fn(u32) -> bool,
) -> (Walked, Vec<ExprId>) {
    let mut walk = Walk::new(program, rule, options);
    let found = walk.exprs(roots, &|index, ty| ty != Type::String && is_column_null(index));
    (Walked { program: walk.build.program, changes: walk.changes }, found)
}

struct Walk<'w> {
    old: &'w Program,
    infos: Vec<Info>,
    rule: &'w mut dyn Rule,
    options: &'w Options,
    build: Builder<'w>,
    rels: FxHashMap<RelId, RelId>,
    /// For each relation of the old program that was copied, whether each of its columns can be null.
    nulls: FxHashMap<RelId, Vec<bool>>,
    pool: FxHashMap<PoolId, PoolId>,
    /// Where each expression of the old program is in the new one, as far as the row at hand has come.
    copied: Vec<ExprId>,
    /// What is asked of the expressions that are open; room for it.
    uses: Vec<Option<Use>>,
    changes: usize,
}

impl<'w> Walk<'w> {
    fn new(old: &'w Program, rule: &'w mut dyn Rule, options: &'w Options) -> Self {
        Self {
            old,
            infos: info::all(old, options.columns_may_fail),
            rule,
            options,
            build: Builder::new(options),
            rels: FxHashMap::default(),
            nulls: FxHashMap::default(),
            pool: FxHashMap::default(),
            copied: vec![ExprId(u32::MAX); old.exprs().len()],
            uses: vec![None; old.exprs().len()],
            changes: 0,
        }
    }

    /// Copies a relation whose inputs are copied.
    fn rel(&mut self, id: RelId) {
        let rel = self.old.rel(id);
        let mut kind = rel.kind.clone();
        let mut roots: Vec<(Sees, Vec<(ExprId, Asked)>)> = Vec::new();
        kind.visit_exprs_mut(&mut |expr, sees, is_condition| {
            let asked = if is_condition { Asked::Truth } else { Asked::Value };
            match roots.iter_mut().find(|(other, _)| *other == sees) {
                Some((_, exprs)) => exprs.push((*expr, asked)),
                None => roots.push((sees, vec![(*expr, asked)])),
            }
        });
        let mut copied: FxHashMap<(Sees, ExprId), ExprId> = FxHashMap::default();
        for (sees, roots) in roots {
            let nulls = if let Sees::Row(input) = sees { self.nulls.get(&input).cloned() } else { None };
            let is_column_null =
                |index: u32, _: Type| nulls.as_ref().is_none_or(|nulls| nulls.get(index as usize) != Some(&false));
            let found = self.exprs(&roots, &is_column_null);
            copied.extend(roots.iter().zip(found).map(|((old, _), new)| ((sees, *old), new)));
        }
        kind.visit_exprs_mut(&mut |expr, sees, _| *expr = copied[&(sees, *expr)]);
        let nulls = self.column_nulls(id, &kind);
        kind.visit_inputs_mut(&mut |input| *input = self.rels[input]);
        let mapped = Rel { kind, columns: rel.columns.clone(), ..*rel };
        let new = match self.rule.apply_rel(&mut self.build, id, &mapped) {
            Some(found) => {
                self.changes += 1;
                found
            }
            None => self.build.program.add_rel(mapped),
        };
        self.rels.insert(id, new);
        self.nulls.insert(id, nulls);
    }

    /// Copies what these expressions over one row need, operands first; returns where they are now.
    fn exprs(&mut self, roots: &[(ExprId, Asked)], is_column_null: &dyn Fn(u32, Type) -> bool) -> Vec<ExprId> {
        for (id, Use { asked, is_inner }) in self.uses(roots).into_iter().rev() {
            let Expr { kind, ty, span } = self.old.expr(id);
            let (copied, rels) = (&self.copied, &self.rels);
            let mut mapped = kind
                .mapped(&mut |operand| copied[operand.0 as usize], &mut |rel| rels.get(&rel).copied().unwrap_or(rel));
            if let ExprKind::Call { pooled: Some(pooled), .. } = &mut mapped {
                *pooled = self.pooled(*pooled);
            }
            let node = Node { kind: mapped, ty: *ty, span: *span, asked, is_inner };
            let new = match self.rule.apply(&mut self.build, &node) {
                Some(found) => {
                    self.changes += 1;
                    found
                }
                None => match node.kind {
                    ExprKind::Column(index) => self.build.add_column(index, *ty, *span, is_column_null(index, *ty)),
                    kind => self.build.add(kind, *ty, *span),
                },
            };
            self.copied[id.0 as usize] = new;
        }
        roots.iter().map(|(root, _)| self.copied[root.0 as usize]).collect()
    }

    /// Returns what these expressions need, operands last, with what is asked of each.
    fn uses(&mut self, roots: &[(ExprId, Asked)]) -> Vec<(ExprId, Use)> {
        let (mut open, mut uses) = (BinaryHeap::new(), std::mem::take(&mut self.uses));
        let note = |open: &mut BinaryHeap<ExprId>, uses: &mut [Option<Use>], id: ExprId, new: Use| {
            let known = &mut uses[id.0 as usize];
            match known {
                Some(known) => {
                    *known = Use { asked: known.asked.both(new.asked), is_inner: known.is_inner || new.is_inner };
                }
                None => {
                    *known = Some(new);
                    open.push(id);
                }
            }
        };
        roots
            .iter()
            .for_each(|(root, asked)| note(&mut open, &mut uses, *root, Use { asked: *asked, is_inner: false }));
        let mut found = Vec::new();
        // A node stands behind its operands: the last one has no user that is still open.
        while let Some(id) = open.pop() {
            let used = uses[id.0 as usize].take().expect("what is open is used");
            found.push((id, used));
            let link = Link::of(&self.old.expr(id).kind);
            for (operand, asked) in self.operands(id, used.asked) {
                let is_inner = link.is_some() && link == Link::of(&self.old.expr(operand).kind);
                note(&mut open, &mut uses, operand, Use { asked, is_inner });
            }
        }
        self.uses = uses;
        found
    }

    /// Returns the operands of a node and what it asks of each.
    fn operands(&self, id: ExprId, asked: Asked) -> SmallVec<[(ExprId, Asked); 4]> {
        let is_movable = |id: ExprId| self.infos[id.0 as usize].is_movable();
        match &self.old.expr(id).kind {
            // The right operand is evaluated unless the left one is false: where null may become false, that differs.
            ExprKind::And(left, right) => {
                let is_free = asked != Asked::Truth || is_movable(*right);
                smallvec![(*left, if is_free { asked } else { Asked::Value }), (*right, asked)]
            }
            ExprKind::Or(left, right) => {
                let is_free = asked != Asked::Falsity || is_movable(*right);
                smallvec![(*left, if is_free { asked } else { Asked::Value }), (*right, asked)]
            }
            ExprKind::Call { function, args, .. } if function.name == "not" => {
                args.iter().map(|arg| (*arg, asked.opposite())).collect()
            }
            ExprKind::Case { arms, otherwise } => {
                let arms = arms.iter().flat_map(|(condition, value)| [(*condition, Asked::Truth), (*value, asked)]);
                arms.chain([(*otherwise, asked)]).collect()
            }
            kind => kind.children().into_iter().map(|child| (child, Asked::Value)).collect(),
        }
    }

    fn pooled(&mut self, id: PoolId) -> PoolId {
        let (old, program) = (self.old, &mut self.build.program);
        *self.pool.entry(id).or_insert_with(|| program.add_pooled(old.pooled(id).clone()))
    }

    /// Says of each column of a relation whether it can be null; `kind` has its new expressions and its old inputs.
    fn column_nulls(&self, id: RelId, kind: &RelKind) -> Vec<bool> {
        let rel = self.old.rel(id);
        let unknown = || vec![true; rel.columns.len()];
        let of = |input: &RelId| self.nulls.get(input).cloned().unwrap_or_else(unknown);
        match kind {
            RelKind::Scan { table } => {
                // A table has no null string: that is "".
                let columns = rel.columns.iter();
                let nulls = columns.map(|one| one.ty != Type::String && !self.options.is_never_null(table, &one.name));
                nulls.collect()
            }
            RelKind::Values { rows } => {
                let is_null = |index: usize| rows.iter().any(|row| row.get(index).is_none_or(Value::is_null));
                (0..rel.columns.len()).map(is_null).collect()
            }
            RelKind::Range { .. } => vec![true; rel.columns.len()],
            RelKind::Filter { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Distinct { input }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::Materialize { input }
            | RelKind::Sample { input, .. } => of(input),
            RelKind::Project { exprs, .. } => exprs.iter().map(|expr| self.build.info(*expr).may_be_null).collect(),
            RelKind::Aggregate { keys, .. } => {
                let mut nulls: Vec<bool> = keys.iter().map(|key| self.build.info(*key).may_be_null).collect();
                nulls.resize(rel.columns.len(), true);
                nulls
            }
            _ => unknown(),
        }
    }
}
