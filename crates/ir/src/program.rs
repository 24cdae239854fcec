//! A whole program: arenas, constant pool, outputs.

use crate::expr::{Expr, ExprId, PoolId};
use crate::rel::{Rel, RelId};
use dtq_value::scalar::Pooled;

/// Holds a compiled query.
#[derive(Clone, Debug, Default)]
pub struct Program {
    exprs: Vec<Expr>,
    rels: Vec<Rel>,
    pool: Vec<Pooled>,
    /// The results in order: one, or several for `fork` and several tabular statements.
    pub outputs: Vec<Output>,
}

/// Holds a result of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name: `PrimaryResult`, or what `fork` or `as` says.
    pub name: String,
    /// Its rows.
    pub rel: RelId,
}

impl Program {
    /// Returns an empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an expression; it may refer only to nodes that are already there.
    pub fn add_expr(&mut self, expr: Expr) -> ExprId {
        self.exprs.push(expr);
        ExprId(u32::try_from(self.exprs.len() - 1).expect("Limits::ir_nodes_max is far below u32::MAX"))
    }

    /// Adds a relation; it may refer only to nodes that are already there.
    pub fn add_rel(&mut self, rel: Rel) -> RelId {
        self.rels.push(rel);
        RelId(u32::try_from(self.rels.len() - 1).expect("Limits::ir_nodes_max is far below u32::MAX"))
    }

    /// Adds an entry to the constant pool.
    pub fn add_pooled(&mut self, pooled: Pooled) -> PoolId {
        self.pool.push(pooled);
        PoolId(u32::try_from(self.pool.len() - 1).expect("Limits::ir_nodes_max is far below u32::MAX"))
    }

    /// Returns an expression.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    /// Returns a relation.
    pub fn rel(&self, id: RelId) -> &Rel {
        &self.rels[id.0 as usize]
    }

    /// Returns an entry of the constant pool.
    pub fn pooled(&self, id: PoolId) -> &Pooled {
        &self.pool[id.0 as usize]
    }

    /// Returns the constant pool; the position is the id.
    pub fn pool(&self) -> &[Pooled] {
        &self.pool
    }

    /// Returns all expressions; the position is the id.
    pub fn exprs(&self) -> &[Expr] {
        &self.exprs
    }

    /// Returns all relations; the position is the id.
    pub fn rels(&self) -> &[Rel] {
        &self.rels
    }
}
