//! Names of columns that a query does not write, and the columns of an operator's output as they are built up.
//!
//! # Source
//! Microsoft's language service, `@kusto/language-service-next` 12.4.1, run over queries; it agrees with the engine in
//! all conformance cases of the tiers P0 to P2.

use crate::env::Binding;
use crate::lowerer::Lowerer;
use dtq_ir::function::Naming;
use dtq_ir::{ExprId, ExprKind};
use dtq_ir::{aggregate, functions};
use dtq_record::stream::Column;
use dtq_source::{Code, Span};
use dtq_syntax::ast;
use dtq_value::Type;
use std::collections::{HashMap, HashSet};

/// Makes names unique by a number: `x`, `x1`, `x2`.
#[derive(Default)]
pub(crate) struct UniqueNames(HashMap<String, u32>);

impl UniqueNames {
    /// Returns the name, or the name with the next free number.
    pub fn take(&mut self, name: &str) -> String {
        let Some(last) = self.0.get(name).copied() else {
            self.0.insert(name.to_owned(), 0);
            return name.to_owned();
        };
        let mut suffix = last + 1;
        while self.0.contains_key(&format!("{name}{suffix}")) {
            suffix += 1;
        }
        let unique = format!("{name}{suffix}");
        self.0.insert(name.to_owned(), suffix);
        self.0.insert(unique.clone(), 0);
        unique
    }

    /// Reserves a name.
    pub fn reserve(&mut self, name: &str) {
        self.0.entry(name.to_owned()).or_insert(0);
    }
}

/// Returns the names of a join: the first of a name keeps it; `[c, c, c1]` becomes `[c, c2, c1]`.
pub(crate) fn make_unique(columns: &mut [Column]) {
    let mut names = UniqueNames::default();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (index, column) in columns.iter().enumerate() {
        first.entry(column.name.clone()).or_insert(index);
        names.reserve(&column.name);
    }
    for (index, column) in columns.iter_mut().enumerate() {
        if first[&column.name] != index {
            column.name = names.take(&column.name);
        }
    }
}

/// Says how the columns of an operator's output meet those of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// `project`, `distinct`, `by`: only what is listed.
    Project,
    /// `extend`: input columns, replaced where a name is the same.
    Extend,
    /// `mv-expand`: as `extend`, but also for bare columns.
    Replace,
    /// `print`: unnamed columns are `print_0`.
    Print,
}

/// Holds the columns of an operator's output while they are collected.
pub(crate) struct Projection {
    style: Style,
    columns: Vec<(Column, ExprId)>,
    index: HashMap<String, usize>,
    declared: HashSet<String>,
    unique: UniqueNames,
    kept: HashSet<u32>,
}

impl Projection {
    /// Returns an empty projection.
    pub fn new(style: Style) -> Self {
        Self {
            style,
            columns: Vec::new(),
            index: HashMap::new(),
            declared: HashSet::new(),
            unique: UniqueNames::default(),
            kept: HashSet::new(),
        }
    }

    /// Appends a column of the input, which is not repeated later.
    pub fn keep(&mut self, column: &Column, source: u32, expr: ExprId) {
        self.add(column.name.clone(), column.ty, expr);
        self.kept.insert(source);
    }

    /// Marks an input column as present, so that an aggregate that gives it is left out.
    pub fn skip(&mut self, source: u32) {
        self.kept.insert(source);
    }

    /// Says whether an input column is present already.
    pub fn has(&self, source: Option<u32>) -> bool {
        source.is_some_and(|source| self.kept.contains(&source))
    }

    /// Appends under a unique name; `extend` replaces instead. Returns its position.
    pub fn add(&mut self, name: String, ty: Type, expr: ExprId) -> usize {
        if matches!(self.style, Style::Extend | Style::Replace)
            && let Some(index) = self.index.get(&name).copied()
        {
            self.columns[index] = (Column::new(name, ty), expr);
            return index;
        }
        self.append(name, ty, expr)
    }

    /// Appends under a unique name and returns its position.
    pub fn append(&mut self, name: String, ty: Type, expr: ExprId) -> usize {
        let unique = self.unique.take(&name);
        self.index.insert(unique.clone(), self.columns.len());
        self.columns.push((Column::new(unique, ty), expr));
        self.columns.len() - 1
    }

    /// Puts a column under a written name; `None` when the operator has declared it before.
    pub fn declare(&mut self, name: &str, ty: Type, expr: ExprId, is_replacing: bool) -> Option<usize> {
        if !self.declared.insert(name.to_owned()) {
            return None;
        }
        if is_replacing && let Some(index) = self.index.get(name).copied() {
            self.columns[index] = (Column::new(name, ty), expr);
            return Some(index);
        }
        Some(self.append(name.to_owned(), ty, expr))
    }

    /// Returns the columns and what computes each.
    pub fn finish(self) -> (Vec<Column>, Vec<ExprId>) {
        self.columns.into_iter().unzip()
    }
}

impl<'a> Lowerer<'a> {
    /// Adds `names = value` to a projection. A value of `None` has an error; its column is then marked as unknown.
    pub fn project_one(
        &mut self,
        projection: &mut Projection,
        assignment: &'a ast::Assignment,
        id: Option<ExprId>,
        position: usize,
    ) {
        let span = assignment.span;
        let Some(expr) = id.or_else(|| self.placeholder(span)) else { return };
        if self.is_several_columns(expr) {
            let what = "a sort of several arrays as several columns (take one with `[0]`)";
            return self.unsupported(assignment.value.span, what).unwrap_or_default();
        }
        let ty = self.ty(expr);
        if let [name, ..] = assignment.names.as_slice() {
            if assignment.names.len() > 1 {
                self.fail::<()>(Code::E2005, name.span, "this value is one column, not several");
            }
            let is_replacing = projection.style != Style::Project || self.bare_column(&assignment.value, id).is_some();
            self.mark(id, &name.text);
            if projection.declare(&name.text, ty, expr, is_replacing).is_none() {
                self.duplicate(&name.text, name.span);
            }
            return;
        }
        if let (Some(name), Some(source)) =
            (self.bare_column(&assignment.value, id), id.and_then(|id| self.column_index(id)))
        {
            if projection.style == Style::Extend && projection.has(Some(source)) {
                return;
            }
            if projection.style == Style::Print {
                projection.add(format!("print_{position}"), ty, expr);
                return;
            }
            let is_replacing = projection.style == Style::Replace;
            if projection.declare(&name, ty, expr, is_replacing).is_none() {
                self.duplicate(&name, span);
            }
            return;
        }
        let name = match projection.style {
            Style::Print => format!("print_{position}"),
            style => match self.result_name(&assignment.value) {
                Some(name) => name,
                None => self.default_name(style == Style::Extend),
            },
        };
        self.mark(id, &name);
        projection.add(name, ty, expr);
    }

    /// Says whether an expression stands for several columns: `array_sort_asc` or `array_sort_desc` of several arrays.
    fn is_several_columns(&self, id: ExprId) -> bool {
        let ExprKind::Call { function, args, .. } = &self.program.expr(id).kind else { return false };
        let arrays = args.iter().filter(|arg| self.ty(**arg) == Type::Dynamic).count();
        function.name.starts_with("array_sort_") && arrays > 1
    }

    /// Reports a column that is declared twice.
    pub fn duplicate(&mut self, name: &str, span: Span) {
        self.fail::<()>(Code::E2007, span, format!("the column `{name}` is declared twice here"));
    }

    fn mark(&mut self, id: Option<ExprId>, name: &str) {
        match id {
            None => drop(self.unknown.insert(name.to_owned())),
            Some(_) => drop(self.unknown.remove(name)),
        }
    }

    /// Stands for a value that has an error, so that what follows can be checked.
    pub fn placeholder(&mut self, span: Span) -> Option<ExprId> {
        self.constant(dtq_value::Value::Null, Type::Dynamic, span)
    }

    /// Returns the name of the column that an expression is: a bare column, or a conversion that does nothing.
    fn bare_column(&mut self, expr: &'a ast::Expr, id: Option<ExprId>) -> Option<String> {
        let index = self.column_index(id?)?;
        let name = self.row()?.columns.get(index as usize)?.name.clone();
        let is_named = match &expr.kind {
            ast::ExprKind::Paren(inner) => return self.bare_column(inner, id),
            ast::ExprKind::Name(_) => true,
            ast::ExprKind::Call { name, .. } => name.text.starts_with("to"),
            _ => false,
        };
        is_named.then(|| name.trim_start_matches(crate::row::OUTER).to_owned())
    }

    /// Returns the next `Column1` that is free; numbers count through the whole query.
    pub fn default_name(&mut self, includes_row: bool) -> String {
        loop {
            self.unnamed_count += 1;
            let name = format!("Column{}", self.unnamed_count);
            let is_column = includes_row && self.row().is_some_and(|row| row.find(&name).is_some());
            if !is_column && self.env.find(&name).is_none() {
                return name;
            }
        }
    }

    /// Returns the name that an expression gives its column, or `None` for one that gets a number.
    pub fn result_name(&self, expr: &ast::Expr) -> Option<String> {
        match &expr.kind {
            ast::ExprKind::Paren(inner) => self.result_name(inner),
            ast::ExprKind::Name(name) => Some(name.text.clone()),
            ast::ExprKind::Path { base, name } => Some(match self.result_name(base) {
                Some(base) if !base.is_empty() && !base.starts_with('$') => format!("{base}_{}", name.text),
                _ => name.text.clone(),
            }),
            ast::ExprKind::Index { base, index } => {
                let selector = match &index.kind {
                    ast::ExprKind::Literal(ast::Literal::String { value, .. }) => Some(value.clone()),
                    ast::ExprKind::Literal(ast::Literal::Integer(text)) => Some(text.clone()),
                    _ => None,
                };
                match self.result_name(base) {
                    Some(base) if !base.is_empty() => Some(format!("{base}_{}", selector.unwrap_or_default())),
                    _ => selector,
                }
            }
            ast::ExprKind::Call { name, args } => self.call_name(name, args),
            _ => None,
        }
    }

    fn call_name(&self, name: &ast::Name, args: &[ast::Arg]) -> Option<String> {
        if let Some(Binding::Function(_)) = self.env.find(&name.text) {
            return None;
        }
        if matches!(name.text.as_str(), "column_ifexists" | "columnifexists") {
            let ast::ExprKind::Literal(ast::Literal::String { value, .. }) = &args.first()?.value.kind else {
                return None;
            };
            return self.row().is_some_and(|row| row.find(value).is_some()).then(|| value.clone());
        }
        let naming = match aggregate::by_name(&name.text) {
            Some(found) if self.row().is_some_and(|row| row.aggregation.is_some()) => found.naming,
            _ => functions::by_name(&name.text)?.naming,
        };
        self.named_by(naming, args)
    }

    /// Applies a rule of naming to arguments.
    pub fn named_by(&self, naming: Naming, args: &[ast::Arg]) -> Option<String> {
        let name_of = |index: usize| args.get(index).and_then(|arg| self.result_name(&arg.value));
        match naming {
            Naming::Numbered => None,
            Naming::FirstArgument => name_of(0),
            Naming::OnlyArgument => {
                if args.len() == 1 {
                    name_of(0)
                } else {
                    None
                }
            }
            Naming::Prefixed(prefix) => Some(format!("{prefix}_{}", name_of(0).unwrap_or_default())),
            Naming::PrefixedByTwo(prefix) => {
                Some(format!("{prefix}_{}_{}", name_of(0).unwrap_or_default(), name_of(1).unwrap_or_default()))
            }
            Naming::Fixed(name) => Some(name.to_owned()),
        }
    }
}
