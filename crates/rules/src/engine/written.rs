//! What a column becomes: nothing new, some keys of its bag, or a value.
//!
//! Follows `iff` and `case` to the arm that counts, and `bag_set_key`, `bag_remove_keys` and `bag_merge` to the column
//! itself, so that a column that stays is not decoded and an edited bag is not built. Anything else is evaluated.

use crate::compile::cells::Cell;
use crate::compile::flatten::BagEdit;
use crate::compile::rule::ColumnWrite;
use crate::engine::cells::RecordCells;
use crate::engine::frame::Frame;
use dtq_ir::{ExprId, ExprKind};
use dtq_record::otlp::any;
use dtq_record::tables::derive::Write;
use dtq_value::scalar::Fault;
use dtq_value::{Str, Value};

/// Edits of one bag that are followed.
pub(crate) const EDITS_MAX: usize = 64;

/// Names what a key becomes.
enum Put {
    /// It goes.
    Gone,
    /// What an expression gives.
    Expr(ExprId),
    /// A constant.
    Value(Value),
}

/// Says what a column becomes.
#[derive(Debug)]
pub(crate) enum Written {
    /// What it is.
    Same,
    /// It keeps all keys but these.
    Keys(Vec<Write>),
    /// This value.
    Value(Value),
}

impl Frame<'_> {
    /// Returns what a column becomes.
    pub(crate) fn written(
        &mut self,
        position: usize,
        root: ExprId,
        write: &ColumnWrite,
        cells: &RecordCells<'_>,
    ) -> Result<Written, Fault> {
        let mut edits: Vec<(Str, Put)> = Vec::new();
        let program = &self.set.rules[position].flat.program;
        let mut expr = root;
        loop {
            expr = self.chosen(position, expr, cells)?;
            let kind = &program.expr(expr).kind;
            if matches!(kind, ExprKind::Column(cell) if Some(*cell) == write.own_cell) {
                return self.keys(position, edits, root, write, cells);
            }
            let edit = write.bag.and_then(|_| BagEdit::of(program, kind));
            match edit {
                Some(BagEdit::Set { bag, key, value }) if edits.len() < EDITS_MAX => {
                    edits.push((key, Put::Expr(value)));
                    expr = bag;
                }
                Some(BagEdit::Remove { bag, keys }) if edits.len() + keys.len() < EDITS_MAX => {
                    edits.extend(keys.into_iter().map(|key| (key, Put::Gone)));
                    expr = bag;
                }
                Some(BagEdit::Merge { bag, pairs }) if edits.len() + pairs.len() < EDITS_MAX => {
                    edits.extend(pairs.into_iter().map(|(key, value)| (key, Put::Value(value))));
                    expr = bag;
                }
                _ => return self.evaluated(position, root, cells),
            }
        }
    }

    fn evaluated(&mut self, position: usize, root: ExprId, cells: &RecordCells<'_>) -> Result<Written, Fault> {
        self.eval(position, root, cells).map(Written::Value)
    }

    /// Returns the arm of a `case` that counts, or the expression itself.
    fn chosen(&mut self, position: usize, root: ExprId, cells: &RecordCells<'_>) -> Result<ExprId, Fault> {
        let program = &self.set.rules[position].flat.program;
        let mut expr = root;
        'follow: while let ExprKind::Case { arms, otherwise } = &program.expr(expr).kind {
            for (condition, value) in arms {
                if self.chooses(position, *condition, cells)? {
                    expr = *value;
                    continue 'follow;
                }
            }
            expr = *otherwise;
        }
        Ok(expr)
    }

    /// Returns the edits of keys that change something; of several of one key the outermost counts, which comes first.
    fn keys(
        &mut self,
        position: usize,
        edits: Vec<(Str, Put)>,
        root: ExprId,
        write: &ColumnWrite,
        cells: &RecordCells<'_>,
    ) -> Result<Written, Fault> {
        let mut found: Vec<Write> = Vec::new();
        let mut seen: Vec<Str> = Vec::with_capacity(edits.len());
        let Some(bag) = write.bag else { return Ok(Written::Same) };
        for (key, value) in edits {
            if seen.contains(&key) {
                continue;
            }
            let cell = cells.base.cells.find(self.set.rules[position].table, write.column, &key);
            // A key that stands for another column is left to the mapping of the table.
            let Some(Cell::Slot(slot)) = cell else { return self.evaluated(position, root, cells) };
            let is_present = cells.is_present(*slot);
            let value = match value {
                Put::Gone => None,
                Put::Expr(expr) => Some(self.eval(position, expr, cells)?),
                Put::Value(value) => Some(value),
            };
            // Later rules read what the record will hold.
            let value = value.map(any::read_back);
            let is_same = match &value {
                None => !is_present,
                Some(value) => is_present && cells.slot(*slot)? == *value,
            };
            let change = (!is_same).then_some(value);
            found.extend(change.map(|value| Write::Key(bag, key.clone(), value)));
            seen.push(key);
        }
        Ok(if found.is_empty() { Written::Same } else { Written::Keys(found) })
    }
}
