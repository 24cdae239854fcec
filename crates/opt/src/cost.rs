//! Expressions to what evaluating them costs, roughly, and how often they are true, by guess.
//!
//! One unit is about a nanosecond of an interpreter that has the operands at hand. Only ratios matter. What was measured
//! wins over a guess. Next: `order.rs`.

use crate::build::hash_own;
use crate::order::Feedback;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_value::Type;
use rustc_hash::FxHasher;
use std::hash::{Hash, Hasher};

/// Holds what is guessed or known of an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    /// What it costs.
    pub cost: f64,
    /// The share of rows for which it is true.
    pub share: f64,
    /// What names it in any program.
    pub fingerprint: u64,
}

/// Keeps the estimates of the nodes of a growing program.
#[derive(Debug, Default)]
pub(crate) struct Estimates {
    known: Vec<Estimate>,
}

impl Estimates {
    /// Returns the estimate of a node.
    pub fn of(&mut self, program: &Program, id: ExprId, feedback: &Feedback) -> Estimate {
        // Operands stand before what uses them.
        for index in self.known.len()..=id.0 as usize {
            let estimate = self.estimate(program, index, feedback);
            self.known.push(estimate);
        }
        self.known[id.0 as usize]
    }

    fn estimate(&self, program: &Program, index: usize, feedback: &Feedback) -> Estimate {
        let expr = &program.exprs()[index];
        let at = |id: ExprId| self.known[id.0 as usize];
        let children = expr.kind.children();
        let mut state = FxHasher::default();
        hash_own(&expr.kind, expr.ty, &mut state);
        children.iter().for_each(|child| at(*child).fingerprint.hash(&mut state));
        let fingerprint = state.finish();
        let operands: f64 = children.iter().map(|child| at(*child).cost).sum();
        let (own, guess) = match &expr.kind {
            ExprKind::Const(value) => (0.0, if *value == dtq_value::Value::Bool(true) { 1.0 } else { 0.0 }),
            ExprKind::Column(_) => (1.0, 0.5),
            ExprKind::Call { function, args, pooled, .. } => {
                let ty = args.first().map_or(Type::Bool, |arg| program.expr(*arg).ty);
                let share = match function.name {
                    "not" => 1.0 - at(args[0]).share,
                    name => share_of(name, args.len()),
                };
                (cost_of(function.name, args.len(), ty, pooled.is_some()), share)
            }
            ExprKind::And(left, right) => (-0.5 * at(*right).cost, at(*left).share * at(*right).share),
            ExprKind::Or(left, right) => {
                (-0.5 * at(*right).cost, 1.0 - (1.0 - at(*left).share) * (1.0 - at(*right).share))
            }
            ExprKind::Case { .. } | ExprKind::Coalesce(_) => (1.0, 0.5),
            ExprKind::Property { .. } | ExprKind::Element { .. } => (PROPERTY_COST, 0.5),
            ExprKind::Scalar(_) => (1.0, 0.5),
            ExprKind::InRel { is_negated, .. } => (MEMBER_COST, if *is_negated { 0.7 } else { 0.3 }),
        };
        let share = feedback.share(fingerprint).unwrap_or(guess).clamp(0.0, 1.0);
        Estimate { cost: operands + own, share, fingerprint }
    }
}

/// Returns what a small expression costs; recursive along its depth.
pub(crate) fn of_tree(program: &Program, id: ExprId) -> f64 {
    let expr = program.expr(id);
    let children = expr.kind.children();
    let operands: f64 = children.iter().map(|child| of_tree(program, *child)).sum();
    let own = match &expr.kind {
        ExprKind::Const(_) => 0.0,
        ExprKind::Property { .. } | ExprKind::Element { .. } => PROPERTY_COST,
        ExprKind::InRel { .. } => MEMBER_COST,
        ExprKind::Call { function, args, pooled, .. } => {
            let ty = args.first().map_or(Type::Bool, |arg| program.expr(*arg).ty);
            cost_of(function.name, args.len(), ty, pooled.is_some())
        }
        _ => 1.0,
    };
    operands + own
}

/// What reading a property costs.
const PROPERTY_COST: f64 = 12.0;

/// What looking into a table costs.
const MEMBER_COST: f64 = 25.0;

/// Returns what a call costs beside its arguments.
fn cost_of(name: &str, args_count: usize, ty: Type, is_prepared: bool) -> f64 {
    let stem = name.strip_prefix('!').unwrap_or(name);
    let of_text = |text: f64| if ty == Type::Dynamic { text + 4.0 } else { text };
    match stem {
        "==" | "=" if matches!(ty, Type::String | Type::Dynamic) => of_text(3.0),
        "==" | "=" | "<" | "<=" | ">" | ">=" | "not" | "isnull" | "isnotnull" | "isempty" | "isnotempty" => 1.0,
        "+" | "-" | "*" | "between" => 2.0,
        "/" | "%" => 4.0,
        "startswith_cs" | "endswith_cs" => of_text(3.0),
        "=~" | "~" | "startswith" | "endswith" => of_text(6.0),
        "contains_cs" => of_text(25.0),
        "contains" => of_text(40.0),
        "has_cs" | "hasprefix_cs" | "hassuffix_cs" => of_text(35.0),
        "has" | "hasprefix" | "hassuffix" => of_text(50.0),
        "has_any" | "has_all" => 60.0,
        "in" | "in~" if is_prepared => 14.0,
        "in" | "in~" => 5.0 * args_count as f64,
        "matches regex" if is_prepared => 120.0,
        "matches regex" => 2_000.0,
        "tolong" | "toint" | "toreal" | "tobool" => 8.0,
        "tostring" | "strlen" | "string_size" => 15.0,
        "tolower" | "toupper" => 40.0,
        _ => 80.0,
    }
}

/// Returns the share of rows for which a call is guessed to be true.
fn share_of(name: &str, args_count: usize) -> f64 {
    if let Some(positive) = name.strip_prefix('!') {
        let positive = if positive == "=" { "==" } else { positive };
        return 1.0 - share_of(positive, args_count);
    }
    let items_count = args_count.saturating_sub(1) as f64;
    match name.strip_suffix("_cs").unwrap_or(name) {
        "==" | "=~" | "~" | "isnull" => 0.1,
        "in" | "in~" => (0.1 * items_count).min(0.6),
        "startswith" | "endswith" | "has" | "hasprefix" | "hassuffix" => 0.15,
        "contains" | "matches regex" | "isempty" | "has_all" => 0.2,
        "has_any" => (0.15 * items_count).min(0.6),
        "between" => 0.25,
        "<" | "<=" | ">" | ">=" => 0.35,
        "isnotempty" => 0.8,
        "isnotnull" => 0.9,
        _ => 0.5,
    }
}
