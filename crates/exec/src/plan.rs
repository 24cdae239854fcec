//! Facts about the relations of a program that are found once, before any row is read.

use crate::conditions::{Conditions, find_conditions};
use dtq_ir::needed::{Need, Needed};
use dtq_ir::rel::{RelId, RelKind};
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::stream::Projection;
use dtq_source::Code;
use dtq_value::scalar::Fault;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;

/// How many operators may follow each other in one program; each pulls from the one before on the stack.
pub(crate) const RELATION_DEPTH_MAX: u32 = 500;

/// Holds facts about relations, by their position in the program.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many operators, outputs and expressions read the relation; 0 when it is not reached from an output.
    pub(crate) readers: Vec<u32>,
    /// Whether its rows depend on the rows of an enclosing operator.
    pub(crate) is_bound: Vec<bool>,
    /// What of the relation's columns anything looks at.
    needed: Needed,
    /// What rows of tables need so that anything looks at them.
    conditions: FxHashMap<RelId, Conditions>,
    /// The relations inside expressions, in an order in which each needs only those before it.
    pub(crate) subqueries: BTreeSet<Subquery>,
}

/// Names a relation inside an expression and what is wanted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Subquery {
    /// The relation; a relation refers only to those before it, so that this order is an order of evaluation.
    pub(crate) rel: RelId,
    /// What is wanted.
    pub(crate) use_: SubqueryUse,
}

/// Says what is wanted of a relation inside an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SubqueryUse {
    /// The first value: `toscalar`.
    Scalar,
    /// The values of the first column: `in (T)`.
    Members {
        /// `in~ (T)`.
        is_case_ignored: bool,
    },
}

impl Plan {
    /// Returns the facts about a program.
    ///
    /// # Errors
    /// [`Code::E2901`] when more than [`RELATION_DEPTH_MAX`] operators follow each other.
    pub(crate) fn new(program: &Program) -> Result<Self, Fault> {
        check_depth(program)?;
        let mut plan = Self {
            readers: vec![0; program.rels().len()],
            is_bound: find_bound(program),
            needed: dtq_ir::needed::of(program),
            conditions: FxHashMap::default(),
            subqueries: BTreeSet::new(),
        };
        plan.count_readers(program);
        plan.conditions = find_conditions(program, &plan.readers);
        Ok(plan)
    }

    /// Returns what of a table is looked at.
    pub(crate) fn projection(&self, scan: RelId) -> Projection {
        let needed = &self.needed[scan.0 as usize];
        Projection {
            is_read: needed.iter().map(Need::is_some).collect(),
            insides: needed.iter().map(Need::inside).collect(),
            texts: self.conditions.get(&scan).map(|found| found.texts.clone()).unwrap_or_default(),
            ranges: self.conditions.get(&scan).map(|found| found.ranges.clone()).unwrap_or_default(),
        }
    }

    /// Walks all that the outputs reach, counting who reads each relation and collecting subqueries.
    fn count_readers(&mut self, program: &Program) {
        let mut seen_exprs = FxHashSet::default();
        let mut pending: Vec<RelId> = program.outputs.iter().map(|output| output.rel).collect();
        while let Some(rel) = pending.pop() {
            self.readers[rel.0 as usize] += 1;
            if self.readers[rel.0 as usize] > 1 {
                continue;
            }
            let kind = &program.rel(rel).kind;
            pending.extend(kind.inputs());
            let subqueries = subqueries_of(program, kind.exprs(), &mut seen_exprs);
            pending.extend(subqueries.iter().map(|subquery| subquery.rel));
            self.subqueries.extend(subqueries);
        }
    }
}

/// Returns the subqueries inside expressions that were not seen before.
fn subqueries_of(program: &Program, roots: Vec<ExprId>, seen: &mut FxHashSet<ExprId>) -> Vec<Subquery> {
    let mut found = Vec::new();
    let mut pending = roots;
    while let Some(expr) = pending.pop() {
        if !seen.insert(expr) {
            continue;
        }
        let kind = &program.expr(expr).kind;
        match kind {
            ExprKind::Scalar(rel) => found.push(Subquery { rel: *rel, use_: SubqueryUse::Scalar }),
            ExprKind::InRel { rel, is_case_ignored, .. } => {
                let use_ = SubqueryUse::Members { is_case_ignored: *is_case_ignored };
                found.push(Subquery { rel: *rel, use_ });
            }
            _ => {}
        }
        pending.extend(kind.children());
    }
    found
}

/// Returns for each relation whether it reads an [`RelKind::Input`] that no relation below it binds.
fn find_bound(program: &Program) -> Vec<bool> {
    let mut is_bound: Vec<bool> = Vec::with_capacity(program.rels().len());
    for rel in program.rels() {
        let at = |id: &RelId| is_bound[id.0 as usize];
        let found = match &rel.kind {
            RelKind::Input => true,
            RelKind::MvApply { input, .. } | RelKind::Partition { input, .. } => at(input),
            kind => kind.inputs().iter().any(at),
        };
        is_bound.push(found);
    }
    is_bound
}

/// Refuses a program in which operators would pull from each other too deeply.
fn check_depth(program: &Program) -> Result<(), Fault> {
    let mut depths: Vec<u32> = Vec::with_capacity(program.rels().len());
    for rel in program.rels() {
        let deepest_input = rel.kind.inputs().iter().map(|input| depths[input.0 as usize]).max();
        let depth = deepest_input.map_or(0, |depth| depth + 1);
        if depth > RELATION_DEPTH_MAX {
            let message = format!("more than {RELATION_DEPTH_MAX} operators follow each other; split the query");
            return Err(Fault::new(Code::E2901, message));
        }
        depths.push(depth);
    }
    Ok(())
}
