//! The conditions and values of a rule to ones that mean the same and cost less.
//!
//! Reading a cell can fail, where a record is malformed, so that nothing is moved: a rule finds the same errors in the
//! same records. What a guard looks for is taken from what stands here in the end. Next: `guard.rs`.

use crate::compile::rule::CompiledRule;
use dtq_ir::ExprId;
use dtq_opt::{Root, are_plain, optimize_roots};
use dtq_source::Limits;

/// Optimizes the flat part of a rule, whose conditions have no levels yet.
pub(super) fn optimize(rule: &mut CompiledRule, limits: &Limits) {
    let conditions = rule.flat.conditions.iter().map(|expr| Root { expr: *expr, is_condition: true });
    let values = rule.values.iter().flatten().map(|expr| Root { expr: *expr, is_condition: false });
    let roots: Vec<Root> = conditions.chain(values).collect();
    if are_plain(&rule.flat.program, roots.iter().map(|root| root.expr)) {
        return;
    }
    let options = dtq_opt::Options { limits: limits.clone(), columns_may_fail: true, ..dtq_opt::Options::default() };
    let (program, found, _) = optimize_roots(&rule.flat.program, &roots, &options, &|_| true);
    rule.flat.program = program;
    // They name expressions of the program before; what is needed of them stands in the values.
    rule.flat.columns.clear();
    let (conditions, values): (&[ExprId], &[ExprId]) = found.split_at(rule.flat.conditions.len());
    // One that has become an `and` stays one: a part about the resource alone would be decided before the others.
    rule.flat.conditions = conditions.to_vec();
    let mut values = values.iter();
    for value in rule.values.iter_mut().flatten() {
        *value = *values.next().expect("each value was a root");
    }
}
