//! What a node refers to: for the verifier, for column pruning and for every pass that walks a program.

use crate::expr::{ExprId, ExprKind};
use crate::rel::{AggregateCall, RelId, RelKind};

impl ExprKind {
    /// Returns the expressions that it is made of, in order of evaluation.
    pub fn children(&self) -> Vec<ExprId> {
        match self {
            ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) => Vec::new(),
            ExprKind::Call { args, .. } => args.to_vec(),
            ExprKind::And(left, right) | ExprKind::Or(left, right) => vec![*left, *right],
            ExprKind::Case { arms, otherwise } => {
                let arms = arms.iter().flat_map(|(condition, value)| [*condition, *value]);
                arms.chain(std::iter::once(*otherwise)).collect()
            }
            ExprKind::Coalesce(items) => items.clone(),
            ExprKind::Property { base, .. } => vec![*base],
            ExprKind::Element { base, index } => vec![*base, *index],
            ExprKind::InRel { value, .. } => vec![*value],
        }
    }
}

impl AggregateCall {
    /// Returns the expressions that it reads: arguments, then the condition.
    pub fn exprs(&self) -> impl Iterator<Item = ExprId> {
        self.args.iter().copied().chain(self.condition)
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
}
