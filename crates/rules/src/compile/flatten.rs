//! The beginning of a query, as far as it only filters and computes columns, to conditions and columns over cells.
//!
//! `where`, `extend` and `project` behind a table become expressions over the record itself: what one of them computes
//! is substituted where a later one reads it. What follows stays a pipeline of its own. Changes no meaning: conditions
//! keep their order, and nothing is folded. Next: `rule.rs`.

use crate::compile::cells::Cells;
use dtq_ir::effects::always_succeeds;
use dtq_ir::{Expr, ExprId, ExprKind, Program, RelId, RelKind};
use dtq_record::tables::Table;
use dtq_source::Span;
use dtq_value::{Str, Type, Value};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Says what a column of the flat part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlatColumn {
    /// A column of the table as it is.
    Same(usize),
    /// An expression of [`Flat::program`] over cells.
    Computed(ExprId),
}

/// Holds the flat part of a query.
#[derive(Clone, Debug)]
pub struct Flat {
    /// Expressions over cells, with the constant pool of the query's program.
    pub program: Program,
    /// Bools that all have to be true, in the order in which they are evaluated.
    pub conditions: Vec<ExprId>,
    /// The columns of `end`.
    pub columns: Vec<FlatColumn>,
    /// The relation of the query's program that the flat part ends with.
    pub end: RelId,
}

/// Returns the relations from a table to `top` along first inputs, the table first.
pub fn chain(program: &Program, top: RelId) -> Vec<RelId> {
    let mut chain = vec![top];
    let mut at = top;
    while let Some(input) = program.rel(at).kind.inputs().first().copied() {
        chain.push(input);
        at = input;
    }
    chain.reverse();
    chain
}

/// Returns the flat part of a chain of relations that begins with `table`.
pub fn flatten(program: &Program, chain: &[RelId], table: &'static Table, cells: &mut Cells) -> Flat {
    let scan = chain[0];
    let columns = (0..program.rel(scan).columns.len()).map(FlatColumn::Same).collect();
    let mut flat = Flat { program: Program::new(), conditions: Vec::new(), columns, end: scan };
    for pooled in program.pool() {
        flat.program.add_pooled(pooled.clone());
    }
    let mut trees = Trees::default();
    for id in &chain[1..] {
        match &program.rel(*id).kind {
            RelKind::Filter { predicate, .. } => {
                let mut copier = Copier::new(program, table, cells, &mut flat);
                let predicate = copier.copy(*predicate);
                if !trees.are_small(&flat.program, [predicate]) {
                    break;
                }
                split_conjuncts(predicate, &mut flat);
            }
            RelKind::Project { exprs, .. } => {
                let mut copier = Copier::new(program, table, cells, &mut flat);
                let columns: Vec<FlatColumn> = exprs.iter().map(|expr| copier.copy_column(*expr)).collect();
                let computed = columns.iter().filter_map(|column| match column {
                    FlatColumn::Computed(id) => Some(*id),
                    FlatColumn::Same(_) => None,
                });
                if !trees.are_small(&flat.program, computed) {
                    break;
                }
                flat.columns = columns;
            }
            RelKind::Materialize { .. } => {}
            _ => break,
        }
        flat.end = *id;
    }
    flat
}

/// Nodes that an expression of a flat part may have once what it reads is substituted, a shared one counted each time:
/// so many are evaluated. Behind it the operators of `exec` compute each column once.
const TREE_NODES_MAX: u32 = 10_000;
/// How deep it may nest along operands other than the first, for which evaluation uses the stack.
const TREE_DEPTH_MAX: u32 = 200;

/// Holds the size and depth of each expression of a program as a tree, as far as they are known.
#[derive(Default)]
struct Trees(Vec<(u32, u32)>);

impl Trees {
    /// Says whether expressions are within the bounds.
    fn are_small(&mut self, program: &Program, ids: impl IntoIterator<Item = ExprId>) -> bool {
        for expr in &program.exprs()[self.0.len()..] {
            let operands = expr.kind.children().into_iter().enumerate();
            let tree = operands.fold((1u32, 0u32), |(size, depth), (index, operand)| {
                let (own_size, own_depth) = self.0[operand.0 as usize];
                (size.saturating_add(own_size), depth.max(own_depth.saturating_add(u32::from(index > 0))))
            });
            self.0.push(tree);
        }
        ids.into_iter().all(|id| {
            let (size, depth) = self.0[id.0 as usize];
            size <= TREE_NODES_MAX && depth <= TREE_DEPTH_MAX
        })
    }
}

/// Adds a predicate to the conditions, each operand of an outer `and` by itself.
fn split_conjuncts(predicate: ExprId, flat: &mut Flat) {
    let mut pending = vec![predicate];
    while let Some(id) = pending.pop() {
        match flat.program.expr(id).kind {
            ExprKind::And(left, right) => pending.extend([right, left]),
            _ => flat.conditions.push(id),
        }
    }
}

/// Returns the cell of a column as an expression of a flat part.
pub fn cell_expr(flat: &mut Flat, cell: u32, ty: Type) -> ExprId {
    flat.program.add_expr(Expr { kind: ExprKind::Column(cell), ty, span: Span::default() })
}

/// Copies expressions of a query over a relation's row to expressions over cells.
struct Copier<'c> {
    program: &'c Program,
    table: &'static Table,
    cells: &'c mut Cells,
    flat: &'c mut Flat,
    copied: FxHashMap<ExprId, ExprId>,
}

impl<'c> Copier<'c> {
    fn new(program: &'c Program, table: &'static Table, cells: &'c mut Cells, flat: &'c mut Flat) -> Self {
        Self { program, table, cells, flat, copied: FxHashMap::default() }
    }

    fn copy_column(&mut self, id: ExprId) -> FlatColumn {
        match self.program.expr(id).kind {
            ExprKind::Column(index) => self.flat.columns[index as usize],
            _ => FlatColumn::Computed(self.copy(id)),
        }
    }

    /// Copies an expression; operands come before what uses them, so that no recursion is needed.
    fn copy(&mut self, root: ExprId) -> ExprId {
        let mut needed = BTreeSet::new();
        let mut pending = vec![root];
        while let Some(id) = pending.pop() {
            if self.copied.contains_key(&id) || !needed.insert(id) {
                continue;
            }
            if self.key_cell(id).is_none() {
                pending.extend(self.program.expr(id).kind.children());
            }
        }
        for id in needed {
            let copy = self.copy_one(id);
            self.copied.insert(id, copy);
        }
        self.copied[&root]
    }

    /// Copies an expression whose operands are copied.
    fn copy_one(&mut self, id: ExprId) -> ExprId {
        let expr = self.program.expr(id);
        if let Some((column, key)) = self.key_cell(id)
            && let Some(cell) = self.cells.cell(self.table, column, Some(&key))
        {
            return self.flat.program.add_expr(Expr { kind: ExprKind::Column(cell), ..expr.clone() });
        }
        if let Some((base, key)) = constant_key(self.program, &expr.kind)
            && let Some(found) = self.through_edits(self.copied[&base], &key, 0)
        {
            return found;
        }
        if let ExprKind::Column(index) = expr.kind {
            return match self.flat.columns[index as usize] {
                FlatColumn::Computed(id) => id,
                FlatColumn::Same(column) => {
                    let cell = self.cells.cell(self.table, column, None).expect("a whole column is a cell");
                    self.flat.program.add_expr(Expr { kind: ExprKind::Column(cell), ..expr.clone() })
                }
            };
        }
        let kind = with_operands(&expr.kind, &|operand| self.copied[&operand]);
        self.flat.program.add_expr(Expr { kind, ..expr.clone() })
    }

    /// Returns what a key of an edited bag is: of a bag that is set, removed from or chosen key by key, so that reading
    /// `Attributes["a"]` behind such an edit does not need the whole bag.
    fn through_edits(&mut self, bag: ExprId, key: &Str, depth: usize) -> Option<ExprId> {
        if depth > EDITS_MAX {
            return None;
        }
        let Expr { kind, span, .. } = self.flat.program.expr(bag).clone();
        let made = |kind: ExprKind| Expr { kind, ty: Type::Dynamic, span };
        match kind {
            ExprKind::Column(cell) => {
                let column = self.cells.column_of(cell)?;
                let cell = self.cells.cell(self.table, column, Some(key))?;
                Some(self.flat.program.add_expr(made(ExprKind::Column(cell))))
            }
            ExprKind::Case { arms, otherwise } => {
                let mut chosen = Vec::with_capacity(arms.len());
                for (condition, value) in arms {
                    chosen.push((condition, self.through_edits(value, key, depth + 1)?));
                }
                let otherwise = self.through_edits(otherwise, key, depth + 1)?;
                if self.is_chosen_in_vain(&chosen, otherwise) {
                    return Some(otherwise);
                }
                Some(self.flat.program.add_expr(made(ExprKind::Case { arms: chosen, otherwise })))
            }
            kind => match BagEdit::of(&self.flat.program, &kind)? {
                // What is edited may be no bag, and then the edit gives none.
                BagEdit::Set { bag, key: set, value } if set == *key => {
                    self.through_edits(bag, key, depth + 1)?;
                    self.as_dynamic(value)
                }
                BagEdit::Remove { keys, .. } if keys.contains(key) => {
                    Some(self.flat.program.add_expr(made(ExprKind::Const(Value::Null))))
                }
                BagEdit::Merge { bag, pairs } if pairs.iter().any(|(set, _)| set == key) => {
                    self.through_edits(bag, key, depth + 1)?;
                    let value = pairs.into_iter().find_map(|(set, value)| (set == *key).then_some(value))?;
                    Some(self.flat.program.add_expr(made(ExprKind::Const(value))))
                }
                BagEdit::Set { bag, .. } | BagEdit::Remove { bag, .. } | BagEdit::Merge { bag, .. } => {
                    self.through_edits(bag, key, depth + 1)
                }
            },
        }
    }

    /// Returns a value as a key holds it: a dynamic, or a constant that becomes one. Others are read from the whole bag,
    /// since what reads a key is typed for a dynamic, and native code goes by types.
    fn as_dynamic(&mut self, value: ExprId) -> Option<ExprId> {
        let Expr { kind, ty, span } = self.flat.program.expr(value).clone();
        match kind {
            _ if ty == Type::Dynamic => Some(value),
            ExprKind::Const(Value::Null | Value::Bool(_) | Value::Long(_) | Value::Real(_) | Value::String(_)) => {
                Some(self.flat.program.add_expr(Expr { kind, ty: Type::Dynamic, span }))
            }
            _ => None,
        }
    }

    /// Says whether all arms of a `case` are one cell, and nobody notices when its conditions are not asked: the edits
    /// that they decide about were of other keys.
    fn is_chosen_in_vain(&self, arms: &[(ExprId, ExprId)], otherwise: ExprId) -> bool {
        let program = &self.flat.program;
        let ExprKind::Column(cell) = program.expr(otherwise).kind else { return false };
        let is_cell = |id: ExprId| matches!(program.expr(id).kind, ExprKind::Column(own) if own == cell);
        arms.iter().all(|(condition, value)| is_cell(*value) && always_succeeds(program, *condition))
    }

    /// Returns column and key when an expression reads a key of a bag column, as far as that can be a cell.
    fn key_cell(&mut self, id: ExprId) -> Option<(usize, Str)> {
        let (base, key) = constant_key(self.program, &self.program.expr(id).kind)?;
        let ExprKind::Column(index) = self.program.expr(base).kind else { return None };
        let FlatColumn::Same(column) = self.flat.columns[index as usize] else { return None };
        self.cells.cell(self.table, column, Some(&key)).map(|_| (column, key))
    }
}

/// How many edits of a bag are looked through.
const EDITS_MAX: usize = 32;

/// An edit of a bag's keys that is known before any record is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BagEdit {
    /// `bag_set_key(bag, "key", value)`.
    Set {
        /// The bag.
        bag: ExprId,
        /// The key.
        key: Str,
        /// Its new value.
        value: ExprId,
    },
    /// `bag_remove_keys(bag, dynamic(["key", ...]))`.
    Remove {
        /// The bag.
        bag: ExprId,
        /// The keys.
        keys: Vec<Str>,
    },
    /// `bag_merge(dynamic({"key": value, ...}), bag)`: of equal keys the leftmost counts.
    Merge {
        /// The bag.
        bag: ExprId,
        /// Keys and their new values.
        pairs: Vec<(Str, Value)>,
    },
}

impl BagEdit {
    /// Returns the edit that a call is; `None` for other expressions, and for keys that are paths.
    pub fn of(program: &Program, kind: &ExprKind) -> Option<Self> {
        let ExprKind::Call { function, args, .. } = kind else { return None };
        let constant = |id: ExprId| match &program.expr(id).kind {
            ExprKind::Const(value) => Some(value),
            _ => None,
        };
        match (function.name, &args[..]) {
            ("bag_set_key", [bag, key, value]) => {
                let Value::String(key) = constant(*key)? else { return None };
                Some(BagEdit::Set { bag: *bag, key: plain(key)?, value: *value })
            }
            ("bag_remove_keys", [bag, keys]) => {
                let Value::Array(keys) = constant(*keys)? else { return None };
                let key = |value: &Value| if let Value::String(key) = value { plain(key) } else { None };
                Some(BagEdit::Remove { bag: *bag, keys: keys.iter().map(key).collect::<Option<_>>()? })
            }
            ("bag_merge", [pairs, bag]) => {
                let Value::Bag(pairs) = constant(*pairs)? else { return None };
                let pairs = pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                Some(BagEdit::Merge { bag: *bag, pairs })
            }
            _ => None,
        }
    }
}

/// Returns a key that is no JSONPath.
fn plain(key: &Str) -> Option<Str> {
    (!key.as_bytes().starts_with(b"$")).then(|| key.clone())
}

/// Returns what is read when an expression reads a property with a constant key.
fn constant_key(program: &Program, kind: &ExprKind) -> Option<(ExprId, Str)> {
    match kind {
        ExprKind::Property { base, key } => Some((*base, key.clone())),
        ExprKind::Element { base, index } => match &program.expr(*index).kind {
            ExprKind::Const(Value::String(key)) => Some((*base, key.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a kind of expression with other operands.
fn with_operands(kind: &ExprKind, to: &dyn Fn(ExprId) -> ExprId) -> ExprKind {
    match kind {
        ExprKind::Const(_) | ExprKind::Column(_) | ExprKind::Scalar(_) => kind.clone(),
        ExprKind::Call { function, signature, args, pooled } => ExprKind::Call {
            function: *function,
            signature: *signature,
            args: args.iter().map(|arg| to(*arg)).collect(),
            pooled: *pooled,
        },
        ExprKind::And(left, right) => ExprKind::And(to(*left), to(*right)),
        ExprKind::Or(left, right) => ExprKind::Or(to(*left), to(*right)),
        ExprKind::Case { arms, otherwise } => ExprKind::Case {
            arms: arms.iter().map(|(condition, value)| (to(*condition), to(*value))).collect(),
            otherwise: to(*otherwise),
        },
        ExprKind::Coalesce(items) => ExprKind::Coalesce(items.iter().map(|item| to(*item)).collect()),
        ExprKind::Property { base, key } => ExprKind::Property { base: to(*base), key: key.clone() },
        ExprKind::Element { base, index } => ExprKind::Element { base: to(*base), index: to(*index) },
        ExprKind::InRel { value, rel, is_negated, is_case_ignored } => {
            ExprKind::InRel { value: to(*value), rel: *rel, is_negated: *is_negated, is_case_ignored: *is_case_ignored }
        }
    }
}
