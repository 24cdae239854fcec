//! The state of lowering: the program so far, what is in scope, what was found wrong.

use crate::Options;
use crate::env::View;
use crate::row::RowScope;
use dtq_ir::expr::ExprKind;
use dtq_ir::program::Output;
use dtq_ir::rel::RelKind;
use dtq_ir::{Expr, ExprId, Program, Rel, RelId};
use dtq_record::stream::{Catalog, Column};
use dtq_source::{Code, Diagnostic, Span};
use dtq_value::{Type, Value};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Holds the state of lowering one query.
pub(crate) struct Lowerer<'a> {
    /// What is lowered so far.
    pub program: Program,
    /// The tables.
    pub catalog: &'a dyn Catalog,
    /// Bounds, parameters.
    pub options: &'a Options<'a>,
    /// What names stand for here.
    pub env: View<'a>,
    /// The rows that expressions here see, the innermost last.
    pub rows: Vec<RowScope>,
    /// The names that `as` gave, by relation.
    pub aliases: HashMap<RelId, &'a str>,
    /// Functions being expanded, to find recursion.
    pub expanding: Vec<&'a str>,
    /// Columns whose value has an error: what uses them says nothing.
    pub unknown: HashSet<String>,
    /// Whether an operator before failed, so that the columns here are not known.
    pub is_open: bool,
    /// How many columns have got a number for a name.
    pub unnamed_count: u32,
    diagnostics: Vec<Diagnostic>,
    seen: HashSet<(Code, Span)>,
    silent_count: usize,
    exprs: Vec<Weight>,
    rels: Vec<Weight>,
    depth: usize,
    row_count: u32,
    is_exhausted: bool,
}

/// Holds how large a node is as a tree, how deep, and whether it reads a column.
#[derive(Clone, Copy, Default)]
struct Weight {
    count: usize,
    depth: usize,
    has_column: bool,
}

impl<'a> Lowerer<'a> {
    /// Returns the state before a query.
    pub fn new(catalog: &'a dyn Catalog, options: &'a Options<'a>) -> Self {
        Self {
            program: Program::new(),
            catalog,
            options,
            env: View::inside(None),
            rows: Vec::new(),
            aliases: HashMap::new(),
            expanding: Vec::new(),
            unknown: HashSet::new(),
            is_open: false,
            unnamed_count: 0,
            diagnostics: Vec::new(),
            seen: HashSet::new(),
            silent_count: 0,
            exprs: Vec::new(),
            rels: Vec::new(),
            depth: 0,
            row_count: 0,
            is_exhausted: false,
        }
    }

    /// Returns the program and the diagnostics.
    pub fn finish(self) -> (Program, Vec<Diagnostic>) {
        (self.program, self.diagnostics)
    }

    /// Reports a diagnostic, once a code and place: a function body that is expanded twice says it once.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if self.silent_count == 0 && self.seen.insert((diagnostic.code, diagnostic.span)) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reports an error and gives the value of an expression or relation that has one.
    pub fn fail<T>(&mut self, code: Code, span: Span, message: impl Into<String>) -> Option<T> {
        self.report(Diagnostic::error(code, span, message));
        None
    }

    /// Runs `work` without keeping what it reports.
    pub fn silently<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.silent_count += 1;
        let result = work(self);
        self.silent_count -= 1;
        result
    }

    /// Reports that a part of the language is not implemented.
    pub fn unsupported<T>(&mut self, span: Span, what: impl std::fmt::Display) -> Option<T> {
        self.fail(Code::E2900, span, format!("{what} is not implemented yet"))
    }

    /// Runs `work` one level deeper, unless that passes the limit on nesting.
    pub fn nested<T>(&mut self, span: Span, work: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= self.options.limits.nesting_max {
            return self.exhausted(span, "the query, with its functions expanded, is nested deeper than the limit");
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    fn exhausted<T>(&mut self, span: Span, message: &str) -> Option<T> {
        if !self.is_exhausted {
            self.is_exhausted = true;
            self.silent_count = 0;
            self.report(Diagnostic::error(Code::E2901, span, message));
        }
        None
    }

    /// Adds an expression, unless the program grows past the limit.
    pub fn add(&mut self, kind: ExprKind, ty: Type, span: Span) -> Option<ExprId> {
        let mut weight = Weight { count: 1, depth: 1, has_column: matches!(kind, ExprKind::Column(_)) };
        for child in kind.children() {
            weight.include(self.exprs[child.0 as usize]);
        }
        if let ExprKind::Scalar(rel) | ExprKind::InRel { rel, .. } = &kind {
            let rel = self.rels[rel.0 as usize];
            weight.include(Weight { has_column: false, ..rel });
        }
        self.check_weight(weight, span)?;
        self.exprs.push(weight);
        Some(self.program.add_expr(Expr { kind, ty, span }))
    }

    /// Adds a relation, unless the program grows past the limit.
    pub fn add_rel(&mut self, kind: RelKind, columns: Vec<Column>, is_ordered: bool, span: Span) -> Option<RelId> {
        let mut weight = Weight { count: 1 + columns.len() / 16, depth: 1, has_column: false };
        for input in kind.inputs() {
            weight.include(self.rels[input.0 as usize]);
        }
        let input_depth = weight.depth;
        for expr in kind.exprs() {
            weight.include(self.exprs[expr.0 as usize]);
        }
        weight.depth = input_depth;
        weight.has_column = false;
        self.check_weight(weight, span)?;
        self.rels.push(weight);
        Some(self.program.add_rel(Rel { kind, columns, is_ordered, span }))
    }

    fn check_weight(&mut self, weight: Weight, span: Span) -> Option<()> {
        let limits = &self.options.limits;
        if weight.count > limits.ir_nodes_max {
            return self
                .exhausted(span, "the query, with its functions and lets expanded, has more nodes than the limit");
        }
        if weight.depth > limits.nesting_max.saturating_mul(2) {
            return self
                .exhausted(span, "the query, with its functions and lets expanded, is nested deeper than the limit");
        }
        if self.is_exhausted { None } else { Some(()) }
    }

    /// Says whether an expression reads a column.
    pub fn has_column(&self, id: ExprId) -> bool {
        self.exprs[id.0 as usize].has_column
    }

    /// Returns the type of an expression.
    pub fn ty(&self, id: ExprId) -> Type {
        self.program.expr(id).ty
    }

    /// Returns where an expression was written.
    pub fn span(&self, id: ExprId) -> Span {
        self.program.expr(id).span
    }

    /// Returns the columns of a relation.
    pub fn columns(&self, rel: RelId) -> Vec<Column> {
        self.program.rel(rel).columns.clone()
    }

    /// Says whether the order of a relation means something.
    pub fn is_ordered(&self, rel: RelId) -> bool {
        self.program.rel(rel).is_ordered
    }

    /// Adds a constant.
    pub fn constant(&mut self, value: Value, ty: Type, span: Span) -> Option<ExprId> {
        self.add(ExprKind::Const(value), ty, span)
    }

    /// Adds a reference to a column of a row.
    pub fn column(&mut self, columns: &[Column], index: usize, span: Span) -> Option<ExprId> {
        self.add(ExprKind::Column(index as u32), columns[index].ty, span)
    }

    /// Runs `work` with expressions seeing these columns and nothing special allowed.
    pub fn over<T>(&mut self, columns: impl Into<Rc<[Column]>>, work: impl FnOnce(&mut Self) -> T) -> T {
        let scope = self.scope(columns.into());
        self.rows.push(scope);
        let result = work(self);
        self.rows.pop();
        result
    }

    /// Returns a row scope over these columns, with an id of its own.
    pub fn scope(&mut self, columns: Rc<[Column]>) -> RowScope {
        self.row_count += 1;
        RowScope { id: self.row_count, columns, aggregation: None, windows: None, sides: Vec::new() }
    }

    /// Returns the row that expressions see.
    pub fn row(&self) -> Option<&RowScope> {
        self.rows.last()
    }

    /// Adds an output.
    pub fn output(&mut self, name: impl Into<String>, rel: RelId) {
        self.program.outputs.push(Output { name: name.into(), rel });
    }
}

impl Weight {
    fn include(&mut self, part: Weight) {
        self.count = self.count.saturating_add(part.count);
        self.depth = self.depth.max(part.depth.saturating_add(1));
        self.has_column |= part.has_column;
    }
}
