//! What a node refers to: for the verifier, for column pruning and for every pass that walks a program.

use crate::expr::{ExprId, ExprKind};
use crate::rel::{AggregateCall, RelId, RelKind};
use smallvec::{SmallVec, smallvec};

/// Says which row an expression of a relation is evaluated over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sees {
    /// None: it is a constant of the run.
    Nothing,
    /// The rows of this relation.
    Row(RelId),
    /// A row of the relation's own making, such as the states of `scan`.
    More,
}

impl ExprKind {
    /// Returns the expressions that it is made of, in order of evaluation.
    pub fn children(&self) -> SmallVec<[ExprId; 4]> {
        match self {
            ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) => SmallVec::new(),
            ExprKind::Call { args, .. } => args.iter().copied().collect(),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => smallvec![*left, *right],
            ExprKind::Case { arms, otherwise } => {
                let arms = arms.iter().flat_map(|(condition, value)| [*condition, *value]);
                arms.chain(std::iter::once(*otherwise)).collect()
            }
            ExprKind::Coalesce(items) => items.iter().copied().collect(),
            ExprKind::Property { base, .. } => smallvec![*base],
            ExprKind::Element { base, index } => smallvec![*base, *index],
            ExprKind::InRel { value, .. } => smallvec![*value],
        }
    }

    /// Returns the same with other operands and other relations inside.
    #[must_use]
    pub fn mapped(&self, expr: &mut dyn FnMut(ExprId) -> ExprId, rel: &mut dyn FnMut(RelId) -> RelId) -> Self {
        let mut kind = self.clone();
        match &mut kind {
            ExprKind::Const(_) | ExprKind::Column(_) => {}
            ExprKind::Scalar(inner) => *inner = rel(*inner),
            ExprKind::Call { args, .. } => args.iter_mut().for_each(|arg| *arg = expr(*arg)),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => {
                (*left, *right) = (expr(*left), expr(*right));
            }
            ExprKind::Case { arms, otherwise } => {
                arms.iter_mut().for_each(|arm| *arm = (expr(arm.0), expr(arm.1)));
                *otherwise = expr(*otherwise);
            }
            ExprKind::Coalesce(items) => items.iter_mut().for_each(|item| *item = expr(*item)),
            ExprKind::Property { base, .. } => *base = expr(*base),
            ExprKind::Element { base, index } => (*base, *index) = (expr(*base), expr(*index)),
            ExprKind::InRel { value, rel: inner, .. } => (*value, *inner) = (expr(*value), rel(*inner)),
        }
        kind
    }
}

impl AggregateCall {
    /// Returns the expressions that it reads: arguments, then the condition.
    pub fn exprs(&self) -> impl Iterator<Item = ExprId> {
        self.args.iter().copied().chain(self.condition)
    }

    /// Visits the expressions that it reads with whether each is asked only whether it is true.
    fn visit_mut(&mut self, visit: &mut dyn FnMut(&mut ExprId, bool)) {
        self.args.iter_mut().for_each(|arg| visit(arg, false));
        self.condition.iter_mut().for_each(|condition| visit(condition, true));
    }
}

impl RelKind {
    /// Returns the relations that it reads, in order; relations inside expressions are not among them.
    pub fn inputs(&self) -> Vec<RelId> {
        match self {
            RelKind::Scan { .. } | RelKind::Input | RelKind::Values { .. } | RelKind::Range { .. } => Vec::new(),
            RelKind::Filter { input, .. }
            | RelKind::Project { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Distinct { input }
            | RelKind::Aggregate { input, .. }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::MvExpand { input, .. }
            | RelKind::Window { input, .. }
            | RelKind::Materialize { input }
            | RelKind::Sample { input, .. }
            | RelKind::TopNested { input, .. }
            | RelKind::BagUnpack { input, .. }
            | RelKind::Pivot { input, .. } => vec![*input],
            RelKind::Join { left, right, .. } => vec![*left, *right],
            RelKind::Union { inputs } => inputs.clone(),
            RelKind::MvApply { input, body } | RelKind::Partition { input, body, .. } => vec![*input, *body],
            RelKind::Parse(parse) => vec![parse.input],
            RelKind::ParseKv(parse) => vec![parse.input],
            RelKind::MakeSeries(series) => vec![series.input],
            RelKind::ScanSteps(scan) => vec![scan.input],
        }
    }

    /// Returns the expressions that it evaluates itself, over whichever row.
    pub fn exprs(&self) -> Vec<ExprId> {
        match self {
            RelKind::Range { from, to, step } => vec![*from, *to, *step],
            RelKind::Filter { predicate, .. } => vec![*predicate],
            RelKind::Project { exprs, .. } => exprs.clone(),
            RelKind::Take { count, .. } | RelKind::Sample { count, .. } => vec![*count],
            RelKind::Aggregate { keys, aggregates, .. } => {
                keys.iter().copied().chain(aggregates.iter().flat_map(AggregateCall::exprs)).collect()
            }
            RelKind::Sort { keys, .. } => keys.iter().map(|key| key.expr).collect(),
            RelKind::Top { count, keys, .. } => {
                std::iter::once(*count).chain(keys.iter().map(|key| key.expr)).collect()
            }
            RelKind::Join { keys, .. } => keys.iter().flat_map(|(left, right)| [*left, *right]).collect(),
            RelKind::MvExpand { items, limit, .. } => {
                items.iter().map(|item| item.expr).chain(limit.iter().copied()).collect()
            }
            RelKind::Partition { key, .. } => vec![*key],
            RelKind::Parse(parse) => vec![parse.value],
            RelKind::ParseKv(parse) => vec![parse.value],
            RelKind::Window { calls, .. } => calls.iter().flat_map(|call| call.args.iter().copied()).collect(),
            RelKind::MakeSeries(series) => {
                let aggregates = series.aggregates.iter().flat_map(|(call, default)| call.exprs().chain([*default]));
                let bounds = series.from.into_iter().chain(series.to).chain([series.axis, series.step]);
                series.keys.iter().copied().chain(aggregates).chain(bounds).collect()
            }
            RelKind::TopNested { levels, .. } => {
                let level = |level: &crate::rel::TopNestedLevel| -> Vec<ExprId> {
                    level.count.into_iter().chain(level.others).chain([level.of]).chain(level.by.exprs()).collect()
                };
                levels.iter().flat_map(level).collect()
            }
            RelKind::ScanSteps(scan) => {
                let steps = scan.steps.iter().flat_map(|step| {
                    std::iter::once(step.condition).chain(step.assignments.iter().map(|(_, value)| *value))
                });
                let order = scan.order.iter().map(|key| key.expr);
                let defaults = scan.declared.iter().map(|(_, default)| *default);
                scan.partition.iter().copied().chain(order).chain(defaults).chain(steps).collect()
            }
            RelKind::Pivot { keys, pivot, aggregate, .. } => {
                keys.iter().copied().chain([*pivot]).chain(aggregate.exprs()).collect()
            }
            RelKind::Scan { .. }
            | RelKind::Input
            | RelKind::Values { .. }
            | RelKind::Distinct { .. }
            | RelKind::Union { .. }
            | RelKind::MvApply { .. }
            | RelKind::Materialize { .. }
            | RelKind::BagUnpack { .. } => Vec::new(),
        }
    }

    /// Visits the relations that it reads, in the order of [`RelKind::inputs`].
    pub fn visit_inputs_mut(&mut self, visit: &mut dyn FnMut(&mut RelId)) {
        match self {
            RelKind::Scan { .. } | RelKind::Input | RelKind::Values { .. } | RelKind::Range { .. } => {}
            RelKind::Filter { input, .. }
            | RelKind::Project { input, .. }
            | RelKind::Take { input, .. }
            | RelKind::Distinct { input }
            | RelKind::Aggregate { input, .. }
            | RelKind::Sort { input, .. }
            | RelKind::Top { input, .. }
            | RelKind::MvExpand { input, .. }
            | RelKind::Window { input, .. }
            | RelKind::Materialize { input }
            | RelKind::Sample { input, .. }
            | RelKind::TopNested { input, .. }
            | RelKind::BagUnpack { input, .. }
            | RelKind::Pivot { input, .. } => visit(input),
            RelKind::Join { left, right, .. } => [left, right].into_iter().for_each(visit),
            RelKind::Union { inputs } => inputs.iter_mut().for_each(visit),
            RelKind::MvApply { input, body } | RelKind::Partition { input, body, .. } => {
                [input, body].into_iter().for_each(visit);
            }
            RelKind::Parse(parse) => visit(&mut parse.input),
            RelKind::ParseKv(parse) => visit(&mut parse.input),
            RelKind::MakeSeries(series) => visit(&mut series.input),
            RelKind::ScanSteps(scan) => visit(&mut scan.input),
        }
    }

    /// Visits the expressions of [`RelKind::exprs`] with the row that each sees and whether it is asked only whether it
    /// is true.
    pub fn visit_exprs_mut(&mut self, visit: &mut dyn FnMut(&mut ExprId, Sees, bool)) {
        match self {
            RelKind::Range { from, to, step } => {
                [from, to, step].into_iter().for_each(|expr| visit(expr, Sees::Nothing, false));
            }
            RelKind::Filter { input, predicate } => visit(predicate, Sees::Row(*input), true),
            RelKind::Project { input, exprs } => {
                exprs.iter_mut().for_each(|expr| visit(expr, Sees::Row(*input), false))
            }
            RelKind::Take { count, .. } | RelKind::Sample { count, .. } => visit(count, Sees::Nothing, false),
            RelKind::Aggregate { input, keys, aggregates } => {
                let row = Sees::Row(*input);
                keys.iter_mut().for_each(|key| visit(key, row, false));
                aggregates.iter_mut().for_each(|call| call.visit_mut(&mut |expr, asked| visit(expr, row, asked)));
            }
            RelKind::Sort { input, keys } => {
                keys.iter_mut().for_each(|key| visit(&mut key.expr, Sees::Row(*input), false));
            }
            RelKind::Top { input, count, keys } => {
                visit(count, Sees::Nothing, false);
                keys.iter_mut().for_each(|key| visit(&mut key.expr, Sees::Row(*input), false));
            }
            RelKind::Join { left, right, keys, .. } => {
                for (left_key, right_key) in keys {
                    visit(left_key, Sees::Row(*left), false);
                    visit(right_key, Sees::Row(*right), false);
                }
            }
            RelKind::MvExpand { input, items, limit, .. } => {
                items.iter_mut().for_each(|item| visit(&mut item.expr, Sees::Row(*input), false));
                limit.iter_mut().for_each(|limit| visit(limit, Sees::Nothing, false));
            }
            RelKind::Partition { input, key, .. } => visit(key, Sees::Row(*input), false),
            RelKind::Parse(parse) => visit(&mut parse.value, Sees::Row(parse.input), false),
            RelKind::ParseKv(parse) => visit(&mut parse.value, Sees::Row(parse.input), false),
            kind => kind.visit_other_exprs_mut(visit),
        }
    }

    /// Visits the expressions of the kinds that are seldom used.
    fn visit_other_exprs_mut(&mut self, visit: &mut dyn FnMut(&mut ExprId, Sees, bool)) {
        match self {
            RelKind::Window { calls, .. } => {
                calls.iter_mut().flat_map(|call| &mut call.args).for_each(|arg| visit(arg, Sees::More, false));
            }
            RelKind::MakeSeries(series) => {
                let row = Sees::Row(series.input);
                series.keys.iter_mut().for_each(|key| visit(key, row, false));
                for (call, default) in &mut series.aggregates {
                    call.visit_mut(&mut |expr, asked| visit(expr, row, asked));
                    visit(default, Sees::Nothing, false);
                }
                visit(&mut series.axis, row, false);
                let bounds = series.from.iter_mut().chain(&mut series.to).chain([&mut series.step]);
                bounds.for_each(|bound| visit(bound, Sees::Nothing, false));
            }
            RelKind::TopNested { input, levels } => {
                for level in levels {
                    level.count.iter_mut().chain(&mut level.others).for_each(|one| visit(one, Sees::Nothing, false));
                    visit(&mut level.of, Sees::Row(*input), false);
                    level.by.visit_mut(&mut |expr, asked| visit(expr, Sees::Row(*input), asked));
                }
            }
            RelKind::ScanSteps(scan) => {
                let row = Sees::Row(scan.input);
                scan.partition.iter_mut().for_each(|key| visit(key, row, false));
                scan.order.iter_mut().for_each(|key| visit(&mut key.expr, row, false));
                scan.declared.iter_mut().for_each(|(_, default)| visit(default, Sees::Nothing, false));
                for step in &mut scan.steps {
                    visit(&mut step.condition, Sees::More, true);
                    step.assignments.iter_mut().for_each(|(_, value)| visit(value, Sees::More, false));
                }
            }
            RelKind::Pivot { input, keys, pivot, aggregate, .. } => {
                let row = Sees::Row(*input);
                keys.iter_mut().chain([pivot]).for_each(|key| visit(key, row, false));
                aggregate.visit_mut(&mut |expr, asked| visit(expr, row, asked));
            }
            _ => {}
        }
    }
}
