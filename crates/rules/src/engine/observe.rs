//! What happens to each record, told to whoever wants to know: tests of rules, and those who ask what rules would change.
//!
//! While somebody observes, nothing is decided for a whole resource at once, so that every record is seen; results are
//! the same. Without an observer nothing here runs.

use crate::compile::rule::{Action, CompiledRule};
use crate::compile::set::BaseCells;
use crate::engine::act::Fate;
use crate::engine::cells::RecordCells;
use crate::engine::frame::{Frame, Unit};
use crate::engine::overlay::Overlay;
use dtq_ir::function::Effect;
use dtq_ir::{ExprId, ExprKind, Program};
use dtq_record::otlp::Signal;
use dtq_record::slot::{Slot, Tag};
use dtq_record::tables::Base;
use dtq_value::Value;
use std::collections::BTreeSet;

/// Is told what happens to records while rules judge them.
pub trait Observer {
    /// Takes what a condition of a rule was for a record; `None` when it was null or could not be evaluated.
    fn condition(&mut self, rule: usize, condition: ExprId, outcome: Option<bool>);

    /// Takes a record that has passed all rules, or was taken by one.
    fn record(&mut self, passage: &Passage<'_>);
}

/// Holds what happened to one record.
pub struct Passage<'p> {
    /// What it is.
    pub signal: Signal,
    /// The rule that made it or let it go; `None` for a record that came from outside.
    pub maker: Option<usize>,
    /// The record as it came: a request with it alone.
    pub before: &'p [u8],
    /// The same as it goes on; `None` when it does not.
    pub after: Option<&'p [u8]>,
    /// Size of the record by itself as it came, in bytes.
    pub size_before: usize,
    /// Size of the record by itself as it goes on, in bytes; 0 when it does not.
    pub size_after: usize,
    /// The rule that took it, and where to.
    pub taken: Option<(usize, Fate)>,
    /// The rules that changed it, in order.
    pub editors: &'p [usize],
    /// The slots that rules read of it.
    slots: &'p [Slot],
    base: &'p BaseCells,
}

impl Passage<'_> {
    /// Returns the standard table that the record is a row of.
    pub fn base(&self) -> Base {
        self.base.cells.base()
    }

    /// Says whether a slot, by its position in `Cells::paths`, held something when the record was judged.
    pub fn is_there(&self, slot: usize) -> bool {
        let Some(slot) = self.slots.get(slot) else { return false };
        let is_empty = slot.tag() == Tag::String && slot.length() == 0;
        !is_empty && !slot.is_null()
    }
}

/// Returns the conditions of a rule that are told apart: the operands of `and`, `or` and `not`, in what selects records
/// and in what decides between values that it writes.
///
/// Those whose evaluation has an effect are left out: evaluating them once more would change results.
pub fn conditions(rule: &CompiledRule) -> Vec<ExprId> {
    let program = &rule.flat.program;
    let mut roots: Vec<ExprId> = rule.conditions.iter().map(|condition| condition.expr).collect();
    let mut seen = BTreeSet::new();
    let mut pending: Vec<ExprId> = match &rule.action {
        Action::Drop | Action::Recorder { .. } | Action::Flush { .. } | Action::Route { .. } => Vec::new(),
        _ => rule.values.iter().flatten().copied().collect(),
    };
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            let kind = &program.expr(id).kind;
            if let ExprKind::Case { arms, .. } = kind {
                roots.extend(arms.iter().map(|(condition, _)| *condition));
            }
            pending.extend(kind.children());
        }
    }
    let mut leaves: Vec<ExprId> = Vec::new();
    for root in roots {
        for leaf in leaves_of(program, root) {
            if !leaves.contains(&leaf) && has_no_effect(program, leaf) {
                leaves.push(leaf);
            }
        }
    }
    leaves
}

fn leaves_of(program: &Program, root: ExprId) -> Vec<ExprId> {
    let (mut leaves, mut pending) = (Vec::new(), vec![root]);
    while let Some(id) = pending.pop() {
        match &program.expr(id).kind {
            ExprKind::And(left, right) | ExprKind::Or(left, right) => pending.extend([*right, *left]),
            ExprKind::Call { function, args, .. } if function.name == "not" && args.len() == 1 => pending.push(args[0]),
            _ => leaves.push(id),
        }
    }
    leaves
}

fn has_no_effect(program: &Program, root: ExprId) -> bool {
    let (mut seen, mut pending) = (BTreeSet::new(), vec![root]);
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match &program.expr(id).kind {
            ExprKind::Call { function, .. } if matches!(function.effect, Effect::Random | Effect::State) => {
                return false;
            }
            kind => pending.extend(kind.children()),
        }
    }
    true
}

impl Frame<'_> {
    /// Tells what the conditions of a rule are for a record.
    pub(crate) fn observe_conditions(&mut self, position: usize, cells: &RecordCells<'_>) {
        for condition in conditions(&self.set.rules[position]) {
            let outcome = self.eval(position, condition, cells);
            let outcome = match outcome {
                Ok(Value::Bool(outcome)) => Some(outcome),
                _ => None,
            };
            if let Some(observer) = &mut self.observer {
                observer.condition(position, condition, outcome);
            }
        }
    }

    /// Tells what happened to a record; `came` and `left` are its resource before and after all rules.
    pub(crate) fn observe_record(&mut self, seen: &Seen<'_>) {
        let unit =
            Unit { buffers: dtq_record::slot::Buffers { resource: seen.came, ..seen.unit.buffers }, ..*seen.unit };
        // What cannot be read has no record to show; it is counted as malformed.
        let Ok(before) = self.alone(&unit, &Overlay::default()) else { return };
        let unit =
            Unit { buffers: dtq_record::slot::Buffers { resource: seen.left, ..seen.unit.buffers }, ..*seen.unit };
        let after = match seen.taken {
            None => self.alone(&unit, seen.overlay).ok(),
            Some(_) => None,
        };
        let size_after = match &after {
            Some(_) => self.current(&unit, seen.overlay).map_or(0, |record| record.len()),
            None => 0,
        };
        let passage = Passage {
            signal: unit.signal,
            maker: seen.from.checked_sub(1),
            before: &before,
            after: after.as_deref(),
            size_before: unit.buffers.record.len(),
            size_after,
            taken: seen.taken,
            editors: seen.editors,
            slots: seen.slots,
            base: unit.base,
        };
        if let Some(observer) = &mut self.observer {
            observer.record(&passage);
        }
    }
}

/// Holds what is known of a record when all rules have judged it.
pub(crate) struct Seen<'r> {
    pub(crate) unit: &'r Unit<'r>,
    /// Its resource before any rule.
    pub(crate) came: &'r [u8],
    /// Its resource after all rules.
    pub(crate) left: &'r [u8],
    pub(crate) overlay: &'r Overlay,
    pub(crate) slots: &'r [Slot],
    pub(crate) editors: &'r [usize],
    pub(crate) taken: Option<(usize, Fate)>,
    /// Position of the first rule that judged it.
    pub(crate) from: usize,
}
