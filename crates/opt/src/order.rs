//! Operands of `and` and `or`: the cheapest and most deciding first.
//!
//! Of `and`, an operand comes first that costs little for the rows it ends; of `or`, one that costs little for the rows
//! it accepts. `and` and `or` have the same value in any order, null included, so that only operands that can neither
//! fail nor be noticed change places, and none passes one that can: what stands behind it is then evaluated for the same
//! rows. Fixtures: `fixtures/opt/order.md`.

use crate::build::{Builder, Link};
use crate::cost::{Estimate, Estimates};
use crate::walk::{Node, Rule};
use dtq_ir::{ExprId, ExprKind, Program};
use rustc_hash::FxHashMap;

/// Holds measured shares of rows for which conditions are true, by [`fingerprint`].
///
/// Whoever runs a program counts for its conditions how often they were asked and how often they were true, and gives
/// that to the next compilation.
#[derive(Clone, Debug, Default)]
pub struct Feedback {
    shares: FxHashMap<u64, f64>,
}

impl Feedback {
    /// Sets the share of rows, from 0 to 1, for which a condition was true.
    pub fn set(&mut self, fingerprint: u64, share: f64) {
        self.shares.insert(fingerprint, share);
    }

    /// Returns the share that was measured.
    pub fn share(&self, fingerprint: u64) -> Option<f64> {
        self.shares.get(&fingerprint).copied()
    }
}

/// Returns what names an expression in any program over the same columns: equal for equal expressions.
///
/// It is not kept from one version of dtq to the next.
pub fn fingerprint(program: &Program, id: ExprId) -> u64 {
    Estimates::default().of(program, id, &Feedback::default()).fingerprint
}

/// The pass.
pub(crate) struct Order<'f> {
    feedback: &'f Feedback,
    estimates: Estimates,
}

impl<'f> Order<'f> {
    /// Returns the pass with what was measured.
    pub fn new(feedback: &'f Feedback) -> Self {
        Self { feedback, estimates: Estimates::default() }
    }

    /// Returns how much an operand costs for each row that it decides.
    fn rank(&mut self, build: &Builder<'_>, id: ExprId, link: Link) -> f64 {
        let Estimate { cost, share, .. } = self.estimates.of(&build.program, id, self.feedback);
        let decided = if link == Link::And { 1.0 - share } else { share };
        // One that decides nothing comes last, the cheaper of two such first.
        cost.max(0.1) / decided.max(1e-6)
    }
}

impl Rule for Order<'_> {
    fn apply(&mut self, build: &mut Builder<'_>, node: &Node) -> Option<ExprId> {
        let (link, left, right) = match node.kind {
            ExprKind::And(left, right) => (Link::And, left, right),
            ExprKind::Or(left, right) => (Link::Or, left, right),
            _ => return None,
        };
        if node.is_inner {
            return None;
        }
        let is_nested = Link::of(build.kind(right)) == Some(link);
        let operands = [build.chain(left, link), build.chain(right, link)].concat();
        let mut ordered = Vec::with_capacity(operands.len());
        for part in build.movable_parts(&operands) {
            let mut ranked: Vec<(f64, ExprId)> = part.iter().map(|id| (self.rank(build, *id, link), *id)).collect();
            ranked.sort_by(|one, other| one.0.total_cmp(&other.0));
            ordered.extend(ranked.into_iter().map(|(_, id)| id));
        }
        (ordered != operands || is_nested).then(|| build.join(&ordered, link))
    }
}
