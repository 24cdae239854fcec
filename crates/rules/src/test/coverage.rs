//! Which conditions of a rule its tests have shown true and false.

use crate::compile::rule::CompiledRule;
use crate::engine::observe::{Observer, Passage, conditions};
use crate::file::Rule;
use crate::test::report::{NeverVaried, Outcome};
use dtq_ir::{ExprId, ExprKind};

/// Counts the outcomes of the conditions of one rule.
pub(crate) struct Coverage {
    rule: usize,
    seen: Vec<Seen>,
}

struct Seen {
    condition: ExprId,
    was_true: bool,
    was_other: bool,
}

impl Coverage {
    /// Returns the coverage of the rule at a position, without a test yet.
    pub(crate) fn new(position: usize, rule: &CompiledRule) -> Self {
        let of = |condition| Seen { condition, was_true: false, was_other: false };
        Self { rule: position, seen: conditions(rule).into_iter().map(of).collect() }
    }

    /// Returns the conditions that were not both.
    pub(crate) fn never_varied(&self, compiled: &CompiledRule, rule: &Rule) -> Vec<NeverVaried> {
        let mut found = Vec::new();
        for seen in &self.seen {
            let expr = compiled.flat.program.expr(seen.condition);
            let never = match (seen.was_true, seen.was_other) {
                _ if matches!(expr.kind, ExprKind::Const(_)) => continue,
                (true, true) => continue,
                (true, false) => Outcome::False,
                (false, true) => Outcome::True,
                (false, false) => Outcome::Any,
            };
            let Some(text) = rule.query.text.get(expr.span.range()).filter(|text| !text.is_empty()) else { continue };
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let one = NeverVaried { text, span: rule.query.map.span(expr.span), never };
            if !found.contains(&one) {
                found.push(one);
            }
        }
        found.sort_by_key(|one: &NeverVaried| one.span);
        found
    }
}

impl Observer for Coverage {
    fn condition(&mut self, rule: usize, condition: ExprId, outcome: Option<bool>) {
        if rule != self.rule {
            return;
        }
        if let Some(seen) = self.seen.iter_mut().find(|seen| seen.condition == condition) {
            match outcome {
                Some(true) => seen.was_true = true,
                _ => seen.was_other = true,
            }
        }
    }

    fn record(&mut self, _: &Passage<'_>) {}
}
