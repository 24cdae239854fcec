//! A program to what its answer depends on besides its tables.

use crate::expr::ExprKind;
use crate::function::Effect;
use crate::program::Program;
use crate::reads::reached;
use crate::rel::{RelId, RelKind};

/// Holds what a program depends on besides its tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The time of the run: `now()`, `ago()`.
    pub has_time: bool,
    /// Randomness: `rand()`, `new_guid()`, `sample`.
    pub has_random: bool,
    /// State that outlives a record.
    pub has_state: bool,
}

/// Returns what the outputs of a program depend on; what no output needs does not count.
pub fn of(program: &Program) -> Effects {
    let mut effects = Effects::default();
    let mut is_seen = vec![false; program.exprs().len()];
    for (index, is_reached) in reached(program).into_iter().enumerate() {
        if !is_reached {
            continue;
        }
        let id = RelId(u32::try_from(index).expect("Limits::ir_nodes_max is far below u32::MAX"));
        let kind = &program.rel(id).kind;
        effects.has_random |= matches!(kind, RelKind::Sample { .. });
        let mut exprs = kind.exprs();
        while let Some(expr) = exprs.pop() {
            if std::mem::replace(&mut is_seen[expr.0 as usize], true) {
                continue;
            }
            let kind = &program.expr(expr).kind;
            if let ExprKind::Call { function, .. } = kind {
                effects.has_time |= function.effect == Effect::Time;
                effects.has_random |= function.effect == Effect::Random;
                effects.has_state |= function.effect == Effect::State;
            }
            exprs.extend(kind.children());
        }
    }
    effects
}
