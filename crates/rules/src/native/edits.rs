//! What `replace` rules write into attributes, to what is done with single keys, as far as it is known before any record
//! is seen: keys that go, keys that get a constant, and the conditions that decide between.
//!
//! Follows expressions as `engine/written.rs` does, which defines what a record gets; what that evaluates is unknown here,
//! and a record that comes to it is judged there. Next: [`super::set`].

use crate::compile::cells::{Cell, Cells};
use crate::compile::flatten::BagEdit;
use crate::compile::lookup::is_pure;
use crate::compile::rule::{Action, ColumnWrite, CompiledRule};
use crate::compile::set::BaseCells;
use crate::native::reads::columns;
use dtq_interp::{Interpreter, Subqueries};
use dtq_ir::{ExprId, ExprKind};
use dtq_record::otlp::any;
use dtq_record::otlp::key_places::KeyPlaces;
use dtq_record::stream::Row;
use dtq_source::Limits;
use dtq_value::scalar::Context;
use dtq_value::{Str, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Nodes of one plan.
const NODES_MAX: usize = 512;

/// Holds the keys and values that the rules over one table write.
#[derive(Clone, Debug)]
pub(crate) struct EditedKeys {
    /// The keys; each has a bit.
    pub(crate) places: KeyPlaces,
    /// What keys get.
    pub(crate) puts: Vec<Put>,
    /// The bits of keys that guards of rules look at.
    pub(crate) guarded: u64,
}

/// Holds a constant that a key gets.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    key: usize,
    /// What it reads as.
    pub(crate) value: Value,
    /// The field of the attribute.
    pub(crate) field: Vec<u8>,
}

/// An edit of the key at a position: what it gets, by position, or that it goes.
pub(crate) type KeyEdit = (usize, Option<usize>);

/// Holds what a rule writes.
#[derive(Clone, Debug)]
pub(crate) struct EditPlan {
    nodes: Vec<Node>,
    /// One for each written column.
    pub(crate) roots: Vec<usize>,
}

/// Says what a column becomes.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// What it is.
    Same,
    /// What has to be evaluated.
    Unknown,
    /// What another node says, with keys edited; the first edit of a key counts.
    Edited { edits: Vec<KeyEdit>, of: usize },
    /// What the first arm says whose condition, by its position among those of the rule, is true.
    Chosen { arms: Vec<(usize, usize)>, otherwise: usize },
}

impl EditedKeys {
    /// Returns no keys, of a table some of whose rules write attributes; `None` for other tables.
    pub(super) fn new(base: &BaseCells, rules: &[CompiledRule]) -> Option<Self> {
        let writes = base.rules.iter().filter_map(|rule| match &rules[*rule].action {
            Action::Replace { writes } => Some(writes),
            _ => None,
        });
        let column = writes.flatten().find_map(|write| write.bag)?;
        Some(Self { places: KeyPlaces::new(base.cells.base(), column)?, puts: Vec::new(), guarded: 0 })
    }

    /// Returns the bits of the keys that slots are read from; of the whole column all bits.
    pub(super) fn bits(&self, cells: &Cells, slots: impl IntoIterator<Item = u32>) -> u64 {
        let bit = |slot: u32| {
            let path = &cells.paths()[slot as usize];
            let position = |key: &Str| self.places.keys().iter().position(|own| **own == *key.as_bytes());
            match &path.key {
                _ if path.column != self.places.column() => 0,
                Some(key) => position(key).map_or(0, |position| 1 << position),
                None => u64::MAX,
            }
        };
        slots.into_iter().fold(0, |bits, slot| bits | bit(slot))
    }

    fn put(&mut self, key: usize, name: &Str, value: Value) -> Option<usize> {
        if let Some(position) = self.puts.iter().position(|put| put.key == key && put.value == value) {
            return Some(position);
        }
        let field = self.places.encoded(name, &value)?;
        self.puts.push(Put { key, value, field });
        Some(self.puts.len() - 1)
    }
}

impl EditPlan {
    /// Returns the plan of a rule; `choices` are the conditions that it has functions for.
    pub(super) fn new(
        rule: &CompiledRule,
        writes: &[ColumnWrite],
        (keys, cells): (Option<&mut EditedKeys>, &Cells),
        choices: &[ExprId],
        limits: &Limits,
    ) -> Self {
        let mut planner = Planner {
            rule,
            keys,
            cells,
            choices,
            limits,
            nodes: vec![Node::Same, Node::Unknown],
            known: FxHashMap::default(),
        };
        let mut has_bag = false;
        let mut roots = Vec::with_capacity(writes.len());
        for write in writes {
            // Two columns that stand for one bag see each other's keys.
            let is_followed = !(write.bag.is_some() && std::mem::replace(&mut has_bag, true));
            let value = write.row_column.and_then(|at| rule.values[at]).filter(|_| is_followed);
            planner.known.clear();
            roots.push(value.map_or(UNKNOWN, |value| planner.node(value, write)));
        }
        Self { nodes: planner.nodes, roots }
    }

    /// Returns a node.
    #[inline]
    pub(crate) fn node(&self, position: usize) -> &Node {
        &self.nodes[position]
    }

    /// Returns the choices that it may follow, by their position among those of the rule, each once.
    pub(crate) fn choices(&self) -> BTreeSet<usize> {
        let arms = self.nodes.iter().filter_map(|node| match node {
            Node::Chosen { arms, .. } => Some(arms),
            _ => None,
        });
        arms.flatten().map(|(choice, _)| *choice).collect()
    }

    /// Says whether each record that the rule matches has to be evaluated.
    pub(crate) fn is_unknown(&self) -> bool {
        self.roots.contains(&UNKNOWN)
    }
}

/// Positions of the nodes that every plan has.
const SAME: usize = 0;
const UNKNOWN: usize = 1;

struct Planner<'p> {
    rule: &'p CompiledRule,
    keys: Option<&'p mut EditedKeys>,
    cells: &'p Cells,
    choices: &'p [ExprId],
    limits: &'p Limits,
    nodes: Vec<Node>,
    /// The nodes of expressions, which plans share as programs do.
    known: FxHashMap<ExprId, usize>,
}

impl Planner<'_> {
    /// Returns the node of what a column becomes. The depth is that of `case` in `case`, which a flat part bounds.
    fn node(&mut self, root: ExprId, write: &ColumnWrite) -> usize {
        if let Some(known) = self.known.get(&root) {
            return *known;
        }
        let made = self.make(root, write);
        let node = match made {
            Node::Same => SAME,
            Node::Unknown => UNKNOWN,
            _ if self.nodes.len() >= NODES_MAX => UNKNOWN,
            made => {
                self.nodes.push(made);
                self.nodes.len() - 1
            }
        };
        self.known.insert(root, node);
        node
    }

    fn make(&mut self, root: ExprId, write: &ColumnWrite) -> Node {
        let program = &self.rule.flat.program;
        let mut edits: Vec<KeyEdit> = Vec::new();
        let mut expr = root;
        loop {
            let kind = &program.expr(expr).kind;
            match kind {
                ExprKind::Column(cell) if Some(*cell) == write.own_cell && edits.is_empty() => return Node::Same,
                ExprKind::Column(cell) if Some(*cell) == write.own_cell => return Node::Edited { edits, of: SAME },
                ExprKind::Case { .. } if !edits.is_empty() => {
                    let of = self.node(expr, write);
                    return if of == UNKNOWN { Node::Unknown } else { Node::Edited { edits, of } };
                }
                ExprKind::Case { arms, otherwise } => {
                    let choice = |condition| self.choices.iter().position(|choice| choice == condition);
                    let conditions: Option<Vec<usize>> = arms.iter().map(|(condition, _)| choice(condition)).collect();
                    let Some(conditions) = conditions else { return Node::Unknown };
                    let nodes: Vec<usize> = arms.iter().map(|(_, value)| self.node(*value, write)).collect();
                    let otherwise = self.node(*otherwise, write);
                    if otherwise == UNKNOWN && nodes.iter().all(|node| *node == UNKNOWN) {
                        return Node::Unknown;
                    }
                    return Node::Chosen { arms: conditions.into_iter().zip(nodes).collect(), otherwise };
                }
                _ => {}
            }
            let edit = write.bag.and_then(|_| BagEdit::of(program, kind));
            let Some((bag, made)) = edit.and_then(|edit| self.key_edits(edit, write)) else { return Node::Unknown };
            edits.extend(made);
            expr = bag;
            if edits.len() >= NODES_MAX {
                return Node::Unknown;
            }
        }
    }

    /// Returns the bag that is edited and the edits of its keys; `None` where one is not known.
    fn key_edits(&mut self, edit: BagEdit, write: &ColumnWrite) -> Option<(ExprId, Vec<KeyEdit>)> {
        match edit {
            BagEdit::Set { bag, key, value } => {
                let value = self.constant(value)?;
                Some((bag, vec![self.set(&key, value, write)?]))
            }
            BagEdit::Merge { bag, pairs } => {
                let set = |(key, value)| self.set(&key, value, write);
                let edits: Option<Vec<KeyEdit>> = pairs.into_iter().map(set).collect();
                Some((bag, edits?))
            }
            BagEdit::Remove { bag, keys } => {
                let removed = |key: &Str| self.key(key, write).map(|position| (position, None));
                let edits: Option<Vec<KeyEdit>> = keys.iter().map(removed).collect();
                Some((bag, edits?))
            }
        }
    }

    fn set(&mut self, key: &Str, value: Value, write: &ColumnWrite) -> Option<KeyEdit> {
        let position = self.key(key, write)?;
        let put = self.keys.as_mut()?.put(position, key, any::read_back(value))?;
        Some((position, Some(put)))
    }

    fn key(&mut self, key: &Str, write: &ColumnWrite) -> Option<usize> {
        // A key that stands for another column is left to the mapping of the table.
        let cell = self.cells.find(self.rule.table, write.column, key);
        let is_own = matches!(cell, Some(Cell::Slot(_))) && write.bag == Some(self.keys.as_ref()?.places.column());
        self.keys.as_mut().filter(|_| is_own)?.places.add(key)
    }

    /// Returns the value of an expression that is the same for all records.
    fn constant(&self, expr: ExprId) -> Option<Value> {
        let program = &self.rule.flat.program;
        if !is_pure(program, expr) || !columns(program, expr).is_empty() {
            return None;
        }
        let interpreter = Interpreter::resume(program, Subqueries::default());
        interpreter.eval(expr, &Row::new(), &mut Context::new(self.limits.clone(), 0, 0)).ok()
    }
}
