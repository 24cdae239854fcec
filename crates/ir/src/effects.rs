//! A program to what its answer depends on besides its tables.

use crate::expr::{ExprId, ExprKind};
use crate::function::{Effect, Failure};
use crate::program::Program;
use crate::reads::reached;
use crate::rel::{RelId, RelKind};
use std::collections::HashSet;

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

/// Says whether evaluating an expression neither fails nor changes anything, so that nobody notices when it is left out.
///
/// Of cells it is assumed that they can be read. A relation inside, which may not be known, counts as what may fail.
pub fn always_succeeds(program: &Program, root: ExprId) -> bool {
    let (mut seen, mut pending) = (HashSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Call { function, args, pooled, .. } => {
                let has_no_effect = matches!(function.effect, Effect::Pure | Effect::Time);
                let cannot_fail = match function.failure {
                    Failure::Never => true,
                    Failure::Unprepared => pooled.is_some(),
                    Failure::Possible => false,
                };
                if !has_no_effect || !cannot_fail {
                    return false;
                }
                pending.extend(args.iter().copied());
            }
            ExprKind::Scalar(_) | ExprKind::InRel { .. } => return false,
            kind => pending.extend(kind.children()),
        }
    }
    true
}
